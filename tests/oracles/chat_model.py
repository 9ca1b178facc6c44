"""The chat as a few dictionaries: what the server must answer, whom it must tell what, and who may see what.

The rules of groups are not repeated here: the model is given the table that the server's functions read.
"""

from dataclasses import dataclass, field
from uuid import UUID

from reference_server.frames import (
    ConversationAddedEvent,
    ConversationUpdatedEvent,
    DeletedEvent,
    MessageEvent,
    ParticipantChangedEvent,
    ReceiptEvent,
)

Rule = tuple[str, str, str]  # action, role of who acts, role of whom it is done to
Told = tuple[object, ...]  # an event, without what only the server's clock knows


@dataclass
class Message:
    """One message as it is now."""

    sender: UUID
    content: str
    client_id: UUID
    is_deleted: bool = False
    is_edited: bool = False
    id: UUID | None = None  # None where nobody asks for it
    sent_at: int = 0  # in steps


@dataclass
class Conversation:
    """One conversation and all that hangs on it."""

    type: str
    roles: dict[UUID, str]  # of those who are in
    name: str | None = None
    messages: list[Message] = field(default_factory=list)  # seq 1 first
    read: dict[UUID, int] = field(default_factory=dict)  # watermarks, also of those who left
    active_at: int = 0  # when it was made or last sent to, in steps
    # Up to which seq the server has told its messages; None until it knows: once a participant comes to change it.
    published: int | None = None


def told(event: object) -> Told:  # noqa: PLR0911 - one line per kind of event
    """What the model can know of an event."""
    match event:
        case MessageEvent(conversation_id=c, seq=n, sender_id=s, content=b, is_deleted=d):
            return "m", c, n, s, b, d
        case DeletedEvent(conversation_id=c, seq=n):
            return "deleted", c, n
        case ReceiptEvent(conversation_id=c, user_id=u, seq=n):
            return "r", c, u, n
        case ConversationAddedEvent(conversation_id=c, type=kind, role=role, last_seq=n):
            return "added", c, kind, role, n
        case ConversationUpdatedEvent(conversation_id=c, name=name):
            return "updated", c, name
        case ParticipantChangedEvent(conversation_id=c, user_id=u, change=change, role=role):
            return "changed", c, u, change, role
    return "edited", event.conversation_id, event.seq, event.content  # type: ignore[attr-defined]


