"""Both chats, groups included, and the migration, commanded in any order: the server does what a small model does.

`tests/oracles/migration_model.py` is the model. While the test holds the backfill's right to copy, as another server
process would, nothing is copied but what a step asks for: what the model knows is what there is.
"""

from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from chat_model import Rule
from conversation_machine import ConversationMachine, by_conversation
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test
from machine_steps import USERS, Choice, Step, lengths, steps
from migration_model import Connection, MigrationModel

CI = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
FIRST_FAULT = settings(CI, derandomize=True, report_multiple_bugs=False, phases=[Phase.generate])
ENGINE = "hypothesis.internal.conjecture.engine"
# The same in every example, or what failed would not fail again: each percentage below sends others to the new chat.
BUCKETS = (0, 30, 60, 98, 99)
ONE_AT_A_TIME = {"batch_messages": 1, "pause_seconds": 60}
ALL_AT_ONCE = {"batch_messages": 1_000_000, "pause_seconds": 0}
CURRENT = "SELECT connection_request_id FROM chatbench.migrated_connections WHERE is_current"
FITTING = {
    "off": ["start"],
    "rolled_back": ["start"],
    "paused": ["resume", "resume", "resume", "abort"],
    "running": ["pause", "pause", "pause", "roll_back"],
    "complete": ["roll_back"],
}


