"""Binds a chat scenario to Locust: its events drive the run's phases, its users are chat users.

One scenario per process: a Locust file calls `install` once. The process makes the whole run, or is one of a master
and its workers; see scenarios/worker_messages.py.
"""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

import gevent
import msgspec
import psutil
from locust import User, events, task
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from fixtures.errors import ChatbenchError, InputError
from scenarios.catalogue import Scenario
from scenarios.client.active_run import ACTIVE, EXIT_INVALID, ActiveRun, LocalRun
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.master_run import MasterLink, MasterRun
from scenarios.client.run_options import RunOptions, add_common_options, read_options
from scenarios.client.run_session import RunSession
from scenarios.client.seat import ALONE, Seat
from scenarios.client.worker_run import WorkerLink, WorkerRun, worker_seat
from scenarios.ledger import Ledger, SettledMessage
from scenarios.run_records import LedgerTotals
from scenarios.worker_messages import encode
from scenarios.workload import Row


class LoadScenario(ABC):
    """One question put to a chat server. Methods are called in this order."""

    entry: ClassVar[Scenario]
    workload: ClassVar[Mapping[str, Row]]  # every number of it, beside its source; recorded with the run
    # A scenario runs on several workers: it has `plan` and `adopt`, takes its part of common schedules by
    # `session.share` or by whose users they are of, comes to `session.meet` where all must be at one point, and tells
    # `session.on_settled` of messages whose books closed. One that cannot says why here, and has `prepare`.
    one_process_because: ClassVar[str] = ""
    plan_type: ClassVar[Any] = None  # what `plan` returns, as msgspec decodes it
    findings_type: ClassVar[Any] = None  # what `findings` returns, likewise

    def __init__(self, session: RunSession, options: Any) -> None:  # noqa: ARG002 - every scenario reads its own
        self.session = session

    @staticmethod
    @abstractmethod
    def add_options(parser: Any) -> None:
        """Adds the scenario's own options, with their defaults from its workload table."""

    @staticmethod
    @abstractmethod
    def own_options(options: Any) -> dict[str, Any]:
        """The scenario's own options with their values, as the run's record keeps them; InputError for bad ones."""

    @classmethod
    def target(cls, options: RunOptions) -> RunOptions:
        """The options with the target that is really loaded; a scenario may bring its own, after all were checked."""
        return options

    def prepare(self) -> None:
        """Makes what the run needs, before any user starts; InputError when it cannot."""
        self.adopt(self.plan())

    def plan(self) -> Any:
        """Makes what all processes of the run share, once, and returns what they have to know of it."""
        raise NotImplementedError(f"{type(self).__name__} has neither `prepare` nor `plan`")

    def adopt(self, plan: Any) -> None:
        """Gets ready in this process for what was planned in one."""
        raise NotImplementedError(f"{type(self).__name__} has `plan` and no `adopt`")

    @abstractmethod
    def user_started(self, user: "ChatUser") -> None:
        """Connects one user, in its own greenlet."""

    @abstractmethod
    def measure(self, begin_ns: int) -> None:
        """Starts whatever the scenario drives itself; `begin_ns` is the beginning of the measured time."""

    def oversee(self, begin_ns: int) -> None:  # noqa: B027 - most have nothing to do
        """Starts what is done once for all processes of the run, in the one that keeps the run folder."""

    @abstractmethod
    def user_lives(self, user: "ChatUser", begin_ns: int) -> None:
        """What one user does during the measured time; returns when the run stops."""

    def user_stopped(self, user: "ChatUser") -> None:  # noqa: B027 - most have nothing to do
        """One user leaves: at the end, or before it by hand."""

    def unanswered_count(self) -> int:
        """Operations whose own answer is still on its way."""
        return 0

    def shared_ledger(self) -> Ledger | None:
        """The ledger whose sends and recipients may be in different processes; None when there is nothing like it."""
        return None

    def record_whole(self, settled: SettledMessage) -> None:  # noqa: B027 - many have nothing to do
        """Records what can only be said of a message with all its recipients, wherever they are."""

    def outstanding(self) -> int:
        """What is still on its way after the last start."""
        return 0

    @abstractmethod
    def finish(self) -> list[LedgerTotals]:
        """Closes the scenario's books in this process."""

    def findings(self) -> Any:
        """What this process found that figures of the whole run are made of, beside counts that just add up."""
        return None

    def tell(self, findings: list[Any]) -> list[LedgerTotals]:  # noqa: ARG002 - many have nothing to do
        """Figures of the whole run by the findings of its processes; once, in the one that keeps the run folder.

        Where the session lacks findings, sums over all processes must not be told.
        """
        return []