class ChatModel:
    """The world of one test; each method carries out one command and gives the expected HTTP status."""

    def __init__(self, rules: set[Rule]) -> None:
        self.rules = rules
        self.conversations: dict[UUID, Conversation] = {}
        self.expected: dict[UUID, list[Told]] = {}  # user → what their subscribed devices are to be told next
        self.step = 0

    # --- what changes it ---------------------------------------------------------------------------------

    def added(self, conversation_id: UUID, conversation: Conversation) -> None:
        """A conversation that the server has made."""
        self.step += 1
        conversation.active_at = self.step
        conversation.read = dict.fromkeys(conversation.roles, 0)
        self.conversations[conversation_id] = conversation
        for user, role in conversation.roles.items():
            self._tell({user}, "added", conversation_id, conversation.type, role, 0)

    def send(
        self, user: UUID, conversation_id: UUID, content: str, client_id: UUID, message_id: UUID | None = None
    ) -> int:
        """201 for a new message, 200 for a repeated one."""
        conversation = self.conversations[conversation_id]
        if not self._enter(user, conversation):
            return 404
        if any((one.sender, one.client_id) == (user, client_id) for one in conversation.messages):
            return 200
        self.step += 1
        self._store(conversation_id, Message(user, content, client_id, id=message_id, sent_at=self.step))
        self._catch_up(conversation_id)
        return 201

    def edit(self, user: UUID, conversation_id: UUID, seq: int, content: str) -> int:
        """Only one's own, and no tombstone."""
        conversation, message = self.conversations[conversation_id], self._message(conversation_id, seq)
        is_in = self._enter(user, conversation)
        if message is None or not is_in or message.sender != user or message.is_deleted:
            return 404
        message.content, message.is_edited = content, True
        self._catch_up(conversation_id, seq)
        self._tell(conversation.roles, "edited", conversation_id, seq, content)
        return 200

    def delete(self, user: UUID, conversation_id: UUID, seq: int) -> int:
        """Only one's own; twice is once, and told twice."""
        conversation, message = self.conversations[conversation_id], self._message(conversation_id, seq)
        is_in = self._enter(user, conversation)
        if message is None or not is_in or message.sender != user:
            return 404
        message.is_deleted, message.content = True, ""
        self._catch_up(conversation_id, seq)
        self._tell(conversation.roles, "deleted", conversation_id, seq)
        return 200

    def mark_read(self, user: UUID, conversation_id: UUID, seq: int) -> int:
        """Never moves back."""
        conversation = self.conversations[conversation_id]
        if not self._enter(user, conversation) or self._message(conversation_id, seq) is None:
            return 404
        if seq > conversation.read[user]:
            self._mark(conversation_id, user, seq)
            self._catch_up(conversation_id, seq)
            self._tell(conversation.roles, "r", conversation_id, user, seq)
        return 200

    def rename(self, user: UUID, conversation_id: UUID, name: str) -> int:
        """By whom the rules allow."""
        conversation = self.conversations[conversation_id]
        status = self._allowed("update_info", user, conversation, "none")
        if status == 200:
            conversation.name = name
            self._tell(conversation.roles, "updated", conversation_id, name)
        return status

    def add(self, user: UUID, conversation_id: UUID, member: UUID) -> int:
        """201 for who was not in; they begin with nothing unread."""
        conversation = self.conversations[conversation_id]
        status = self._allowed("add_participant", user, conversation, "none")
        if status != 200 or member in conversation.roles:
            return status
        last_seq = len(conversation.messages)
        self._tell({member}, "added", conversation_id, "group", "member", last_seq)
        self._tell(conversation.roles, "changed", conversation_id, member, "joined", "member")
        conversation.roles[member] = "member"
        conversation.read[member] = last_seq
        return 201

    def remove(self, user: UUID, conversation_id: UUID, member: UUID) -> int:
        """By whom the rules allow; nobody removes themselves."""
        conversation = self.conversations[conversation_id]
        if user == member:
            return 400
        if self._enter(user, conversation) and conversation.type == "group" and member not in conversation.roles:
            return 404
        status = self._allowed("remove_participant", user, conversation, conversation.roles.get(member, "none"))
        if status == 200:
            self._part(conversation_id, member, "removed")
            return 204
        return status

    def leave(self, user: UUID, conversation_id: UUID) -> int:
        """The last owner only when alone."""
        conversation = self.conversations[conversation_id]
        status = self._allowed("leave", user, conversation, "none")
        if status != 200:
            return status
        others = [role for member, role in conversation.roles.items() if member != user]
        if conversation.roles[user] == "owner" and others and "owner" not in others:
            return 409
        self._part(conversation_id, user, "left")
        return 204

    def set_role(self, user: UUID, conversation_id: UUID, member: UUID, role: str) -> int:
        """One step up or down; the role they have is no change."""
        conversation = self.conversations[conversation_id]
        before = conversation.roles.get(member)
        if not self._enter(user, conversation) or conversation.type != "group" or before is None:
            return 404
        if before == role:
            return 204
        action = {"admin": "promote_to_admin", "owner": "promote_to_owner", "member": "demote_from_admin"}[role]
        if self._allowed(action, user, conversation, before) != 200:
            return 403
        conversation.roles[member] = role
        self._tell(conversation.roles, "changed", conversation_id, member, "role", role)
        return 204

    # --- what may be seen --------------------------------------------------------------------------------

    def visible(self, user: UUID) -> dict[UUID, Conversation]:
        """The conversations that a user is in."""
        return {key: conversation for key, conversation in self.conversations.items() if user in conversation.roles}

    def direct(self, pair: "set[UUID] | frozenset[UUID]") -> UUID | None:
        """The direct conversation of two people, when they have one."""
        known = (key for key, it in self.conversations.items() if it.type == "direct" and it.roles.keys() == pair)
        return next(known, None)

    def missed(self, user: UUID, held: dict[UUID, int]) -> list[Told]:
        """What a resume replays, conversation by conversation."""
        return [
            ("m", key, seq, one.sender, one.content, one.is_deleted)
            for key, conversation in self.visible(user).items()
            if key in held
            for seq, one in enumerate(conversation.messages, 1)
            if seq > held[key]
        ]

    # --- how ---------------------------------------------------------------------------------------------

    def _enter(self, user: UUID, conversation: Conversation) -> bool:
        """True for a participant; the server learns how far a conversation is when the first one comes to change it.

        Also to change what a direct conversation has not: roles, a name, other people.
        """
        is_in = user in conversation.roles
        if is_in and conversation.published is None:
            conversation.published = len(conversation.messages)
        return is_in

    def _store(self, conversation_id: UUID, message: Message) -> None:
        """A new message; who writes has read."""
        conversation = self.conversations[conversation_id]
        conversation.messages.append(message)
        conversation.active_at = max(conversation.active_at, message.sent_at)
        self._mark(conversation_id, message.sender, len(conversation.messages))

    def _mark(self, conversation_id: UUID, user: UUID, seq: int) -> None:
        """A watermark, moved forward."""
        read = self.conversations[conversation_id].read
        read[user] = max(read[user], seq)

    def _catch_up(self, conversation_id: UUID, through: int | None = None) -> None:
        """Tells what is stored and has not been told, up to a seq or all of it; nothing while nobody writes."""
        conversation = self.conversations[conversation_id]
        if conversation.published is None:
            return
        through = len(conversation.messages) if through is None else through
        for seq in range(conversation.published + 1, through + 1):
            one = conversation.messages[seq - 1]
            self._tell(conversation.roles, "m", conversation_id, seq, one.sender, one.content, one.is_deleted)
        conversation.published = max(conversation.published, through)

    def _message(self, conversation_id: UUID, seq: int) -> Message | None:
        messages = self.conversations[conversation_id].messages
        return messages[seq - 1] if 0 < seq <= len(messages) else None

    def _allowed(self, action: str, user: UUID, conversation: Conversation, target_role: str) -> int:
        if not self._enter(user, conversation) or conversation.type != "group":
            return 404
        return 200 if (action, conversation.roles[user], target_role) in self.rules else 403

    def _part(self, conversation_id: UUID, member: UUID, change: str) -> None:
        conversation = self.conversations[conversation_id]
        self._tell(conversation.roles, "changed", conversation_id, member, change, conversation.roles[member])
        del conversation.roles[member]

    def _tell(self, users: "set[UUID] | dict[UUID, str]", *event: object) -> None:
        for user in users:
            self.expected.setdefault(user, []).append(event)