class MigrationMachine(ConversationMachine):
    """Everything that users do in either chat, and everything that operators do to the migration."""

    model: MigrationModel
    rules_of_groups: ClassVar[set[Rule]]
    world: ClassVar[Any]
    operator: ClassVar[Any]
    log_in: ClassVar[Any]
    taken: ClassVar[list[str]]  # the actions of the latest example
    pass_turn: ClassVar[Any]  # lets the server copy, and stops it behind the connection that it is at

    @initialize(
        friends=st.lists(st.sampled_from([(0, 1), (2, 1), (0, 2), (1, 0)]), min_size=2, max_size=5),
        words=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=10),
        length=lengths,
    )
    def begin(self, friends: list[tuple[int, int]], words: list[tuple[int, bool]], length: int) -> None:
        """Some who know each other from the older chat, and a migration that has not begun or was rolled back."""
        if self.operator.get()["phase"] not in {"off", "rolled_back"}:
            assert self.operator.post("roll_back").status_code == 200
        for table in ("chatbench.migrated_connections", "messages", "connection_requests"):
            self.world.sql(f"DELETE FROM {table}")
        people = [self.log_in(self.server, self.world.person_in(bucket)) for bucket in BUCKETS]
        self.enter(people, MigrationModel(self.rules_of_groups, self.operator.get()["phase"], self.world.conversation))
        type(self).taken, self.length, self.is_idle = [], length, False
        for user, other in friends:
            self._ask_with_sql(user, other)
        made = list(self.model.connections)
        for connection in made[1:]:  # one of them waits for its answer
            self._answer(self._party(connection, is_first=False), connection, "accept", "accepted")
        for place, is_first in words:
            connection = made[place % len(made)]
            self._send_older(self._party(connection, is_first), connection)

    @rule(step=steps)
    def take(self, step: Step) -> None:
        """One of the actions below."""
        self.is_idle = step.action == "nothing" or len(self.taken) >= self.length
        if not self.is_idle:
            self.taken.append(step.action)
            self.is_idle = getattr(self, step.action)(step.choice) is False

    @invariant()
    def everyone_is_told_exactly_what_concerns_them(self) -> None:
        """After what was done."""
        if not self.is_idle:
            super().everyone_is_told_exactly_what_concerns_them()

    def _connection(self, choice: Choice) -> tuple[UUID, int]:
        """A connection, and who does something with it."""
        known = list(self.model.connections)
        connection = known[choice.place % len(known)]
        return connection, self._party(connection, choice.is_first) if choice.is_insider else choice.user

    def _party(self, connection: UUID, is_first: bool) -> int:
        known = self.model.connections[connection]
        return self.ids.index(known.sender if is_first else known.receiver)

    def two(self, choice: Choice) -> tuple[UUID, UUID]:
        """Mostly two who know each other from the older chat."""
        if not choice.is_insider:
            return super().two(choice)
        connection, _ = self._connection(choice)
        one, other = sorted(self.model.connections[connection].pair, reverse=choice.is_first)
        return one, other

    # --- the older chat -----------------------------------------------------------------------------------

    def ask(self, choice: Choice) -> None:
        """For a connection, of anyone by anyone."""
        user, other = self.ids[choice.user], self.ids[choice.other]
        answer = self.people[choice.user].post("/legacy/connections", user_id=str(other))
        assert answer.status_code == self.model.connect_status(user, other), answer.text
        if answer.status_code == 201:
            self.model.connected(UUID(answer.json()["connection"]["id"]), user, other)

    def ask_with_sql(self, choice: Choice) -> None:
        """With SQL in hand, which lets one pair have several connections, as two who ask each other at once may."""
        self._ask_with_sql(choice.user, (choice.user + 1) % USERS if choice.user == choice.other else choice.other)

    def _ask_with_sql(self, user: int, other: int) -> None:
        statement = "INSERT INTO connection_requests (sender_id, receiver_id) VALUES ($1, $2) RETURNING id"
        (row,) = self.see(self.ids[user], statement, self.ids[user], self.ids[other])
        self.model.connected(row["id"], self.ids[user], self.ids[other])

    def accept(self, choice: Choice) -> None:
        """By anyone, but mostly one of the two."""
        connection, user = self._connection(choice)
        self._answer(user, connection, "accept", "accepted")

    def decline(self, choice: Choice) -> None:
        """The same."""
        connection, user = self._connection(choice)
        self._answer(user, connection, "decline", "declined")

    def _answer(self, user: int, connection: UUID, command: str, status: str) -> None:
        answer = self.people[user].request("POST", f"/legacy/connections/{connection}/{command}")
        assert answer.status_code == self.model.answer(self.ids[user], connection, status), answer.text

    def send_older(self, choice: Choice) -> None:
        """Allowed or not."""
        connection, user = self._connection(choice)
        self._send_older(user, connection)

    def _send_older(self, user: int, connection: UUID) -> None:
        content = self.content()
        answer = self.people[user].post(f"/legacy/connections/{connection}/messages", content=content)
        assert answer.status_code == self.model.legacy_status(self.ids[user], connection), answer.text
        if answer.status_code == 201:
            message_id = UUID(answer.json()["message"]["id"])
            self.model.legacy_sent(self.ids[user], connection, content, message_id)

    def read_older(self, choice: Choice) -> None:
        """Everything."""
        connection, user = self._connection(choice)
        answer = self.people[user].request("POST", f"/legacy/connections/{connection}/read")
        expected = self.model.legacy_read(self.ids[user], connection)
        assert answer.json().get("marked") == expected
        assert answer.status_code == (404 if expected is None else 200)

    def page_older(self, choice: Choice) -> None:
        """The whole history, page by page; or nothing, for strangers."""
        connection, user = self._connection(choice)
        path, known = f"/legacy/connections/{connection}/messages", self.model.connections[connection]
        answer = self.people[user].get(path, limit=choice.seq)
        if self.ids[user] not in known.pair:
            assert answer.status_code == 404
            return
        found: list[Any] = []
        while page := answer.json()["messages"]:
            found += page
            answer = self.people[user].get(path, limit=choice.seq, before=page[-1]["created_at"])
        told = [(UUID(one["id"]), UUID(one["sender_id"]), one["content"], one["read_at"] is not None) for one in found]
        assert told[::-1] == _entries(known)

    def list_connections(self, choice: Choice) -> None:
        """Newest first, with exact unread counts."""
        listed = self.people[choice.user].get("/legacy/connections", limit=200).json()["connections"]
        told = [(UUID(one["id"]), one["status"], one["unread_count"]) for one in listed]
        assert told == self.model.listed(self.ids[choice.user])

    # --- from one to the other ----------------------------------------------------------------------------

    def ask_for_conversation(self, choice: Choice) -> None:
        """Of a connection; while it may be, it is migrated at this touch."""
        connection, user = self._connection(choice)
        self._touch(connection, user)

    def _touch(self, connection: UUID, user: int) -> UUID | None:
        answer = self.people[user].get(f"/legacy/connections/{connection}/conversation")
        status, expected = self.model.conversation_of(self.ids[user], connection)
        assert answer.status_code == status
        assert status == 404 or answer.json() == {"conversation_id": expected and str(expected)}
        return expected

    def send_as_routed(self, choice: Choice) -> None:
        """As a client does that asks which chat to use, and stays in the older one while there is no conversation."""
        connection, _ = self._connection(choice)
        user = self._party(connection, choice.is_first)
        route = self.people[user].get("/chat_route").json()
        expected = (self.model.uses_new_chat(self.ids[user]), self.model.percentage, self.model.phase)
        assert (route["uses_new_chat"], route["percentage"], route["phase"]) == expected
        conversation = self._touch(connection, user) if route["uses_new_chat"] else None
        if conversation is None:
            self._send_older(user, connection)
        else:
            self.compare_send(user, conversation, self.content(), uuid4())

    # --- what operators do --------------------------------------------------------------------------------

    def command(self, choice: Choice) -> None:
        """Any, where it fits and where it does not."""
        self._command(["start", "pause", "resume", "abort", "roll_back"][choice.place % 5])

    def command_that_fits(self, choice: Choice) -> None:
        """One that goes on from here, more often than back."""
        commands = FITTING[self.model.phase]
        self._command(commands[choice.place % len(commands)])

    def _command(self, command: str) -> None:
        answer = self.operator.post(command)
        assert answer.status_code == self.model.command(command), answer.text
        state = self.operator.get()
        assert (state["phase"], state["rollout_percentage"]) == (self.model.phase, self.model.percentage)

    def roll_out(self, choice: Choice) -> None:
        """To nobody, some or all."""
        percentage = [0, 1, 50, 99, 100][choice.place % 5]
        answer = self.operator.put("rollout", percentage=percentage)
        assert answer.status_code == self.model.set_rollout(percentage), answer.text

    def backfill(self, choice: Choice) -> bool:
        """Lets the server copy: at least one connection, or everything that is left."""
        if self.model.phase != "running":
            return False
        is_whole = choice.is_first
        self.operator.put("pace", **(ALL_AT_ONCE if is_whole else ONE_AT_A_TIME))
        before = self.operator.post("pause").json()["connections_copied"]
        self.pass_turn()
        try:
            self.operator.post("resume")
            progress = "SELECT phase = 'complete' OR connections_copied > $1 AND NOT $2 FROM chatbench.migration_state"
            self.world.wait_for(progress, before, is_whole)
        finally:  # also when it failed: the next example finds the server as this one did
            is_complete = self.operator.post("pause").status_code == 409
            self.pass_turn()
        assert is_complete or self.operator.post("resume").status_code == 200
        expected = self.model.unmigrated()
        current = {row[0] for row in self.world.sql(CURRENT)}
        copied = [key for key in expected if key in current]
        assert copied == expected[: len(copied)]
        assert copied or not expected
        for key in copied:
            self.model.copied(key)
        if is_complete:
            assert copied == expected
            self.model.phase = "complete"
        assert is_complete or not is_whole
        assert self.operator.get()["phase"] == self.model.phase
        return True

    def verify(self, _choice: Choice) -> None:
        """At any moment nothing differs that should not."""
        self.operator.check()

    # --- what always holds ---------------------------------------------------------------------------------

    def compare_tables(self) -> None:
        """The older chat, too, shows its own people what the model says, and to nobody else anything."""
        super().compare_tables()
        self.operator.check()
        ids = list(self.model.connections)
        for user in self.ids:
            mine = {key: one for key, one in self.model.connections.items() if user in one.pair}
            seen = self.keys(user, "SELECT id AS a, status AS b FROM connection_requests WHERE id = ANY ($1)", ids)
            assert seen == {(key, one.status) for key, one in mine.items()}
            seen = self.keys(
                user,
                "SELECT connection_request_id, id, sender_id, content, read_at IS NOT NULL "
                "FROM messages WHERE connection_request_id = ANY ($1)",
                ids,
            )
            assert seen == {(key, *entry) for key, one in mine.items() for entry in _entries(one)}
            seen = self.keys(
                user,
                "SELECT connection_request_id, conversation_id, is_home, is_current "
                "FROM chatbench.migrated_connections WHERE connection_request_id = ANY ($1)",
                ids,
            )
            assert seen == {
                (key, one.conversation_id, one.is_home, one.is_current)
                for key, one in mine.items()
                if one.conversation_id is not None
            }