# Between two attempts to come back; also how long the end of a run may go unnoticed by who waits for a need of one.
_RECONNECT_SECONDS = 0.5


class ChatUser(User):  # type: ignore[misc]  # locust ships no types
    """One user of the chat: a number within the run, an identity, perhaps a gateway connection."""

    abstract = True
    number: int
    user_id: UUID
    gateway: GatewayClient | None = None
    run_of: ActiveRun | None = None

    def on_start(self) -> None:
        """Connects."""
        run = ACTIVE.get(self.environment)
        if run is None or run.session.stopping.is_set() or not run.free_numbers:
            # Added by hand beyond what the run was prepared for: there, and idle.
            if run is not None and run.free_numbers == []:
                run.extra_users += 1
            return
        self.run_of = run
        self.number = run.free_numbers.pop(0)
        self.user_id = run.session.user_id(self.number)
        with run.connecting:
            if not run.session.stopping.is_set():
                run.scenario.user_started(self)
        run.connected += 1

    def on_stop(self) -> None:
        """Disconnects."""
        run = self.run_of
        if run is not None:
            run.scenario.user_stopped(self)
            if self.gateway is not None:
                self.gateway.on_close = lambda _code, _reason: None  # ended on purpose, no loss
                self.gateway.close()
            run.free_numbers.append(self.number)

    def keep_connected(self, reconnect: Callable[[], object]) -> None:
        """Comes back at once whenever the gateway connection has ended, by `reconnect`, until the books are closed.

        Longer than operations start: what is on its way to a user who was just cut off has to find them again.
        """
        assert self.run_of is not None
        assert self.gateway is not None
        over = self.run_of.session.over
        while not over.is_set():
            if self.gateway.is_open:
                self.gateway.ended.wait(timeout=_RECONNECT_SECONDS)
                continue
            reconnect()
            if not self.gateway.is_open:
                over.wait(timeout=_RECONNECT_SECONDS)

    @task  # type: ignore[untyped-decorator]  # locust ships no types
    def live(self) -> None:
        """Waits for the measured time, lives through it, and rests until Locust stops it."""
        run = self.run_of
        if run is not None:
            run.scenario.user_lives(self, run.measuring.get())
        gevent.sleep(1e6)


def install(scenario_class: type[LoadScenario]) -> None:
    """Registers a scenario with Locust; to be called by the Locust file that defines its user class."""
    binding = _Binding(scenario_class)
    events.init_command_line_parser.add_listener(binding.add_options)
    events.init.add_listener(binding.check)
    events.test_start.add_listener(binding.start)
    events.spawning_complete.add_listener(binding.spawned)
    events.test_stopping.add_listener(binding.stopping)
    events.test_stop.add_listener(binding.stopped)
    events.quitting.add_listener(binding.quitting)


