"""The part of a state machine that every chat has: people with devices who send, change, read and come back.

A real server and a model (`chat_model`) are given the same commands. Every step compares what each connected device was
told with what it had to be told, nothing more and in this order; the end compares every table, row by row, as each user
sees it with SQL. Machines that inherit from it say who the people are, how conversations come to be and what is a rule.
"""

import sys
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID, uuid4

from chat_model import ChatModel, Told, told
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from reference_server.frames import Unsubscribed, UnsubscribePresence

USERS = 5
users = st.integers(0, USERS - 1)
seqs = st.integers(1, 12)


class Device:
    """A gateway connection of a user, and the seqs that it holds."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.gateway: Any = None
        self.held: dict[UUID, int] = {}

    def news(self) -> list[Told]:
        """Everything told since the last time: events are queued before the command that caused them is answered."""
        self.gateway.send(UnsubscribePresence(user_ids=()))
        events: list[Any] = []
        while not isinstance(event := self.gateway.receive(), Unsubscribed):
            events.append(event)
        return self._noted([told(event) for event in events])

    def resume(self) -> list[Told]:
        """Connects again; what was missed."""
        self.gateway = self.user.connect()
        return self._noted([told(event) for event in self.gateway.subscribe(dict(self.held))])

    def _noted(self, events: list[Told]) -> list[Told]:
        for event in events:
            if event[0] in {"m", "added"}:
                conversation_id, seq = event[1], event[2] if event[0] == "m" else event[4]
                assert isinstance(conversation_id, UUID)
                assert isinstance(seq, int)
                self.held[conversation_id] = max(self.held.get(conversation_id, 0), seq)
        return events


class ConversationMachine(RuleBasedStateMachine):
    """Sends, changes, reads and reconnects in whatever conversations there are."""

    server: ClassVar[Any]
    see: ClassVar[Callable[..., list[Any]]]  # runs SQL as a user of the app role
    steps: ClassVar[int] = 0

    def enter(self, people: list[Any], model: ChatModel) -> None:
        """Five people, each with one device that listens."""
        self.model = model
        self.people = people
        self.ids = [person.id for person in people]
        self.devices = {person.id: Device(person) for person in people}
        for device in self.devices.values():
            device.gateway = device.user.connect()
            device.gateway.subscribe()
        self.contents = 0

    def content(self) -> str:
        """Words that were not used before."""
        self.contents += 1
        return f"content {self.contents}"

    # --- commands -----------------------------------------------------------------------------------------

    def send(self, conversation: UUID, user: int) -> None:
        """A new message, or a refusal."""
        self.compare_send(user, conversation, self.content(), uuid4())

    def send_again(self, conversation: UUID, seq: int) -> None:
        """A retry of something that was sent."""
        messages = self.model.conversations[conversation].messages
        if messages:
            message = messages[seq % len(messages)]
            self.compare_send(self.ids.index(message.sender), conversation, "a retry", message.client_id)

    def compare_send(self, user: int, conversation: UUID, content: str, client_id: UUID) -> None:
        """One send to server and model."""
        answer = self.people[user].post_message(conversation, content, client_id)
        message_id = UUID(answer.json()["message"]["id"]) if answer.is_success else None
        status = self.model.send(self.ids[user], conversation, content, client_id, message_id)
        assert answer.status_code == status, answer.text

    def edit(self, conversation: UUID, user: int, seq: int) -> None:
        """One's own message, or a refusal."""
        content = self.content()
        answer = self.people[user].request("PATCH", f"/conversations/{conversation}/messages/{seq}", content=content)
        assert answer.status_code == self.model.edit(self.ids[user], conversation, seq, content)

    def delete(self, conversation: UUID, user: int, seq: int) -> None:
        """One's own message, or a refusal."""
        answer = self.people[user].request("DELETE", f"/conversations/{conversation}/messages/{seq}")
        assert answer.status_code == self.model.delete(self.ids[user], conversation, seq)

    def mark_read(self, conversation: UUID, user: int, seq: int) -> None:
        """Any message, the same one twice, or one that is not there."""
        answer = self.people[user].request("POST", f"/conversations/{conversation}/messages/{seq}/read")
        assert answer.status_code == self.model.mark_read(self.ids[user], conversation, seq)

    # --- reconnects ---------------------------------------------------------------------------------------

    def disconnect(self, user: int) -> None:
        """A device goes away; a closed one stays away."""
        device = self.devices[self.ids[user]]
        if device.gateway is not None:
            device.gateway.close()
            device.gateway = None

    def reconnect(self, user: int) -> None:
        """It comes back with what it holds, and is told what it missed: all of it, once."""
        device = self.devices[self.ids[user]]
        if device.gateway is None:
            expected = self.model.missed(device.user.id, device.held)
            gone = device.held.keys() - self.model.visible(device.user.id).keys()
            for conversation_id in gone:
                del device.held[conversation_id]
            assert sorted(device.resume(), key=_place) == sorted(expected, key=_place)

    # --- reads --------------------------------------------------------------------------------------------

    def page(self, conversation: UUID, user: int, limit: int) -> None:
        """The whole history, page by page; or nothing, for who is not in."""
        path, person = f"/conversations/{conversation}/messages", self.people[user]
        answer = person.get(path, limit=limit)
        if person.id not in self.model.conversations[conversation].roles:
            assert answer.status_code == 404
            return
        found = answer.json()["messages"]
        while answer.json()["has_more"]:
            answer = person.get(path, limit=limit, before=answer.json()["next_cursor"])
            found += answer.json()["messages"]
        messages = self.model.conversations[conversation].messages
        assert [(one["seq"], UUID(one["sender_id"]), one["content"]) for one in reversed(found)] == [
            (seq, one.sender, one.content) for seq, one in enumerate(messages, 1)
        ]

    def list_conversations(self, user: int) -> None:
        """Newest first, with exact unread counts."""
        person = self.people[user]
        listed = person.get("/conversations", limit=200).json()["conversations"]
        mine = self.model.visible(person.id)
        ours = [one for one in listed if UUID(one["id"]) in mine]
        order = sorted((key for key in mine if mine[key].active_at > 0), key=lambda key: -mine[key].active_at)
        assert [UUID(one["id"]) for one in ours if mine[UUID(one["id"])].active_at > 0] == order
        for one in ours:
            conversation = mine[UUID(one["id"])]
            expected = len(conversation.messages) - conversation.read[person.id]
            assert (one["unread_count"], one["role"]) == (expected, conversation.roles[person.id])

    # --- what always holds ---------------------------------------------------------------------------------

    @invariant()
    def everyone_is_told_exactly_what_concerns_them(self) -> None:
        """No more, no less, in order; nothing for who is away or not in."""
        type(self).steps += 1
        for user_id, device in self.devices.items():
            expected = self.model.expected.pop(user_id, [])
            if device.gateway is not None:
                assert device.news() == expected

    def teardown(self) -> None:
        """The end of an example, also of one that failed: then that is told, and not what follows from it."""
        try:
            if hasattr(self, "model") and sys.exc_info()[0] is None:
                self.compare_tables()
        finally:
            for device in getattr(self, "devices", {}).values():
                if device.gateway is not None:
                    device.gateway.close()

    def compare_tables(self) -> None:
        """With SQL in hand, as a user of the app role: every table shows what the model says, row by row."""
        ids = list(self.model.conversations)
        for user in self.ids:
            mine = self.model.visible(user)
            assert self.keys(user, "SELECT id AS a, name AS b FROM conversations WHERE id = ANY ($1)", ids) == {
                (key, conversation.name) for key, conversation in mine.items()
            }
            seen = self.keys(
                user,
                "SELECT conversation_id AS a, user_id AS b, role AS c, last_read_seq AS d "
                "FROM conversation_participants WHERE conversation_id = ANY ($1)",
                ids,
            )
            assert seen == {
                (key, member, role, conversation.read[member])
                for key, conversation in mine.items()
                for member, role in conversation.roles.items()
            }
            seen = self.keys(
                user,
                "SELECT conversation_id AS a, seq AS b, content AS c FROM chat_messages "
                "WHERE conversation_id = ANY ($1)",
                ids,
            )
            assert seen == {
                (key, seq, one.content)
                for key, conversation in mine.items()
                for seq, one in enumerate(conversation.messages, 1)
            }

    def keys(self, user: UUID, statement: str, ids: list[UUID]) -> set[tuple[Any, ...]]:
        """The rows that a user sees with SQL."""
        return {tuple(row) for row in type(self).see(user, statement, ids)}


def _place(event: Told) -> tuple[str, object]:
    """Conversations are replayed in any order, messages of one in theirs."""
    return str(event[1]), event[2]
