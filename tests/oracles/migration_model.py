"""The older chat beside the new one, and the way from one to the other, as a few dictionaries more.

A message that is in both chats is one object here, as it has one id there: an edit changes both.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from chat_model import ChatModel, Conversation, Message, Rule

ROUTED = {"running", "paused", "complete"}
POSSIBLE = {  # command → from which phases, to which
    "start": ({"off", "rolled_back"}, "running"),
    "pause": ({"running"}, "paused"),
    "resume": ({"paused"}, "running"),
    "abort": ({"running", "paused"}, "rolled_back"),
    "roll_back": (ROUTED, "rolled_back"),
}


@dataclass
class Entry:
    """A message as the older chat has it."""

    message: Message
    is_read: bool = False


@dataclass
class Connection:
    """One connection request, and the messages below it."""

    sender: UUID
    receiver: UUID
    asked_at: int  # in steps
    status: str = "pending"
    entries: list[Entry] = field(default_factory=list)
    conversation_id: UUID | None = None  # what it has become, current or not
    is_home: bool = False  # of its pair's connections, the one that the new chat writes to
    is_current: bool = False

    @property
    def pair(self) -> frozenset[UUID]:
        """The two."""
        return frozenset((self.sender, self.receiver))

    def by_time(self) -> list[Entry]:
        """Its messages, oldest first."""
        return sorted(self.entries, key=lambda entry: entry.message.sent_at)


class MigrationModel(ChatModel):
    """Both chats; `name_of` tells the id of the conversation that the server has made of a connection."""

    def __init__(self, rules: set[Rule], phase: str, name_of: Callable[[UUID], UUID]) -> None:
        super().__init__(rules)
        self.phase = phase
        self.percentage = 0
        self.connections: dict[UUID, Connection] = {}
        self._name_of = name_of

    # --- the older chat ----------------------------------------------------------------------------------

    def connect_status(self, user: UUID, other: UUID) -> int:
        """How a request to another user is answered: once only, unless it was declined."""
        if user == other:
            return 400
        pair = frozenset((user, other))
        is_taken = any(one.pair == pair and one.status != "declined" for one in self.connections.values())
        return 409 if is_taken else 201

    def connected(self, connection_id: UUID, user: UUID, other: UUID) -> None:
        """A connection that has been asked for."""
        self.step += 1
        self.connections[connection_id] = Connection(user, other, self.step)

    def answer(self, user: UUID, connection_id: UUID, status: str) -> int:
        """Once, by the one who was asked; accepted after the start, it is migrated at once, and told when it is new."""
        connection = self.connections[connection_id]
        if user not in connection.pair:
            return 404
        if user != connection.receiver or connection.status != "pending":
            return 409
        connection.status = status
        if status == "accepted" and self.phase in ROUTED:
            is_new = self.direct(connection.pair) is None
            self.copied(connection_id)
            if is_new and connection.conversation_id is not None:
                self._tell(connection.pair, "added", connection.conversation_id, "direct", "member", 0)
        return 200

    def legacy_status(self, user: UUID, connection_id: UUID) -> int:
        """How a message over a connection is answered."""
        connection = self.connections[connection_id]
        if user not in connection.pair:
            return 404
        return 201 if connection.status == "accepted" else 409

    def legacy_sent(self, user: UUID, connection_id: UUID, content: str, message_id: UUID) -> None:
        """A message of the older chat; where it has a conversation that is up to date, a message there too."""
        self.step += 1
        connection = self.connections[connection_id]
        message = Message(user, content, message_id, id=message_id, sent_at=self.step)
        connection.entries.append(Entry(message))
        if connection.is_current and connection.conversation_id is not None:
            self._enter(user, self.conversations[connection.conversation_id])
            super()._store(connection.conversation_id, message)
            self._catch_up(connection.conversation_id)

    def legacy_read(self, user: UUID, connection_id: UUID) -> int | None:
        """How many had not been read; the watermark of the new chat goes along, without a word to anybody."""
        connection = self.connections[connection_id]
        if user not in connection.pair:
            return None
        theirs = [entry for entry in connection.entries if entry.message.sender != user]
        unread = sum(not entry.is_read for entry in theirs)
        for entry in theirs:
            entry.is_read = True
        if connection.conversation_id is not None:
            seqs = self._seqs(connection.conversation_id)
            newest = max((seqs[entry.message.id] for entry in theirs if entry.message.id in seqs), default=0)
            self._mark(connection.conversation_id, user, newest)
        return unread

    def listed(self, user: UUID) -> list[tuple[UUID, str, int]]:
        """One's connections, newest first, each with its status and unread count."""
        mine = [(key, one) for key, one in self.connections.items() if user in one.pair]
        return [
            (key, one.status, sum(entry.message.sender != user and not entry.is_read for entry in one.entries))
            for key, one in sorted(mine, reverse=True)
        ]

    # --- the way over ------------------------------------------------------------------------------------

    def command(self, command: str) -> int:
        """200 where it fits the phase."""
        phases, following = POSSIBLE[command]
        if self.phase not in phases:
            return 409
        if following == "rolled_back":
            for connection in self.connections.values():
                connection.is_current = False
        if command in {"start", "abort", "roll_back"}:
            self.percentage = 0
        self.phase = following
        return 200

    def set_rollout(self, percentage: int) -> int:
        """200 while there is a new chat to be sent to, and always for nobody."""
        if percentage and self.phase not in ROUTED:
            return 409
        self.percentage = percentage
        return 200

    def uses_new_chat(self, user: UUID) -> bool:
        """While there is a new chat, those whose bucket is within the percentage."""
        return self.phase in ROUTED and rollout_bucket(user) < self.percentage

    def conversation_of(self, user: UUID, connection_id: UUID) -> tuple[int, UUID | None]:
        """How a question for a connection's conversation is answered: it migrates what may be migrated."""
        connection = self.connections[connection_id]
        if user not in connection.pair:
            return 404, None
        if not connection.is_current and connection.status == "accepted" and self.phase in {"running", "complete"}:
            self.copied(connection_id)
        return 200, connection.conversation_id if connection.is_current else None

    def unmigrated(self) -> list[UUID]:
        """What the backfill has yet to copy, in its order."""
        waiting = [key for key, one in self.connections.items() if one.status == "accepted" and not one.is_current]
        return sorted(waiting)

    def copied(self, connection_id: UUID) -> None:
        """A connection whole: its history comes behind what its conversation holds."""
        connection = self.connections[connection_id]
        assert connection.status == "accepted"
        assert not connection.is_current
        conversation_id = self.direct(connection.pair) or self._made(connection_id, connection)
        conversation = self.conversations[conversation_id]
        if connection.conversation_id is None:
            connection.is_home = not any(one.is_home for one in self._mapped(conversation_id))
            connection.conversation_id = conversation_id
        seqs = self._seqs(conversation_id)
        fresh = [entry for entry in connection.by_time() if entry.message.id not in seqs]
        if fresh:
            newest_at = connection.by_time()[-1].message.sent_at
            conversation.active_at = max(newest_at, conversation.active_at if conversation.messages else 0)
        conversation.messages += [entry.message for entry in fresh]
        self._fill_older(conversation_id)
        seqs = self._seqs(conversation_id)
        for user in sorted(connection.pair):
            known = [
                seqs[entry.message.id] for entry in connection.entries if entry.is_read or entry.message.sender == user
            ]
            self._mark(conversation_id, user, max(known, default=0))
            self._read_older(conversation_id, user)
        connection.is_current = True
        self._catch_up(conversation_id)

    # --- how ---------------------------------------------------------------------------------------------

    def _made(self, connection_id: UUID, connection: Connection) -> UUID:
        made = self._name_of(connection_id)
        assert made not in self.conversations
        conversation = Conversation("direct", dict.fromkeys(connection.pair, "member"), active_at=connection.asked_at)
        conversation.read = dict.fromkeys(connection.pair, 0)
        self.conversations[made] = conversation
        return made

    def _mapped(self, conversation_id: UUID) -> list[Connection]:
        return [one for one in self.connections.values() if one.conversation_id == conversation_id]

    def _seqs(self, conversation_id: UUID) -> dict[UUID | None, int]:
        return {one.id: seq for seq, one in enumerate(self.conversations[conversation_id].messages, 1)}

    def _fill_older(self, conversation_id: UUID) -> None:
        """What the new chat has and the older one lacks, into the home of the pair."""
        mapped, conversation = self._mapped(conversation_id), self.conversations[conversation_id]
        there = {entry.message.id for one in mapped for entry in one.entries}
        home = next(one for one in mapped if one.is_home)
        for seq, message in enumerate(conversation.messages, 1):
            if message.id not in there:
                is_read = any(user != message.sender and mark >= seq for user, mark in conversation.read.items())
                home.entries.append(Entry(message, is_read))

    def _store(self, conversation_id: UUID, message: Message) -> None:
        super()._store(conversation_id, message)
        for connection in self._mapped(conversation_id):
            if connection.is_home:
                connection.entries.append(Entry(message))

    def _mark(self, conversation_id: UUID, user: UUID, seq: int) -> None:
        super()._mark(conversation_id, user, seq)
        self._read_older(conversation_id, user)

    def _read_older(self, conversation_id: UUID, user: UUID) -> None:
        """What lies below a reader's mark has been read in the older chat too."""
        mark, seqs = self.conversations[conversation_id].read[user], self._seqs(conversation_id)
        for connection in self._mapped(conversation_id):
            for entry in connection.entries:
                if entry.message.sender != user and seqs.get(entry.message.id, mark + 1) <= mark:
                    entry.is_read = True


def rollout_bucket(user: UUID) -> int:
    """0 to 99, by the first 8 bytes of the hash of the user's id, as docs/migration.md says."""
    return int(hashlib.sha256(user.bytes).hexdigest()[:16], 16) % 100