def _entries(connection: Connection) -> list[tuple[Any, ...]]:
    """The messages as they are told, oldest first."""
    return [(one.message.id, one.message.sender, one.message.content, one.is_read) for one in connection.by_time()]


@pytest.fixture
def run_machine(  # noqa: PLR0917 - fixtures
    world: Any, launch: Any, log_in: Any, operator: Any, user_session: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Runs the machine on a server of its own; how many steps it took. The rules of groups are those of now."""
    # Else a third of the examples take the actions of another one: of 60, about 40 instead of 56 were different.
    monkeypatch.setattr(f"{ENGINE}.ConjectureRunner.generate_mutations_from", lambda *_: None)
    rows = world.sql("SELECT action, actor_role, target_role FROM chatbench.group_rules")
    MigrationMachine.rules_of_groups = {tuple(row) for row in rows}

    def run(chosen: settings) -> int:
        server = launch(world.url)
        MigrationMachine.server, MigrationMachine.world = server, world
        MigrationMachine.operator, MigrationMachine.log_in = operator(server), staticmethod(log_in)
        MigrationMachine.see = staticmethod(user_session)
        MigrationMachine.steps = 0
        with world.copying_elsewhere() as pass_turn:
            MigrationMachine.pass_turn = staticmethod(pass_turn)
            run_state_machine_as_test(MigrationMachine, settings=chosen)  # type: ignore[no-untyped-call]
        return MigrationMachine.steps

    return run


def test_server_and_model_agree(run_machine: Any) -> None:
    """At least two thousand steps, those not counted that found nothing to do."""
    assert run_machine(CI) >= 2_000


def test_a_replay_in_disorder_is_told() -> None:
    """Of one conversation; which conversation comes first is nobody's business."""
    first, second, other = ("m", "a", 1), ("m", "a", 2), ("m", "b", 1)
    assert by_conversation([other, first, second]) == by_conversation([first, other, second])
    assert by_conversation([other, second, first]) != by_conversation([first, second, other])


def test_a_fault_is_told_in_few_steps(run_machine: Any, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that does not reach the older chat: start, copy, send; what else was done is left out."""
    monkeypatch.setattr(f"{ENGINE}.MAX_SHRINKS", 35)  # later ones make no example shorter
    world.script("ALTER TABLE chat_messages DISABLE TRIGGER mirror_to_legacy")
    with pytest.raises(AssertionError):
        run_machine(settings(FIRST_FAULT, phases=CI.phases, stateful_step_count=25))
    assert len(MigrationMachine.taken) <= 5, MigrationMachine.taken


@pytest.mark.parametrize(
    "fault",
    [
        # Who has left goes on seeing the conversation.
        """
        CREATE OR REPLACE VIEW chatbench.my_memberships WITH (security_barrier) AS
            SELECT conversation_id FROM public.conversation_participants WHERE user_id = (SELECT auth.uid())
        """,
        # Members may do what admins may.
        "INSERT INTO chatbench.group_rules VALUES ('update_info', 'member', 'none')",
    ],
    ids=["left", "rules"],
)
def test_a_fault_of_groups_is_told(run_machine: Any, world: Any, fault: str) -> None:
    """As it was found, to save the time of making it short."""
    world.script(fault)
    with pytest.raises(AssertionError):
        run_machine(FIRST_FAULT)


@pytest.mark.long
def test_server_and_model_agree_for_longer(run_machine: Any) -> None:
    """Twenty thousand steps and more."""
    longer = settings(CI, max_examples=400, stateful_step_count=70)
    assert run_machine(longer) >= 20_000
