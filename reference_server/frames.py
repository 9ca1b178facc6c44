"""Contract: the gateway's frames.

Commands go from client to server, events from server to client. Names are whole words here and single letters
on the wire, because an event is paid for once per recipient. A frame is one JSON object (subprotocol
`chat.v1.json`) or one msgpack map with 16-byte ids (`chat.v1.msgpack`); `t` says which frame it is.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, field

SUBPROTOCOLS = ("chat.v1.json", "chat.v1.msgpack")

PresenceStatus = Literal["online", "away", "offline"]
ConversationType = Literal["direct", "group"]
Role = Literal["member", "admin", "owner"]
ParticipantChange = Literal["joined", "left", "removed", "role"]
HeldSeq = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]  # 0: none yet


class CloseCode:
    """Why the server closed the gateway connection (RFC 6455 leaves 4000–4999 to applications)."""

    BAD_FRAME = 4400  # not a command, or one out of order
    UNAUTHENTICATED = 4401  # no valid token in time, or one that has expired since
    SLOW_CONSUMER = 4408  # its send queue passed the bound
    RATE_LIMITED = 4429  # it went on sending commands beyond its rate limit
    GOING_AWAY = 1001  # the server stops
    TRY_AGAIN_LATER = 1013  # a resume could not be completed; come again with the same seqs


class _Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    """What all frames share: a tag `t`."""


# --- commands -------------------------------------------------------------------------------------------


class Authenticate(_Frame, frozen=True, tag="authenticate"):
    """Must be the first frame; answered by Ready or by close code 4401."""

    token: str


class SubscribeMessages(_Frame, frozen=True, tag="subscribe_messages"):
    """Asks for the messages of all one's conversations, from now on; answered by Subscribed.

    With `resume`, every message after the given seq comes first, exactly once, then the live ones.
    """

    resume: dict[UUID, HeldSeq] = {}  # conversation → last seq the client holds


class UnsubscribeMessages(_Frame, frozen=True, tag="unsubscribe_messages"):
    """Ends the message events; answered by Unsubscribed."""


class SubscribePresence(_Frame, frozen=True, tag="subscribe_presence"):
    """Asks for the presence of the given users, now (PresenceState) and when it changes; adds to earlier ones."""

    user_ids: tuple[UUID, ...]


class UnsubscribePresence(_Frame, frozen=True, tag="unsubscribe_presence"):
    """Ends the presence events of the given users; answered by Unsubscribed."""

    user_ids: tuple[UUID, ...]


class UpdatePresence(_Frame, frozen=True, tag="update_presence"):
    """Sets this device's status; answered by PresenceUpdated."""

    status: PresenceStatus


class SubscribeTyping(_Frame, frozen=True, tag="subscribe_typing"):
    """Asks who is typing in a conversation, now (TypingState) and when it changes."""

    conversation_id: UUID


class UnsubscribeTyping(_Frame, frozen=True, tag="unsubscribe_typing"):
    """Ends the typing events of the conversation; answered by Unsubscribed."""

    conversation_id: UUID


class StartTyping(_Frame, frozen=True, tag="start_typing"):
    """This device's user is typing there; expires by itself unless sent again. Not answered."""

    conversation_id: UUID


class StopTyping(_Frame, frozen=True, tag="stop_typing"):
    """This device's user is typing there no more. Not answered."""

    conversation_id: UUID


Command = (
    Authenticate
    | SubscribeMessages
    | UnsubscribeMessages
    | SubscribePresence
    | UnsubscribePresence
    | UpdatePresence
    | SubscribeTyping
    | UnsubscribeTyping
    | StartTyping
    | StopTyping
)

# --- events ---------------------------------------------------------------------------------------------


class Ready(_Frame, frozen=True, tag="ready"):
    """The connection is authenticated; status is online for this device."""

    user_id: UUID
    heartbeat_seconds: float  # the server pings this often and gives up after as long again
    coalescing_seconds: float = 0.0  # events of conversations wait so long for others to leave with; 0: none do


class Subscribed(_Frame, frozen=True, tag="subscribed"):
    """The subscription stands: replay (if any) is over, live events follow."""

    topic: Literal["messages"]


class Unsubscribed(_Frame, frozen=True, tag="unsubscribed"):
    """No events of the topic follow."""

    topic: Literal["messages", "presence", "typing"]


class MessageEvent(_Frame, frozen=True, tag="m", omit_defaults=True):
    """A message in one of the subscriber's conversations, as it is stored when the event leaves."""

    conversation_id: UUID = field(name="c")
    seq: int = field(name="n")
    sender_id: UUID = field(name="s")
    created_at_ms: int = field(name="a")  # milliseconds since 1970
    content: str = field(name="b")
    # Only in a replay, and only when they are so:
    edited_at_ms: int | None = field(name="e", default=None)
    is_deleted: bool = field(name="d", default=False)  # a tombstone: content is empty


class EditedEvent(_Frame, frozen=True, tag="edited"):
    """A message has new content."""

    conversation_id: UUID = field(name="c")
    seq: int = field(name="n")
    content: str = field(name="b")
    edited_at_ms: int = field(name="e")


class DeletedEvent(_Frame, frozen=True, tag="deleted"):
    """A message is a tombstone now: its seq stays, its content is gone."""

    conversation_id: UUID = field(name="c")
    seq: int = field(name="n")


