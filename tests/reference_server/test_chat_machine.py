"""A real server and a small model are given the same commands: same answers, same events, same sight of the tables.

`tests/oracles/chat_model.py` is the model. Every step compares what each connected device was told with what it had
to be told, nothing more and in this order; the end compares every table, row by row, as each user sees it with SQL.
"""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from chat_model import ChatModel, Conversation, Message, Rule, Told, told
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from reference_server.frames import Unsubscribed, UnsubscribePresence

USERS = 5
FIRST_USER = 115  # not those of other tests: they come to be in hundreds of groups
users = st.integers(0, USERS - 1)
seqs = st.integers(1, 12)
CI = settings(
    max_examples=65,
    stateful_step_count=50,
    deadline=None,
    # A failure is told as it was found: looking for a shorter one takes minutes, and the long profile does it.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


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


class ChatMachine(RuleBasedStateMachine):
    """Users, groups, roles, sends, changes, reads, leaves and reconnects."""

    server: ClassVar[Any]
    rules_of_groups: ClassVar[set[Rule]]
    see: ClassVar[Callable[..., list[Any]]]  # runs SQL as a user of the app role
    steps: ClassVar[int] = 0

    conversations = Bundle("conversations")

    @initialize()
    def begin(self) -> None:
        """Five people, each with one device that listens."""
        self.model = ChatModel(self.rules_of_groups)
        self.people = [self.server.user(FIRST_USER + index) for index in range(USERS)]
        self.ids = [person.id for person in self.people]
        self.devices = {person.id: Device(person) for person in self.people}
        for device in self.devices.values():
            device.gateway = device.user.connect()
            device.gateway.subscribe()
        self.contents = 0

    # --- commands -----------------------------------------------------------------------------------------

    @rule(target=conversations, owner=users, others=st.sets(users))
    def create_group(self, owner: int, others: set[int]) -> UUID:
        """A group of some."""
        members = [self.people[index] for index in sorted(others - {owner})]
        made = self.server.group(self.people[owner], *members)
        roles = {self.ids[owner]: "owner"} | {member.id: "member" for member in members}
        self.model.added(made, Conversation("group", roles, name="a group"))
        return UUID(str(made))

    @rule(target=conversations, one=users, other=users)
    def create_direct(self, one: int, other: int) -> UUID:
        """The one conversation of two people, made by the first who asks: in the database, not in this example."""
        other = (one + 1) % USERS if one == other else other
        answer = self.people[one].post("/conversations/direct", user_id=str(self.ids[other]))
        assert answer.status_code in {200, 201}
        conversation = answer.json()["conversation"]
        made = UUID(conversation["id"])
        if made not in self.model.conversations:
            self._adopt(made, answer.status_code, one, other, conversation["last_seq"])
        return made

    def _adopt(self, made: UUID, status: int, one: int, other: int, last_seq: int) -> None:
        """Earlier examples have used it too: it is taken as it is."""
        if status == 201:
            self.model.added(made, Conversation("direct", dict.fromkeys((self.ids[one], self.ids[other]), "member")))
            return
        known = Conversation("direct", dict.fromkeys((self.ids[one], self.ids[other]), "member"))
        page = self.people[one].get(f"/conversations/{made}/messages", limit=200).json()
        while page["has_more"] or len(known.messages) < last_seq:
            known.messages[:0] = [self._known(item) for item in reversed(page["messages"])]
            if not page["has_more"]:
                break
            page = self.people[one].get(f"/conversations/{made}/messages", limit=200, before=page["next_cursor"]).json()
        participants = self.people[one].get(f"/conversations/{made}/participants").json()["participants"]
        known.read = {UUID(item["user_id"]): item["last_read_seq"] for item in participants}
        known.active_at = -1  # before everything here, and not compared with others of its kind
        self.model.conversations[made] = known

    @staticmethod
    def _known(item: dict[str, Any]) -> Message:
        is_deleted = item["deleted_at"] is not None
        return Message(UUID(item["sender_id"]), item["content"], UUID(item["client_id"]), is_deleted)

    @rule(conversation=conversations, user=users)
    def send(self, conversation: UUID, user: int) -> None:
        """A new message, or a refusal."""
        self.contents += 1
        self._compare_send(user, conversation, f"content {self.contents}", uuid4())

    @rule(conversation=conversations, seq=seqs)
    def send_again(self, conversation: UUID, seq: int) -> None:
        """A retry of something that was sent."""
        messages = self.model.conversations[conversation].messages
        if messages:
            message = messages[seq % len(messages)]
            self._compare_send(self.ids.index(message.sender), conversation, "a retry", message.client_id)

    def _compare_send(self, user: int, conversation: UUID, content: str, client_id: UUID) -> None:
        answer = self.people[user].post_message(conversation, content, client_id)
        assert answer.status_code == self.model.send(self.ids[user], conversation, content, client_id)

    @rule(conversation=conversations, user=users, seq=seqs)
    def edit(self, conversation: UUID, user: int, seq: int) -> None:
        """One's own message, or a refusal."""
        self.contents += 1
        content = f"content {self.contents}"
        answer = self.people[user].request("PATCH", f"/conversations/{conversation}/messages/{seq}", content=content)
        assert answer.status_code == self.model.edit(self.ids[user], conversation, seq, content)

    @rule(conversation=conversations, user=users, seq=seqs)
    def delete(self, conversation: UUID, user: int, seq: int) -> None:
        """One's own message, or a refusal."""
        answer = self.people[user].request("DELETE", f"/conversations/{conversation}/messages/{seq}")
        assert answer.status_code == self.model.delete(self.ids[user], conversation, seq)

    @rule(conversation=conversations, user=users, seq=seqs)
    def mark_read(self, conversation: UUID, user: int, seq: int) -> None:
        """Any message, the same one twice, or one that is not there."""
        answer = self.people[user].request("POST", f"/conversations/{conversation}/messages/{seq}/read")
        assert answer.status_code == self.model.mark_read(self.ids[user], conversation, seq)

    @rule(conversation=conversations, user=users, name=st.sampled_from(["Team", "Friends"]))
    def rename(self, conversation: UUID, user: int, name: str) -> None:
        """By anyone, allowed or not."""
        answer = self.people[user].request("PATCH", f"/conversations/{conversation}", name=name)
        assert answer.status_code == self.model.rename(self.ids[user], conversation, name)

    @rule(conversation=conversations, user=users, member=users)
    def add(self, conversation: UUID, user: int, member: int) -> None:
        """Of anyone by anyone."""
        path = f"/conversations/{conversation}/participants"
        answer = self.people[user].request("POST", path, user_id=str(self.ids[member]))
        assert answer.status_code == self.model.add(self.ids[user], conversation, self.ids[member])

    @rule(conversation=conversations, user=users, member=users)
    def remove(self, conversation: UUID, user: int, member: int) -> None:
        """Of anyone by anyone."""
        answer = self.people[user].request("DELETE", f"/conversations/{conversation}/participants/{self.ids[member]}")
        assert answer.status_code == self.model.remove(self.ids[user], conversation, self.ids[member])

    @rule(conversation=conversations, user=users)
    def leave(self, conversation: UUID, user: int) -> None:
        """By anyone."""
        answer = self.people[user].request("POST", f"/conversations/{conversation}/leave")
        assert answer.status_code == self.model.leave(self.ids[user], conversation)

    @rule(conversation=conversations, user=users, member=users, role=st.sampled_from(["member", "admin", "owner"]))
    def set_role(self, conversation: UUID, user: int, member: int, role: str) -> None:
        """Of anyone by anyone, up and down."""
        path = f"/conversations/{conversation}/participants/{self.ids[member]}/role"
        answer = self.people[user].request("PUT", path, role=role)
        assert answer.status_code == self.model.set_role(self.ids[user], conversation, self.ids[member], role)

    # --- reconnects ---------------------------------------------------------------------------------------

    @rule(user=users)
    def disconnect(self, user: int) -> None:
        """A device goes away; a closed one stays away."""
        device = self.devices[self.ids[user]]
        if device.gateway is not None:
            device.gateway.close()
            device.gateway = None

    @rule(user=users)
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

    @rule(conversation=conversations, user=users, limit=st.integers(1, 7))
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

    @rule(user=users)
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
        """With SQL in hand, as a user of the app role: every table shows what the model says, row by row."""
        if not hasattr(self, "model"):
            return
        ids = list(self.model.conversations)
        for user in self.ids:
            mine = self.model.visible(user)
            assert self._keys(user, "SELECT id AS a, name AS b FROM conversations WHERE id = ANY ($1)", ids) == {
                (key, conversation.name) for key, conversation in mine.items()
            }
            seen = self._keys(
                user,
                "SELECT conversation_id AS a, user_id AS b, role AS c, last_read_seq AS d "
                "FROM conversation_participants WHERE conversation_id = ANY ($1) AND left_at IS NULL",
                ids,
            )
            assert seen == {
                (key, member, role, conversation.read[member])
                for key, conversation in mine.items()
                for member, role in conversation.roles.items()
            }
            seen = self._keys(
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
        for device in self.devices.values():
            if device.gateway is not None:
                device.gateway.close()

    def _keys(self, user: UUID, statement: str, ids: list[UUID]) -> set[tuple[Any, ...]]:
        return {tuple(row) for row in type(self).see(user, statement, ids)}


def _place(event: Told) -> tuple[str, object]:
    """Conversations are replayed in any order, messages of one in theirs."""
    return str(event[1]), event[2]


def _run(server: Any, administrator_sql: Any, user_sql: Any, chosen: settings) -> int:
    """Runs the machine; how many steps it took."""
    ChatMachine.server = server
    ChatMachine.see = staticmethod(user_sql)
    rows = administrator_sql("SELECT action, actor_role, target_role FROM chatbench.group_rules")
    ChatMachine.rules_of_groups = {tuple(row) for row in rows}
    ChatMachine.steps = 0
    run_state_machine_as_test(ChatMachine, settings=chosen)  # type: ignore[no-untyped-call]
    return ChatMachine.steps


def test_server_and_model_agree(server: Any, administrator_sql: Any, user_sql: Any) -> None:
    """At least two thousand steps."""
    assert _run(server, administrator_sql, user_sql, CI) >= 2_000


@pytest.mark.long
def test_server_and_model_agree_for_longer(server: Any, administrator_sql: Any, user_sql: Any) -> None:
    """Twenty thousand steps and more."""
    longer = settings(CI, max_examples=400, stateful_step_count=70, phases=[Phase.generate, Phase.shrink])
    assert _run(server, administrator_sql, user_sql, longer) >= 20_000
