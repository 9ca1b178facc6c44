"""Binds a chat scenario to Locust: its events drive the run's phases, its users are chat users.

One scenario per process: a Locust file calls `install` once.
"""

import sys
import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar
from uuid import UUID

import gevent
from gevent.event import AsyncResult
from locust import User, events, task
from locust.env import Environment
from locust.runners import LocalRunner

from fixtures.errors import ChatbenchError, InputError
from scenarios.catalogue import Scenario
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.run_options import RunOptions, add_common_options, read_options
from scenarios.client.run_session import RunSession
from scenarios.run_folder import LedgerTotals, ScenarioRecord

EXIT_FINE, EXIT_BAD_INPUT, EXIT_INVALID = 0, 2, 3

# A user that cannot connect within this is counted as failed; the measured time begins without it.
_CONNECT_PATIENCE_SECONDS = 30.0


class LoadScenario(ABC):
    """One question put to a chat server. Methods are called in this order."""

    entry: ClassVar[Scenario]

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

    @abstractmethod
    def prepare(self) -> None:
        """Makes what the run needs, before any user starts; InputError when it cannot."""

    @abstractmethod
    def user_started(self, user: "ChatUser") -> None:
        """Connects one user, in its own greenlet."""

    @abstractmethod
    def measure(self, begin_ns: int) -> None:
        """Starts whatever the scenario drives itself; `begin_ns` is the beginning of the measured time."""

    @abstractmethod
    def user_lives(self, user: "ChatUser", begin_ns: int) -> None:
        """What one user does during the measured time; returns when the run stops."""

    def user_stopped(self, user: "ChatUser") -> None:  # noqa: B027 - most have nothing to do
        """One user leaves: at the end, or before it by hand."""

    def outstanding(self) -> int:
        """What is still on its way after the last start."""
        return 0

    @abstractmethod
    def finish(self) -> list[LedgerTotals]:
        """Closes the scenario's books."""


class ChatUser(User):  # type: ignore[misc]  # locust ships no types
    """One user of the chat: a number within the run, an identity, perhaps a gateway connection."""

    abstract = True
    number: int
    user_id: UUID
    gateway: GatewayClient | None = None
    run_of: "_ActiveRun | None" = None

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

    @task  # type: ignore[untyped-decorator]  # locust ships no types
    def live(self) -> None:
        """Waits for the measured time, lives through it, and rests until Locust stops it."""
        run = self.run_of
        if run is not None:
            run.scenario.user_lives(self, run.measuring.get())
        gevent.sleep(1e6)


class _ActiveRun:
    """One test of a Locust process, from test_start to test_stop."""

    def __init__(self, environment: Environment, session: RunSession, scenario: LoadScenario) -> None:
        self.environment = environment
        self.session = session
        self.scenario = scenario
        self.connected = 0
        self.extra_users = 0
        self.measuring = AsyncResult()
        self.free_numbers = list(range(session.options.user_count))
        self.is_finished = False
        session.on_give_up = self.end_soon

    def end_soon(self) -> None:
        """Asks Locust to end this test, from whatever greenlet notices that it must."""
        runner = self.environment.runner
        headless = self.environment.parsed_options.headless
        gevent.spawn(runner.quit if headless else runner.stop)

    def all_spawned(self, user_count: int) -> None:
        """Begins the measured time once every spawned user is connected or failed to."""
        deadline = time.monotonic() + _CONNECT_PATIENCE_SECONDS
        while self.connected < user_count and time.monotonic() < deadline:
            if self.session.stopping.wait(timeout=0.02):
                return
        if self.measuring.ready() or self.session.stopping.is_set():
            return
        if self.connected < user_count:
            self.session.connect_failures[f"not connected within {_CONNECT_PATIENCE_SECONDS:g} s"] += (
                user_count - self.connected
            )
        begin_ns = self.session.begin_measuring()
        self.scenario.measure(begin_ns)
        self.measuring.set(begin_ns)

    def finish(self, *, cut_short: bool) -> None:
        """Drains, reconciles, judges and writes; whatever interrupts the drain, the writing still happens."""
        if self.is_finished:
            return
        self.is_finished = True
        session = self.session
        session.stop_starting()
        if self.extra_users:
            session.warnings.append(
                f"{self.extra_users} users were added during the test and stayed idle; start a new one with more users"
            )
        try:
            if self.measuring.ready():
                session.drain(self.scenario.outstanding)
        finally:
            self.environment.process_exit_code = self._write(cut_short=cut_short)

    def _write(self, *, cut_short: bool) -> int:
        """Writes what was measured; the exit code."""
        ledgers = self.scenario.finish()
        try:
            record = self.session.finish(ledgers, cut_short=cut_short)
        except ChatbenchError as error:
            sys.stderr.write(f"chatbench: {error}\n")
            return EXIT_INVALID
        _tell(self.session, record, ledgers)
        return EXIT_INVALID if record.reasons else EXIT_FINE