class ReceiptEvent(_Frame, frozen=True, tag="r"):
    """A participant has read a conversation up to and with a message. Senders have read what they wrote without one."""

    conversation_id: UUID = field(name="c")
    user_id: UUID = field(name="u")
    seq: int = field(name="n")


class ConversationAddedEvent(_Frame, frozen=True, tag="conversation_added"):
    """The subscriber is in a conversation now: it is new, or somebody added them."""

    conversation_id: UUID = field(name="c")
    type: ConversationType
    name: str | None  # of a group
    description: str | None  # of a group
    participant_ids: tuple[UUID, ...]  # of a direct conversation; empty for a group, whose list may be long
    role: Role
    last_seq: int  # messages up to this one are paged over HTTP, later ones come as events


class ConversationUpdatedEvent(_Frame, frozen=True, tag="conversation_updated"):
    """A group's name or description changed; both as they are now."""

    conversation_id: UUID = field(name="c")
    name: str
    description: str | None


class ParticipantChangedEvent(_Frame, frozen=True, tag="participant_changed"):
    """Somebody joined or left a group, or has another role in it. Who leaves is told too, and nothing after that."""

    conversation_id: UUID = field(name="c")
    user_id: UUID = field(name="u")
    change: ParticipantChange
    role: Role  # as it is now; for who left or was removed, as it was


class ResumeGap(_Frame, frozen=True, tag="resume_gap"):
    """More was missed than the gateway replays: page these over HTTP. Nothing is dropped silently."""

    conversation_id: UUID = field(name="c")
    from_seq: int
    to_seq: int


class PresenceEvent(_Frame, frozen=True, tag="p", omit_defaults=True):
    """A watched user's merged status changed."""

    user_id: UUID = field(name="u")
    status: PresenceStatus = field(name="s")
    version: int = field(name="v")  # grows by one with each change of this user's merged status
    last_seen_ms: int | None = field(default=None, name="l")  # since 1970; only of who is offline, and when known


class PresenceState(_Frame, frozen=True, tag="presence_state"):
    """The status of each user just subscribed to."""

    users: tuple[PresenceEvent, ...]


class PresenceUpdated(_Frame, frozen=True, tag="presence_updated"):
    """This device's status is taken; `version` is the user's merged status that includes it."""

    status: PresenceStatus
    version: int


class TypingEvent(_Frame, frozen=True, tag="y"):
    """Someone else began or ended typing in a conversation."""

    conversation_id: UUID = field(name="c")
    user_id: UUID = field(name="u")
    is_typing: bool = field(name="s")


class TypingState(_Frame, frozen=True, tag="typing_state"):
    """Who is typing in the conversation just subscribed to, oneself excepted."""

    conversation_id: UUID
    user_ids: tuple[UUID, ...]


class ErrorEvent(_Frame, frozen=True, tag="error"):
    """A command that could not be carried out; the connection stays open."""

    code: str  # stable, for programs: not_found, bad_request, too_many, unavailable
    message: str  # one sentence, for people


Event = (
    Ready
    | Subscribed
    | Unsubscribed
    | MessageEvent
    | EditedEvent
    | DeletedEvent
    | ReceiptEvent
    | ConversationAddedEvent
    | ConversationUpdatedEvent
    | ParticipantChangedEvent
    | ResumeGap
    | PresenceEvent
    | PresenceState
    | PresenceUpdated
    | TypingEvent
    | TypingState
    | ErrorEvent
)

# What goes to the members of one conversation, in one order with its messages.
ConversationEvent = (
    MessageEvent
    | EditedEvent
    | DeletedEvent
    | ReceiptEvent
    | ConversationAddedEvent
    | ConversationUpdatedEvent
    | ParticipantChangedEvent
)


def kind_of(frame: Command | Event) -> str:
    """The frame's tag, as `t` holds it on the wire."""
    return str(frame.__struct_config__.tag)


class Codec:
    """Encodes and decodes the frames of one subprotocol. Decoding raises msgspec.DecodeError on bad input."""

    def __init__(self, subprotocol: str) -> None:
        module: Any = msgspec.json if subprotocol == "chat.v1.json" else msgspec.msgpack
        options: dict[str, Any] = {} if module is msgspec.json else {"uuid_format": "bytes"}
        assert subprotocol in SUBPROTOCOLS
        self.subprotocol = subprotocol
        self.is_text = module is msgspec.json
        self._encoder = module.Encoder(**options)
        self._commands = module.Decoder(Command)
        self._events = module.Decoder(Event)

    def encode(self, frame: Command | Event) -> bytes:
        """The payload of one WebSocket frame."""
        return bytes(self._encoder.encode(frame))

    def decode_command(self, payload: bytes) -> Command:
        """The command in a payload."""
        command: Command = _decoded(self._commands, payload)
        return command

    def decode_event(self, payload: bytes) -> Event:
        """The event in a payload."""
        event: Event = _decoded(self._events, payload)
        return event


def _decoded(decoder: Any, payload: bytes) -> Any:
    try:
        return decoder.decode(payload)
    except UnicodeDecodeError as error:  # in a string; elsewhere msgspec says DecodeError itself
        raise msgspec.DecodeError(f"a string is no UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error


CODECS = {subprotocol: Codec(subprotocol) for subprotocol in SUBPROTOCOLS}
