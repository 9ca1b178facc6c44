"""The new chat's part of the state machine: people with devices who send, change, read, gather, leave and come back.

A real server and a model (`chat_model`) are given the same commands. Every step compares what each connected device was
told with what it had to be told, nothing more and in this order; the end compares what each user sees with SQL: every
row of a chat's tables, without times. The machine that inherits from it says who the people are, and what there is
beside the new chat.
"""

import sys
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID, uuid4

from chat_model import ChatModel, Conversation, Told, told
from hypothesis.stateful import RuleBasedStateMachine, invariant
from machine_steps import USERS, Choice

from reference_server.frames import Unsubscribed, UnsubscribePresence

ROLES = ["owner", "admin", "member"]


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
    """What people do in direct conversations and groups; each action takes what it is done to, and by whom."""

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

    # Each action gives False when it found nothing to do: that is no step.

    # --- where, and by whom ---------------------------------------------------------------------------------

    def place(self, choice: Choice, kind: str | None = None) -> tuple[UUID, int]:
        """A conversation, and who does something in it: of a kind and one who is in, or any and anyone."""
        conversations = self.model.conversations
        wanted = kind or ("direct", "group")[choice.place % 2]
        known = [key for key, it in conversations.items() if it.type == wanted]
        if not known and (kind or not conversations):
            known = [self.make_group(choice) if wanted == "group" else self.make_direct(choice)]
        if not choice.is_insider or not known:
            known = list(conversations)
        conversation = known[choice.place // 2 % len(known)]
        return conversation, self._insider(conversation, choice) if choice.is_insider else choice.user

    def _insider(self, conversation: UUID, choice: Choice) -> int:
        """Whoever has the highest role, or one of the others; somebody else where everyone has left."""
        roles = self.model.conversations[conversation].roles
        first, *others = sorted(roles, key=lambda user: (ROLES.index(roles[user]), user)) or [self.ids[choice.user]]
        return self.ids.index(first if choice.is_first or not others else others[choice.user % len(others)])

    # --- messages -----------------------------------------------------------------------------------------

    def send_newer(self, choice: Choice) -> None:
        """Allowed or not."""
        conversation, user = self.place(choice)
        self.compare_send(user, conversation, self.content(), uuid4())

    def send_newer_again(self, choice: Choice) -> bool:
        """A retry; of what came from the older chat, too: its id is what it was sent with."""
        conversation, _ = self.place(choice)
        messages = self.model.conversations[conversation].messages
        if messages:
            message = messages[choice.seq % len(messages)]
            self.compare_send(self.ids.index(message.sender), conversation, "a retry", message.client_id)
        return bool(messages)

    def compare_send(self, user: int, conversation: UUID, content: str, client_id: UUID) -> None:
        """One send to server and model."""
        answer = self.people[user].post_message(conversation, content, client_id)
        message_id = UUID(answer.json()["message"]["id"]) if answer.is_success else None
        status = self.model.send(self.ids[user], conversation, content, client_id, message_id)
        assert answer.status_code == status, answer.text

    def change(self, choice: Choice) -> None:
        """An edit or a deletion, mostly of one's own, in whichever chat it was sent; or a refusal."""
        conversation, user = self.place(choice)
        messages, seq = self.model.conversations[conversation].messages, choice.seq
        if messages and choice.is_insider:
            seq = seq % len(messages) + 1
            user = self.ids.index(messages[seq - 1].sender)
        path, content = f"/conversations/{conversation}/messages/{seq}", self.content()
        if choice.is_first:
            answer = self.people[user].request("PATCH", path, content=content)
            assert answer.status_code == self.model.edit(self.ids[user], conversation, seq, content)
        else:
            answer = self.people[user].request("DELETE", path)
            assert answer.status_code == self.model.delete(self.ids[user], conversation, seq)

    def read_newer(self, choice: Choice) -> None:
        """Up to somewhere, mostly in what there is; the same twice, or what is not there."""
        conversation, user = self.place(choice)
        count = len(self.model.conversations[conversation].messages)
        seq = choice.seq % count + 1 if count and choice.is_insider else choice.seq
        answer = self.people[user].request("POST", f"/conversations/{conversation}/messages/{seq}/read")
        assert answer.status_code == self.model.mark_read(self.ids[user], conversation, seq)

    # --- conversations ------------------------------------------------------------------------------------

    def create_direct(self, choice: Choice) -> None:
        """Of any two, or of one with oneself, which is refused."""
        if choice.user == choice.other:
            answer = self.people[choice.user].post("/conversations/direct", user_id=str(self.ids[choice.user]))
            assert answer.status_code == 400
        else:
            self.make_direct(choice)

    def make_direct(self, choice: Choice) -> UUID:
        """The one conversation of two people, which a connection of theirs may have become before."""
        one, other = self.two(choice)
        answer = self.people[self.ids.index(one)].post("/conversations/direct", user_id=str(other))
        known = self.model.direct({one, other})
        made = UUID(answer.json()["conversation"]["id"])
        assert (answer.status_code, known or made) == (201 if known is None else 200, made)
        if known is None:
            self.model.added(made, Conversation("direct", dict.fromkeys((one, other), "member")))
        return made

    def two(self, choice: Choice) -> tuple[UUID, UUID]:
        """Two people who may have a direct conversation."""
        other = (choice.user + 1) % USERS if choice.user == choice.other else choice.other
        return self.ids[choice.user], self.ids[other]

    def create_group(self, choice: Choice) -> None:
        """Of some."""
        self.make_group(choice)

    def make_group(self, choice: Choice) -> UUID:
        """Owned by whoever makes it; each of the others is in when the place's bit says so."""
        others = [index for index in range(USERS) if choice.place >> index & 1 and index != choice.user]
        members = [self.people[index] for index in others]
        made = UUID(str(self.server.group(self.people[choice.user], *members)))
        roles = {self.ids[choice.user]: "owner"} | {member.id: "member" for member in members}
        self.model.added(made, Conversation("group", roles, name="a group"))
        return made

    def rename(self, choice: Choice) -> None:
        """By anyone, allowed or not."""
        conversation, user = self.place(choice, "group")
        name = self.content()
        answer = self.people[user].request("PATCH", f"/conversations/{conversation}", name=name)
        assert answer.status_code == self.model.rename(self.ids[user], conversation, name)

    def add(self, choice: Choice) -> None:
        """Of anyone by anyone."""
        conversation, user = self.place(choice, "group")
        member = self.ids[choice.other]
        answer = self.people[user].post(f"/conversations/{conversation}/participants", user_id=str(member))
        assert answer.status_code == self.model.add(self.ids[user], conversation, member)

    def remove(self, choice: Choice) -> None:
        """The same."""
        conversation, user = self.place(choice, "group")
        member = self.ids[choice.other]
        answer = self.people[user].request("DELETE", f"/conversations/{conversation}/participants/{member}")
        assert answer.status_code == self.model.remove(self.ids[user], conversation, member)

    def leave(self, choice: Choice) -> None:
        """By anyone."""
        conversation, user = self.place(choice, "group")
        answer = self.people[user].request("POST", f"/conversations/{conversation}/leave")
        assert answer.status_code == self.model.leave(self.ids[user], conversation)

    def set_role(self, choice: Choice) -> None:
        """Of anyone by anyone, up and down."""
        conversation, user = self.place(choice, "group")
        member, role = self.ids[choice.other], ROLES[choice.seq % len(ROLES)]
        path = f"/conversations/{conversation}/participants/{member}/role"
        answer = self.people[user].request("PUT", path, role=role)
        assert answer.status_code == self.model.set_role(self.ids[user], conversation, member, role)

    # --- reconnects ---------------------------------------------------------------------------------------

    def go_away(self, choice: Choice) -> bool:
        """A device; a closed one stays away."""
        device = self.devices[self.ids[choice.user]]
        if device.gateway is None:
            return False
        device.gateway.close()
        device.gateway = None
        return True

    def come_back(self, choice: Choice) -> bool:
        """With what it holds, and is told what it missed: all of it, once, and in order."""
        device = self.devices[self.ids[choice.user]]
        if device.gateway is not None:
            return False
        expected = self.model.missed(device.user.id, device.held)
        gone = device.held.keys() - self.model.visible(device.user.id).keys()
        for conversation_id in gone:
            del device.held[conversation_id]
        assert by_conversation(device.resume()) == by_conversation(expected)
        return True

    # --- reads --------------------------------------------------------------------------------------------

    def page_newer(self, choice: Choice) -> None:
        """The whole history, page by page; or nothing, for who is not in."""
        conversation, user = self.place(choice)
        limit = choice.seq
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

    def list_newer(self, choice: Choice) -> None:
        """Newest first, with exact unread counts."""
        person = self.people[choice.user]
        listed = person.get("/conversations", limit=200).json()["conversations"]
        mine = self.model.visible(person.id)
        assert [UUID(one["id"]) for one in listed] == sorted(mine, key=lambda key: -mine[key].active_at)
        for one in listed:
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
        """With SQL in hand, as a user of the app role: the rows are those that the model says, no more and no less.

        What only the server's clock knows is left out, as it is of what is told.
        """
        ids = list(self.model.conversations)
        for user in self.ids:
            mine = self.model.visible(user)
            seen = self.keys(
                user,
                "SELECT id AS a, type AS b, name AS c, description AS d, last_seq AS e FROM conversations "
                "WHERE id = ANY ($1)",
                ids,
            )
            assert seen == {(key, one.type, one.name, None, len(one.messages)) for key, one in mine.items()}
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
                "SELECT conversation_id AS a, seq AS b, content AS c, sender_id AS d, client_id AS e, "
                "edited_at IS NOT NULL AS f, deleted_at IS NOT NULL AS g FROM chat_messages "
                "WHERE conversation_id = ANY ($1)",
                ids,
            )
            assert seen == {
                (key, seq, one.content, one.sender, one.client_id, one.is_edited, one.is_deleted)
                for key, conversation in mine.items()
                for seq, one in enumerate(conversation.messages, 1)
            }

    def keys(self, user: UUID, statement: str, ids: list[UUID]) -> set[tuple[Any, ...]]:
        """The rows that a user sees with SQL."""
        return {tuple(row) for row in type(self).see(user, statement, ids)}


def by_conversation(events: list[Told]) -> list[Told]:
    """Conversations are replayed in any order, messages of one in theirs, which is kept."""
    return sorted(events, key=lambda event: str(event[1]))
