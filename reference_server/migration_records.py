"""What the HTTP API takes and gives of the older chat and of the migration from it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from reference_server.migration import Phase
from reference_server.records import Content


class LegacyConnection(msgspec.Struct, frozen=True):
    """One connection request of the older chat; fields in the order of the statements' columns."""

    id: UUID
    sender_id: UUID
    receiver_id: UUID
    status: Literal["pending", "accepted", "declined"]
    created_at: datetime
    unread_count: Annotated[int, Meta(description="Messages of the other one that the caller has not read.")]


class LegacyMessage(msgspec.Struct, frozen=True):
    """One message of the older chat; fields in the order of the statements' columns."""

    id: UUID
    connection_request_id: UUID
    sender_id: UUID
    content: Annotated[str, Meta(description="Empty when the message was deleted in the new chat.")]
    created_at: datetime
    read_at: datetime | None


class NewLegacyConnection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to ask for a connection."""

    user_id: UUID


class NewLegacyMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to send over a connection."""

    content: Content


class LegacyConnectionAnswer(msgspec.Struct, frozen=True):
    """One connection."""

    connection: LegacyConnection


class LegacyConnectionPage(msgspec.Struct, frozen=True):
    """Connections, newest first."""

    connections: list[LegacyConnection]
    has_more: Annotated[bool, Meta(description="Ask for the rest with `before`, the last one's id.")]


class LegacyMessageAnswer(msgspec.Struct, frozen=True):
    """One message."""

    message: LegacyMessage


class LegacyMessagePage(msgspec.Struct, frozen=True):
    """Messages, newest first. As in the older chat, a full page does not tell whether there is another."""

    messages: list[LegacyMessage]


class LegacyReadAnswer(msgspec.Struct, frozen=True):
    """How many messages this reading has marked as read."""

    marked: int


class MigratedConversationAnswer(msgspec.Struct, frozen=True):
    """The conversation that a connection has become; null while it has not."""

    conversation_id: UUID | None


class ChatRoute(msgspec.Struct, frozen=True):
    """Which of the two chats a user is sent to, and why."""

    uses_new_chat: bool
    bucket: Annotated[int, Meta(description="The user's stable place, 0 to 99; below the percentage is in.")]
    percentage: int
    phase: Phase


class Migration(msgspec.Struct, frozen=True):
    """Where the migration is; fields in the order of the statements' columns."""

    phase: Phase
    rollout_percentage: int
    batch_messages: Annotated[int, Meta(description="Of the backfill: messages between two pauses, at least.")]
    pause_seconds: Annotated[float, Meta(description="Of the backfill: the pause after a batch.")]
    reached_connection_id: UUID
    connections_copied: Annotated[int, Meta(description="By the backfill since the start.")]
    messages_copied: int
    started_at: datetime | None
    ended_at: datetime | None


class MigrationStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The throttle of the backfill; what is left out stays as it is."""

    batch_messages: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    pause_seconds: Annotated[float, Meta(ge=0, le=60)] | None = None


class Rollout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The percentage of users to send to the new chat."""

    percentage: Annotated[int, Meta(ge=0, le=100)]


class VerificationCheck(msgspec.Struct, frozen=True):
    """One check of verify_migration(); fields in the order of its columns."""

    check_name: str
    examined: int
    mismatches: int
    is_ok: bool
    example: Annotated[str | None, Meta(description="One of the mismatches.")]


class Verification(msgspec.Struct, frozen=True):
    """All checks, and whether none has found anything."""

    is_ok: bool
    checks: list[VerificationCheck]
