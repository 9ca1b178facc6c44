"""What the HTTP API takes and gives: requests, answers and the records in them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reference_server.frames import ConversationType, PresenceStatus, Role

CONTENT_LENGTH_MAX = 4000
NAME_LENGTH_MAX = 100
DESCRIPTION_LENGTH_MAX = 500
GROUP_SIZE_MAX = 10_000

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL's text holds every character but this one

Name = Annotated[
    str, Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=_NO_NUL, description="What the group is called.")
]
Content = Annotated[
    str, Meta(min_length=1, max_length=CONTENT_LENGTH_MAX, pattern=_NO_NUL, description="The message's text.")
]
Identifier = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Description = Annotated[
    str,
    Meta(max_length=DESCRIPTION_LENGTH_MAX, pattern=_NO_NUL, description="What the group is about."),
]


class Message(msgspec.Struct, frozen=True):
    """One message. Ids are text: a page holds two hundred, and asyncpg's UUIDs take five times as long to encode."""

    id: Identifier
    conversation_id: Identifier
    seq: Annotated[int, Meta(description="Gap-free from 1 in each conversation.")]
    sender_id: Identifier
    content: str
    client_id: Annotated[Identifier, Meta(description="Chosen by the sender; the same one is the same message.")]
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None


def message_of(row: Any) -> Message:
    """The message in a row of a statement that gives messages."""
    id_, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at = row
    return Message(
        str(id_), str(conversation_id), seq, str(sender_id), content, str(client_id), created_at, edited_at, deleted_at
    )


class Conversation(msgspec.Struct, frozen=True):
    """One conversation; fields in the order of the statements' columns."""

    id: UUID
    type: ConversationType
    name: str | None
    description: str | None
    participant1_id: UUID | None
    participant2_id: UUID | None
    created_by: UUID | None
    created_at: datetime
    last_message_at: datetime
    last_seq: int


class ListedConversation(Conversation, frozen=True, kw_only=True):
    """A conversation as its participant's list shows it."""

    role: Role
    last_read_seq: int
    unread_count: int
    last_message: Message | None


class Membership(msgspec.Struct, frozen=True):
    """Where one stands in a conversation; fields in the order of the statement's columns."""

    conversation_id: UUID
    role: Role
    last_read_seq: int
    last_seq: Annotated[int, Meta(description="Of the newest message: what a later resume starts from.")]


class Participant(msgspec.Struct, frozen=True):
    """Who is in a conversation; fields in the order of the statement's columns."""

    user_id: UUID
    role: Role
    joined_at: datetime
    last_read_seq: Annotated[int, Meta(description="Everything up to it is read.")]


class User(msgspec.Struct, frozen=True):
    """Someone there is; fields in the order of the statements' columns."""

    id: UUID
    display_name: str
    created_at: datetime


class ReadState(msgspec.Struct, frozen=True):
    """How far the caller has read a conversation; fields in the order of the statement's columns."""

    last_read_seq: int
    unread_count: int
    last_seq: int


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to act as, and the key that allows it."""

    user_id: UUID
    login_key: Annotated[str, Meta(max_length=200)]


class LoginAnswer(msgspec.Struct, frozen=True):
    """A bearer token and its lifetime in seconds."""

    access_token: str
    expires_in: int


class GatewayAnswer(msgspec.Struct, frozen=True):
    """Where events come from, and which encodings there are."""

    url: str
    subprotocols: tuple[str, ...]


class NewDirectConversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The other participant."""

    user_id: UUID


class NewGroupConversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The group's name and its members beside its maker."""

    name: Name
    user_ids: Annotated[tuple[UUID, ...], Meta(max_length=GROUP_SIZE_MAX - 1)]


class NewMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to send."""

    content: Content
    client_id: Annotated[UUID, Meta(description="A fresh one per message; the same one when sending is retried.")]


class MessageChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message's new content."""

    content: Content


class GroupChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different about a group; what is not named stays."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET


class GroupInfo(msgspec.Struct, frozen=True):
    """What a group says of itself."""

    name: str
    description: str | None


class NewParticipant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to add."""

    user_id: UUID


class NewRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The role that a participant is to have."""

    role: Role


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a page of a list says of the pages after it."""

    has_more: bool
    next_cursor: Annotated[str | None, Meta(description="For `cursor`, to get the page after this one.")]


class ParticipantAnswer(msgspec.Struct, frozen=True):
    """One participant."""

    participant: Participant


class ParticipantPage(Page, frozen=True):
    """Participants by user id."""

    participants: list[Participant]


class ConversationAnswer(msgspec.Struct, frozen=True):
    """One conversation."""

    conversation: Conversation


class MessageAnswer(msgspec.Struct, frozen=True):
    """One message."""

    message: Message


class ConversationPage(Page, frozen=True):
    """Conversations, newest first."""

    conversations: list[ListedConversation]


class MessagePage(msgspec.Struct, frozen=True):
    """Messages. `next_cursor` goes on in the direction of this page, `newer_cursor` to what came after its newest."""

    messages: list[Message]
    has_more: Annotated[bool, Meta(description="Whether there are more in the direction of this page.")]
    next_cursor: Annotated[str | None, Meta(description="For `before`; for `after` where the page was asked with it.")]
    newer_cursor: Annotated[str, Meta(description="For `after`; also when there is nothing newer yet.")]


class MembershipPage(Page, frozen=True):
    """Memberships by conversation id."""

    memberships: list[Membership]


class UserAnswer(msgspec.Struct, frozen=True):
    """One user."""

    user: User


class UserPage(Page, frozen=True):
    """Users by id."""

    users: list[User]


class UserPresence(msgspec.Struct, frozen=True):
    """One user's merged status."""

    user_id: UUID
    status: PresenceStatus
    version: Annotated[int, Meta(description="Grows by one with each change while the server runs.")]
    last_seen_at: Annotated[datetime | None, Meta(description="Of who is offline, when it is known.")]


class PresenceAnswer(msgspec.Struct, frozen=True):
    """The status of each user asked about, in the order of the question."""

    users: list[UserPresence]


class TypingAnswer(msgspec.Struct, frozen=True):
    """Who is typing, the caller excepted."""

    user_ids: list[UUID]


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Why a request was not carried out."""

    code: Annotated[str, Meta(description="Stable, for programs.")]
    message: Annotated[str, Meta(description="One sentence, for people.")]