ACTIVE: dict[Environment, _ActiveRun] = {}


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

    def add_options(self, parser: Any) -> None:
        """Locust builds its command line."""
        add_common_options(parser, self._scenario_class.entry)
        self._scenario_class.add_options(parser)

    def check(self, environment: Environment, **_: Any) -> None:
        """Headless runs learn of bad options before anything starts; the web page may still change them."""
        # Timers count from the loop's last look at the clock. On a busy machine, importing has taken seconds since, and
        # a short --run-time would be over as soon as it began.
        gevent.get_hub().loop.update_now()
        options = environment.parsed_options
        if options is None or not options.headless:
            return
        try:
            self._options(environment)
        except ChatbenchError as error:
            sys.stderr.write(f"chatbench: {error}\n")
            sys.exit(error.exit_code)

    def start(self, environment: Environment, **_: Any) -> None:
        """A test begins: everything that must exist before the first user is made here."""
        try:
            ACTIVE[environment] = self._begin(environment)
        except ChatbenchError as error:
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

    def _options(self, environment: Environment) -> tuple[RunOptions, dict[str, Any]]:
        if not isinstance(environment.runner, LocalRunner):
            raise InputError("chat scenarios run in one process; leave out --master, --worker and --processes")
        options = environment.parsed_options
        user_count = environment.runner.target_user_count or options.num_users
        return read_options(options, user_count), self._scenario_class.own_options(options)

    def _begin(self, environment: Environment) -> _ActiveRun:
        common, own = self._options(environment)
        recorded = {
            "host": common.host,
            "users": common.user_count,
            "seed": common.seed,
            "arrivals": common.arrivals,
            "drain_seconds": common.drain_seconds,
            **own,
        }
        session = RunSession(self._scenario_class.entry.name, common, recorded)
        try:
            scenario = self._scenario_class(session, environment.parsed_options)
            scenario.prepare()
        except ChatbenchError:
            session.close()  # nothing was measured, so nothing is recorded but the sentence that ends this process
            raise
        session.phase = "connecting"
        return _ActiveRun(environment, session, scenario)


def _tell(session: RunSession, record: ScenarioRecord, ledgers: list[LedgerTotals]) -> None:
    """Expected beside observed, and the verdict, for whoever watches the terminal."""
    write = sys.stderr.write
    for totals in ledgers:
        labels = " ".join(f"{name}={value}" for name, value in totals.labels.items())
        write(
            f"chatbench: {session.scenario} {labels}: expected {totals.expected} delivered {totals.delivered} "
            f"missing {totals.missing} duplicate {totals.duplicate} reordered {totals.reordered} "
            f"late {totals.late} leaked {totals.leaked} superseded {totals.superseded}\n"
        )
    for warning in record.warnings:
        write(f"chatbench: warning: {warning}\n")
    for reason in record.reasons:
        write(f"chatbench: INVALID: {reason}\n")
    verdict = "INVALID" if record.reasons else "VALID"
    write(f"chatbench: {session.scenario} {verdict}, {record.seconds:g} s measured, in {session.record.folder.path}\n")
