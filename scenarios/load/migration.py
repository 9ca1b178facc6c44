"""Asks what users feel while the older chat is migrated to the new one.

The operator starts the migration and raises the roll-out stage by stage, while the backfill runs. Users ask the server,
before each action, which chat to use, and read and write there; every action is timed from its intended start. In the
end the migration is taken back (or not), verified, and every acknowledged message is looked for in both chats.

    locust -f scenarios/load/migration.py --host http://127.0.0.1:8000 --headless
"""

import time
from argparse import ArgumentTypeError
from typing import Any
from uuid import UUID

import gevent

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.http_client import REQUEST_TIMEOUT_SECONDS
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request
from scenarios.client.operator_client import LOOPBACK_OPERATOR_KEY, OperatorClient
from scenarios.client.run_options import add_option, positive
from scenarios.client.run_session import RunSession
from scenarios.client.two_chats import ChatFindings, Person, TwoChats
from scenarios.rollout import Stage, plan
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(30, "actions/s", "guess: every user does something each second"),
    "stages": Row("0,10,50,100", "% of users", "cited: the roadmap's gradual roll-out"),
    "stage_seconds": Row(4, "s", "guess: six stages in a short run"),
    "batch_messages": Row(500, "messages", "cited: the server's own pace"),
    "pause_seconds": Row(0.05, "s", "cited: the server's own pace"),
    "read_weight": Row(8.5, "per message sent", "cited: Mattermost, switch 6.52 and scroll 1.99 per post"),
    "list_weight": Row(1, "per message sent", "cited: Mattermost, unread check"),
    "send_weight": Row(3, "per message sent", "guess: three times the cited 1, so that each stage has some"),
    "history_messages": Row(5, "messages per connection", "guess: something that the backfill has to copy"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "poll_seconds": Row(0.5, "s", "guess: how often the operator looks at the migration"),
    "http_connections": Row(20, "connections", "guess: opened ahead, so that connecting is not measured"),
}
ACTIONS = ("read", "list", "send")
BACK_OUTS = ("roll_back", "abort", "none")
_STAGES_MAX = 7


def percentages(text: str) -> str:
    """Whole numbers of 0 to 100, ascending, for argparse; kept as text because the web page shows it."""
    parse_percentages(text, ArgumentTypeError)
    return text


