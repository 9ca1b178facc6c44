"""Opaque page cursors: a position in an order, as one URL-safe word.

A cursor is no secret and no permission: whoever forges one sees another page of what they may see anyway.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from reference_server.errors import RefusedError

SEQ_MAX = (1 << 63) - 1
_FAR_FUTURE = datetime(9999, 12, 31, tzinfo=UTC)


class MessageCursor(msgspec.Struct, frozen=True, array_like=True, tag="m"):
    """The page of messages with a lower seq."""

    before_seq: int


class NewerMessageCursor(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """The page of messages with a higher seq."""

    after_seq: int


class TimeCursor(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """The page of messages with an earlier created_at."""

    before_created_at: datetime


class OffsetCursor(msgspec.Struct, frozen=True, array_like=True, tag="o"):
    """The page of messages behind so many."""

    offset: int


class UserCursor(msgspec.Struct, frozen=True, array_like=True, tag="u"):
    """The page of users with a higher id."""

    after_user_id: UUID


class ParticipantCursor(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """The page of participants with a higher user id."""

    after_user_id: UUID


class ConversationCursor(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The page of conversations that come later in (last_message_at, id), newest first."""

    before_at: datetime
    before_id: UUID


class MembershipCursor(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """The page of memberships with a higher conversation id."""

    after_conversation_id: UUID


AnyCursor = (
    MessageCursor
    | NewerMessageCursor
    | TimeCursor
    | OffsetCursor
    | ConversationCursor
    | MembershipCursor
    | ParticipantCursor
    | UserCursor
)
Cursor = TypeVar("Cursor", bound=AnyCursor)

NEWEST_MESSAGES = MessageCursor(SEQ_MAX)
NEWEST_BY_TIME = TimeCursor(_FAR_FUTURE)
NEWEST_BY_OFFSET = OffsetCursor(0)
NEWEST_CONVERSATIONS = ConversationCursor(_FAR_FUTURE, UUID(int=(1 << 128) - 1))
FIRST_MEMBERSHIPS = MembershipCursor(UUID(int=0))
FIRST_PARTICIPANTS = ParticipantCursor(UUID(int=0))
FIRST_USERS = UserCursor(UUID(int=0))

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


def encode_cursor(cursor: AnyCursor) -> str:
    """The cursor as a word of letters, digits, '-' and '_'."""
    return base64.urlsafe_b64encode(_encoder.encode(cursor)).rstrip(b"=").decode()


def decode_cursor(word: str, kind: type[Cursor]) -> Cursor:
    """The cursor in a word; RefusedError when it is not one of this kind."""
    try:
        padded = word + "=" * (-len(word) % 4)
        cursor = msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=kind)
        if isinstance(cursor, MessageCursor):
            _check_seq(cursor.before_seq)
        if isinstance(cursor, NewerMessageCursor):
            _check_seq(cursor.after_seq)
        if isinstance(cursor, OffsetCursor):
            _check_seq(cursor.offset)
        if isinstance(cursor, TimeCursor):
            _check_time(cursor.before_created_at)
        if isinstance(cursor, ConversationCursor):
            _check_time(cursor.before_at)
    except (msgspec.DecodeError, binascii.Error, ValueError, OverflowError) as error:
        raise RefusedError(f"{word[:40]!r} is no cursor of this list; pass next_cursor as it was given") from error
    return cursor


def _check_seq(seq: int) -> None:
    if not 0 <= seq <= SEQ_MAX:
        raise ValueError(seq)


def _check_time(at: datetime) -> None:
    if at.tzinfo is None:
        raise ValueError(at)
    at.astimezone(UTC)  # OverflowError before the first and after the last year