class _Binding:
    """What Locust's events mean to a run."""

    def __init__(self, scenario_class: type[LoadScenario]) -> None:
        self._scenario_class = scenario_class
        self._worker: WorkerLink | None = None
        self._master: MasterLink | None = None
        self._preparing_since: float | None = None  # of a monotonic clock

    def add_options(self, parser: Any) -> None:
        """Locust builds its command line."""
        add_common_options(parser, self._scenario_class.entry)
        self._scenario_class.add_options(parser)

    def check(self, environment: Environment, **_: Any) -> None:
        """Headless runs learn of bad options before anything starts; the web page may still change them."""
        # The event loop's clock stood still while modules were imported (measured: 1.8 s on a busy machine), and Locust
        # is about to set the timer of --run-time by it.
        gevent.get_hub().loop.update_now()
        runner, options = environment.runner, environment.parsed_options
        if options is None:
            return
        try:
            if isinstance(runner, WorkerRunner):
                if not self._scenario_class.one_process_because:
                    self._worker = WorkerLink(environment)
                return  # the master has the options, and refuses them
            if options.headless:
                self._options(environment)
        except ChatbenchError as error:
            sys.stderr.write(f"chatbench: {error}\n")
            if options.processes:
                # Locust has made them already, and they would look for their master for minutes.
                for child in psutil.Process().children():
                    child.terminate()
            sys.exit(error.exit_code)
        if isinstance(runner, MasterRunner):
            self._master = MasterLink(environment)
            # Listeners are asked last first, and the runner's own would end the test before we learn that it was cut.
            environment.events.quitting.add_listener(self.quitting)

    def start(self, environment: Environment, **_: Any) -> None:
        """A test begins: everything that must exist before the first user is made here."""
        self._preparing_since = time.monotonic()
        try:
            ACTIVE[environment] = self._begin(environment)
            self._preparing_since = None
        except ChatbenchError as error:
            self._preparing_since = None
            if self._worker is not None:
                self._worker.refuse(str(error))
                return
            sys.stderr.write(f"chatbench: {error}\n")
            environment.process_exit_code = error.exit_code
            gevent.spawn(environment.runner.quit if environment.parsed_options.headless else environment.runner.stop)
            # Locust goes on to spawn users whatever a listener raises, except this.
            raise gevent.GreenletExit from error

    def spawned(self, user_count: int, **_: Any) -> None:
        """All users exist; they may still be connecting."""
        for run in ACTIVE.values():
            if not run.measuring.ready():
                gevent.spawn(run.all_spawned, user_count)

    def stopping(self, environment: Environment, **_: Any) -> None:
        """The test ends; its users are still there, so that outstanding deliveries can arrive."""
        run = ACTIVE.get(environment)
        if run is not None:
            run.finish(cut_short=False)

    def stopped(self, environment: Environment, **_: Any) -> None:
        """The test has ended."""
        ACTIVE.pop(environment, None)

    def quitting(self, environment: Environment, **_: Any) -> None:
        """Locust decides its exit code right after this. A test that still runs here was ended by a signal."""
        run = ACTIVE.get(environment)
        if run is not None:
            run.finish(cut_short=True)
        elif self._preparing_since is not None and self._worker is None:
            # Locust's timer of --run-time runs from before the preparation.
            seconds, limit = time.monotonic() - self._preparing_since, environment.parsed_options.run_time
            self._preparing_since = None  # a master is asked twice
            sys.stderr.write(
                f"chatbench: nothing was measured: the run ended {seconds:.1f} s into its preparation (logins, data, "
                f"groups){f'; use a --run-time (chatbench: --seconds) above {limit} s' if limit else ''}\n"
            )
            environment.process_exit_code = EXIT_INVALID

    def _options(self, environment: Environment) -> tuple[RunOptions, dict[str, Any]]:
        runner, options = environment.runner, environment.parsed_options
        processes = 1
        if not isinstance(runner, LocalRunner):
            if self._scenario_class.one_process_because:
                raise InputError(
                    f"{self._scenario_class.entry.name} runs in one process, because "
                    f"{self._scenario_class.one_process_because}; leave out --master, --worker and --processes"
                )
            processes = max(1, options.expect_workers)
        assignment = self._worker.assignment if self._worker is not None else None
        if assignment is not None:
            options.host = assignment.host
        user_count = assignment.user_count if assignment else runner.target_user_count or options.num_users
        return read_options(options, user_count, processes), self._scenario_class.own_options(options)

    def _begin(self, environment: Environment) -> ActiveRun:
        checked, own = self._options(environment)
        # Workers load what the master's process found or started.
        common = checked if self._worker is not None else self._scenario_class.target(checked)
        recorded = {
            "host": common.host,
            "users": common.user_count,
            "seed": common.seed,
            "arrivals": common.arrivals,
            "shape": environment.parsed_options.shape,
            "drain_seconds": common.drain_seconds,
            **({"subprotocol": common.subprotocol} if "--subprotocol" in self._scenario_class.entry.options else {}),
            **own,
        }
        seat = ALONE
        if self._worker is not None:
            assert self._worker.assignment is not None, "the assignment comes before the first user"
            seat = worker_seat(self._worker, self._worker.assignment)
            common = replace(common, run_folder=None, server_pid=None)
        elif self._master is not None:
            workers = len(self._master.worker_ids())
            seat = Seat(count=workers, is_generator=False)
            recorded["workers"] = workers
        session = RunSession(self._scenario_class.entry.name, common, recorded, seat, self._scenario_class.workload)
        try:
            scenario = self._scenario_class(session, environment.parsed_options)
            run = self._prepared(environment, session, scenario, recorded)
        except ChatbenchError:
            session.close()  # nothing was measured, so nothing is recorded but the sentence that ends this process
            raise
        session.phase = "connecting"
        return run

    def _prepared(
        self, environment: Environment, session: RunSession, scenario: LoadScenario, recorded: dict[str, Any]
    ) -> ActiveRun:
        """The run of this process's role, everything made that must exist before the first user."""
        if self._worker is not None:
            assert self._worker.assignment is not None
            scenario.adopt(msgspec.msgpack.decode(self._worker.assignment.plan, type=scenario.plan_type))
            # Until here every process drew the same; from here on no two do.
            session.random.seed(f"{session.scenario} {session.options.seed} worker {session.seat.name}")
            return WorkerRun(environment, session, scenario, self._worker)
        if self._master is not None:
            plan = scenario.plan()
            scenario.adopt(plan)
            run = MasterRun(environment, session, scenario, self._master, recorded)
            run.assign(encode(plan))
            return run
        scenario.prepare()
        return LocalRun(environment, session, scenario, recorded)
