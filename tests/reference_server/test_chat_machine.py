"""A real server and a small model are given the same commands: same answers, same events, same sight of the tables.

`tests/oracles/chat_model.py` is the model, and `tests/oracles/conversation_machine.py` the part of the machine that
does not depend on how conversations come to be.
"""

from typing import Any, ClassVar
from uuid import UUID

import pytest
from chat_model import ChatModel, Conversation, Message, Rule
from conversation_machine import USERS, ConversationMachine, seqs, users
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, rule, run_state_machine_as_test

FIRST_USER = 115  # not those of other tests: they come to be in hundreds of groups
CI = settings(
    max_examples=65,
    stateful_step_count=50,
    deadline=None,
    # A failure is told as it was found: looking for a shorter one takes minutes, and the long profile does it.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


class ChatMachine(ConversationMachine):
    """Users, groups, roles, sends, changes, reads, leaves and reconnects."""

    rules_of_groups: ClassVar[set[Rule]]

    conversations = Bundle("conversations")

    send = rule(conversation=conversations, user=users)(ConversationMachine.send)
    send_again = rule(conversation=conversations, seq=seqs)(ConversationMachine.send_again)
    edit = rule(conversation=conversations, user=users, seq=seqs)(ConversationMachine.edit)
    delete = rule(conversation=conversations, user=users, seq=seqs)(ConversationMachine.delete)
    mark_read = rule(conversation=conversations, user=users, seq=seqs)(ConversationMachine.mark_read)
    disconnect = rule(user=users)(ConversationMachine.disconnect)
    reconnect = rule(user=users)(ConversationMachine.reconnect)
    page = rule(conversation=conversations, user=users, limit=st.integers(1, 7))(ConversationMachine.page)
    list_conversations = rule(user=users)(ConversationMachine.list_conversations)

    @initialize()
    def begin(self) -> None:
        """Five people, each with one device that listens."""
        people = [self.server.user(FIRST_USER + index) for index in range(USERS)]
        self.enter(people, ChatModel(self.rules_of_groups))

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
