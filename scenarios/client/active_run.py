"""One test of a Locust process, from its start to its end, when the process makes the whole run itself."""

import sys
import time
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore
from locust.env import Environment

from fixtures.errors import ChatbenchError
from scenarios.catalogue import SPAWN_RATE
from scenarios.client.conclusion import conclude
from scenarios.client.run_record import RunRecord
from scenarios.client.run_session import RunSession

if TYPE_CHECKING:
    from scenarios.client.load_scenario import LoadScenario

EXIT_FINE, EXIT_BAD_INPUT, EXIT_INVALID = 0, 2, 3

# At the same time: with many more, each waits longer than a handshake may take while all together are no faster.
CONNECTING_MOST = 32


def connect_patience_seconds(user_count: int) -> float:
    """How long so many users may take; who is not connected then has failed, and the measured time begins without."""
    return 30.0 + user_count / SPAWN_RATE


class ActiveRun:
    """What every role has: a session, a scenario, and users who wait for the measured time."""

    def __init__(self, environment: Environment, session: RunSession, scenario: "LoadScenario") -> None:
        self.environment = environment
        self.session = session
        self.scenario = scenario
        self.connected = 0
        self.extra_users = 0
        self.measuring = AsyncResult()
        self.free_numbers = list(session.seat.numbers(session.options.user_count))
        self.own_users = len(self.free_numbers)
        self.is_finished = False
        self._is_ending = False
        # However fast users are spawned, they connect as fast as the server lets them: beyond, handshakes time out.
        self.connecting = BoundedSemaphore(CONNECTING_MOST)
        session.on_give_up = self.end_soon

    def end_soon(self) -> None:
        """Asks Locust to end this test, from whatever greenlet notices that it must; once.

        A second request would not wait for the end of the first: it would send the workers away at once.
        """
        if self._is_ending:
            return
        self._is_ending = True
        runner = self.environment.runner
        headless = self.environment.parsed_options.headless
        gevent.spawn(runner.quit if headless else runner.stop)

    def all_spawned(self, user_count: int) -> None:
        """Every user exists; in a greenlet of its own."""
        raise NotImplementedError

    def wait_for_users(self, user_count: int) -> bool:
        """Waits until this process's users are connected or failed to; False when the run ended meanwhile."""
        patience_seconds = connect_patience_seconds(user_count)
        deadline = time.monotonic() + patience_seconds
        while self.connected < user_count and time.monotonic() < deadline:
            if self.session.stopping.wait(timeout=0.02):
                return False
        if self.measuring.ready() or self.session.stopping.is_set():
            return False
        if self.connected < user_count:
            self.session.connect_failures[f"not connected within {patience_seconds:g} s"] += user_count - self.connected
        return True

    def begin(self, begin_ns: int | None = None) -> int:
        """Begins the measured time; its beginning, by CLOCK_MONOTONIC."""
        begin_ns = self.session.begin_measuring(begin_ns)
        self.scenario.measure(begin_ns)
        self.measuring.set(begin_ns)
        if self.session.options.measured_seconds is not None:
            gevent.get_hub().loop.update_now()
            gevent.spawn_later(self.session.options.measured_seconds, self.end_soon)
        return begin_ns

    def finish(self, *, cut_short: bool) -> None:
        """The test ends; nothing when it has ended before."""
        raise NotImplementedError


class LocalRun(ActiveRun):
    """The whole run in one process."""

    def __init__(
        self, environment: Environment, session: RunSession, scenario: "LoadScenario", recorded_options: dict[str, Any]
    ) -> None:
        super().__init__(environment, session, scenario)
        self._recorded_options = recorded_options
        session.on_settled = scenario.record_whole

    def all_spawned(self, user_count: int) -> None:
        """Begins the measured time once every spawned user is connected or failed to."""
        if self.wait_for_users(user_count):
            self.scenario.oversee(self.begin())

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
        session = self.session
        ledgers = [*self.scenario.finish(), *self.scenario.tell([self.scenario.findings()])]
        assert isinstance(session.record, RunRecord)
        try:
            record = conclude(
                session.record,
                scenario=session.scenario,
                options=self._recorded_options,
                accounts=[session.account(ledgers)],
                cut_short=cut_short,
            )
        except ChatbenchError as error:
            sys.stderr.write(f"chatbench: {error}\n")
            return EXIT_INVALID
        return EXIT_INVALID if record.reasons else EXIT_FINE


ACTIVE: dict[Environment, ActiveRun] = {}