def parse_percentages(text: str, error: type[Exception] = InputError) -> tuple[int, ...]:
    """(0, 50, 100) of "0,50,100"."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    ascending = sorted({number for number in numbers if 0 <= number <= 100})
    if not numbers or list(numbers) != ascending or len(numbers) > _STAGES_MAX:
        raise error(f"{text!r} is no list of at most {_STAGES_MAX} ascending percentages; write it as 0,10,50,100")
    return numbers


class Migration(LoadScenario):
    """Migrates while people talk."""

    entry = SCENARIOS["migration"]
    workload = WORKLOAD
    plan_type = dict[int, list[UUID]]
    findings_type = ChatFindings

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        self.stage_seconds = float(options.stage_seconds)
        self.pace = (int(options.batch_messages), float(options.pause_seconds))
        self.back_out: str = options.back_out
        self.stages = plan(parse_percentages(options.stages), options.back_out)
        self.chats = TwoChats(session, int(WORKLOAD["page_size"].value))
        self.operator = OperatorClient(
            session.pool, session.options.host, options.operator_key or LOOPBACK_OPERATOR_KEY
        )
        self.people: dict[int, Person] = {}
        self.begin_ns = 0
        self.started = False
        self.backed_out = False
        self.phase = "off"
        self.routed: dict[tuple[str, str], set[int]] = {}  # (stage, chat) → users
        self.mismatches: dict[str, float] = {}  # stage → most users who differed at one time
        self.acting = 0
        self.operating: list[gevent.Greenlet] = []

    @staticmethod
    def add_options(parser: Any) -> None:
        """The migration's own options."""
        texts = SCENARIOS["migration"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(parser, "--stages", texts["--stages"], type=percentages, default=WORKLOAD["stages"].value)
        for option in ("stage-seconds", "pause-seconds"):
            row = WORKLOAD[option.replace("-", "_")]
            add_option(parser, f"--{option}", texts[f"--{option}"], type=positive, default=row.value)
        batch = WORKLOAD["batch_messages"].value
        add_option(parser, "--batch-messages", texts["--batch-messages"], type=int, default=batch)
        add_option(parser, "--back-out", texts["--back-out"], choices=list(BACK_OUTS), default=BACK_OUTS[0])
        key = {"default": "", "env_var": "CHATBENCH_OPERATOR_KEY", "is_secret": True, "metavar": "<key>"}
        add_option(parser, "--operator-key", "key of the target's operator (env CHATBENCH_OPERATOR_KEY)", **key)

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_percentages(options.stages)
        if options.batch_messages < 1:
            raise InputError(f"--batch-messages {options.batch_messages} is below 1; use 1 or more")
        names = ("rate", "stages", "stage_seconds", "batch_messages", "pause_seconds", "back_out")
        return {name: getattr(options, name) for name in names}

    def plan(self) -> dict[int, list[UUID]]:
        """Looks whether a migration can start; connects each user with the next in the older chat, with a history."""
        session = self.session
        phase = self.operator.migration().phase
        if phase not in {"off", "rolled_back"}:
            raise InputError(
                f"a migration is {phase} at {session.options.host} already; roll it back first "
                "(POST /v1/operator/migration/roll_back), or use another database"
            )
        user_count = session.options.user_count
        history = int(WORKLOAD["history_messages"].value)
        people = [Person(session.login(session.user_id(number))) for number in range(user_count)]
        pairs = [(number, (number + 1) % user_count) for number in range(user_count if user_count > 1 else 0)]
        connecting = [
            gevent.spawn(self.chats.connect, people[one], people[other], session.user_id(other), history)
            for one, other in pairs
        ]
        gevent.joinall(connecting, raise_error=True)
        if not any(person.connections for person in people):
            raise InputError(f"none of {user_count} users could be connected with another; use more --users")
        for place in range(session.seat.count):
            if not any(people[number].connections for number in session.seat.numbers(user_count, place)):
                raise InputError(
                    f"{user_count} users in {session.seat.count} processes leave one without anybody who is connected "
                    "with another; use more --users or fewer processes"
                )
        return {number: person.connections for number, person in enumerate(people) if person.connections}

    def adopt(self, plan: dict[int, list[UUID]]) -> None:
        """Takes up this process's users, or all where the books of all are kept."""
        session = self.session
        own = [number for number in plan if session.seat.keeps_the_run or session.is_own(number)]
        self.people = {number: Person(session.login(session.user_id(number)), plan[number]) for number in own}
        session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Both chats are used over HTTP."""

    def measure(self, begin_ns: int) -> None:
        """Starts the users' actions."""
        self.begin_ns = begin_ns
        arrivals = ARRIVALS[self.session.options.arrivals](self.rate, f"{self.session.options.seed} users")
        arrivals = self.session.share(arrivals)
        gevent.spawn(self.session.open_loop("migration_action").drive, arrivals, begin_ns, self.act)

    def oversee(self, begin_ns: int) -> None:
        """Starts the operator."""
        self.begin_ns = begin_ns
        self.operating = [gevent.spawn(self._operate), gevent.spawn(self._watch)]

    @property
    def stage(self) -> Stage:
        """Where the migration should be, which every process knows by its clock."""
        passed = int((time.monotonic_ns() - self.begin_ns) / 1e9 // self.stage_seconds)
        return self.stages[max(0, min(passed, len(self.stages) - 1))]

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:
        """The schedule decides who acts."""

    def act(self, intended_ns: int) -> None:
        """One timed action of somebody, in the chat that the server sends them to."""
        number = self.session.random.choice(list(self.people))
        person = self.people[number]
        weights = [float(WORKLOAD[f"{action}_weight"].value) for action in ACTIONS]
        action = self.session.random.choices(ACTIONS, weights)[0]
        connection = self.session.random.choice(person.connections)
        stage = self.stage
        self.acting += 1
        try:
            asked = self.chats.legacy.get_chat_route(person.token, intended_ns)
            route = self.chats.legacy.parse_route(asked)
            chat = "new" if route is not None and route.uses_new_chat else "old"
            self.session.note_response("get_chat_route", asked, weight=chat, depth=stage.label)
            if route is None:
                return
            if route.percentage == (stage.percentage or 0):  # not one that the operator is just changing
                self.routed.setdefault((stage.label, chat), set()).add(number)
                self.session.count("migration_routes", stage=stage.label, chat=chat)
            do = self.chats.in_new if chat == "new" else self.chats.in_old
            response = do(person, connection, action)
        finally:
            self.acting -= 1
        if response is None:
            self.session.failures[f"{action} in the new chat: the connection has no conversation"] += 1
            return
        self.session.note_response(f"{action} in the {chat} chat", response, weight=chat, depth=stage.label)
        if response.ok:
            took_us = (response.arrived_ns - intended_ns) // 1000
            self.session.recorder.series("migration_action_us", chat=chat, action=action, stage=stage.label)(took_us)
            report_request("CHAT", f"{action} {chat}", took_us / 1000, len(response.body))

    def unanswered_count(self) -> int:
        """Actions not yet answered."""
        return self.acting

    def outstanding(self) -> int:
        """The same."""
        return self.acting

    def finish(self) -> list[LedgerTotals]:
        """Says which of this process's users were where."""
        for (stage, chat), users in self.routed.items():
            self.session.count("migration_users", len(users), stage=stage, chat=chat)
        return []

    def findings(self) -> ChatFindings:
        """What this process's users had acknowledged."""
        return self.chats.found

    def tell(self, findings: list[ChatFindings]) -> list[LedgerTotals]:
        """Takes the migration back if that is still to be done, verifies it, and looks for every message."""
        session = self.session
        gevent.joinall(self.operating, timeout=REQUEST_TIMEOUT_SECONDS)  # a command may be under way
        for found in findings:
            self.chats.found.add(found)
        for stage, differing in self.mismatches.items():
            session.count("migration_validator_mismatches", differing, stage=stage)
        try:
            if self.started and self.back_out != "none" and not self.backed_out:
                self._back_out()
            self.phase = self.operator.migration().phase
            session.count(
                "migration_validated_users", session.chat.server_metric("chat_migration_validated_users_total") or 0
            )
            verification = self.operator.verify()
            totals = self.chats.reconcile(self.people.values(), is_complete=self.phase == "complete")
        except InputError as error:
            session.warnings.append(f"the migration was not verified: {error}")
            return []
        for check in verification.checks:
            session.count("migration_verification_examined", check.examined, check=check.check_name)
            session.count("migration_verification_mismatches", check.mismatches, check=check.check_name)
            if not check.is_ok:
                session.warnings.append(
                    f"verify_migration: {check.check_name} finds {check.mismatches} mismatches of {check.examined}, "
                    f"such as {check.example}"
                )
        for one in totals:
            if one.missing or one.duplicate:
                session.warnings.append(
                    f"the {one.labels['chat']} chat lost {one.missing} and doubled {one.duplicate} of {one.expected} "
                    "messages"
                )
        return totals

    # --- the operator -----------------------------------------------------------------------------------

    def _operate(self) -> None:
        """Goes through the stages; a refused command ends the run, because it would measure something else."""
        for number, stage in enumerate(self.stages):
            entered = time.monotonic()
            try:
                self._enter(stage)
            except InputError as error:
                self.session.give_up(str(error))
                return
            # Stages follow the clock, so that a slow command does not move those behind it.
            left = max(0.0, self.begin_ns / 1e9 + (number + 1) * self.stage_seconds - time.monotonic())
            is_cut = self.session.stopping.wait(timeout=left)
            self.session.count("migration_stage_seconds", round(time.monotonic() - entered, 3), stage=stage.label)
            if is_cut:
                self.session.warnings.append(
                    f"the run ended in stage {stage.label!r} of {len(self.stages)}; use a longer --run-time or shorter "
                    "--stage-seconds"
                )
                return
        self.session.end()

    def _enter(self, stage: Stage) -> None:
        if stage.starts_migration:
            self.operator.start(*self.pace)
            self.started = True
        if stage.percentage is not None:
            self.operator.set_rollout(stage.percentage)
        if stage.backs_out:
            self._back_out()

    def _back_out(self) -> None:
        command = self.back_out
        if command == "abort" and self.operator.migration().phase == "complete":
            command = "roll_back"
            self.session.warnings.append(
                "the migration was complete before it could be aborted, so it was rolled back; use a longer "
                "--pause-seconds to abort in the middle"
            )
        self.operator.command(command)
        self.backed_out = True

    def _watch(self) -> None:
        """Sees the backfill go on and end, and users who differ."""
        copied: dict[str, int] = {}
        seconds: float | None = None
        while not self.session.stopping.wait(timeout=float(WORKLOAD["poll_seconds"].value)):
            try:
                state = self.operator.migration()
                differing = self.session.chat.server_metric("chat_migration_mismatches")
            except InputError as error:
                self.session.warnings.append(f"the operator could not look at the migration: {error}")
                break
            if differing is not None:
                stage = self.stage.label
                self.mismatches[stage] = max(differing, self.mismatches.get(stage, 0))
            if state.phase in {"running", "complete"}:
                copied = {"connections": state.connections_copied, "messages": state.messages_copied}
            if state.phase == "complete" and state.started_at and state.ended_at:
                seconds = (state.ended_at - state.started_at).total_seconds()
        for what, count in copied.items():
            self.session.count("migration_copied", count, what=what)
        if seconds is not None:
            self.session.count("migration_backfill_seconds", round(seconds, 3))
        elif self.started:
            self.session.warnings.append(
                f"the backfill had not ended when the run did or was backed out: {copied.get('connections', 0)} "
                "connections were copied; use longer --stage-seconds to see its end"
            )


class MigrationUser(ChatUser):
    """Somebody who is being migrated."""


install(Migration)
