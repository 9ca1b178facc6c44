"""One load run from its first login to its last line on disk: what every scenario shares."""

import gc
import inspect
import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import gevent
from gevent.event import Event

from fixtures.errors import InputError
from fixtures.identifiers import user_id
from scenarios.client.chat_client import ChatClient, Gateway
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.gateway_socket import ArrivalCounts, ConnectFailedError
from scenarios.client.health_probe import HealthProbe
from scenarios.client.http_client import HttpPool, Response
from scenarios.client.open_loop import OpenLoop
from scenarios.client.precise_timer import PreciseTimer
from scenarios.client.run_options import RunOptions
from scenarios.client.run_record import RunRecord
from scenarios.generator_health import Observation, judge
from scenarios.histograms import Recorder
from scenarios.metrics import COUNTS
from scenarios.run_folder import CountRecord, HistogramLine, LedgerTotals, ScenarioRecord
from scenarios.schedules import StartLog

# How long a server that stopped answering may take to come back before the run is given up.
SERVER_PATIENCE_SECONDS = 3.0


class RunSession:
    """The state of one run. Phases: preparing → connecting → measuring → draining → finished."""

    def __init__(self, scenario: str, options: RunOptions, recorded_options: dict[str, Any]) -> None:
        self.scenario = scenario
        self.options = options
        self.phase = "preparing"
        self.token = secrets.token_hex(4)  # marks this run's messages
        self.random = random.Random(f"{scenario} {options.seed}")
        self.recorder = Recorder("1", {"scenario": scenario})
        self.starts = StartLog()
        self.stopping = Event()  # no operation starts any more
        self.timer = PreciseTimer()
        self.counts = ArrivalCounts()
        self.pool = HttpPool(options.host)
        self.chat = ChatClient(self.pool, options.host, options.login_key)
        self._tokens: dict[UUID, str] = {}
        self.dataset = self.chat.dataset()
        if options.user_count > self.dataset.user_count:
            raise InputError(
                f"{options.user_count} users are asked for and the data set {self.dataset.size!r} holds "
                f"{self.dataset.user_count}; use --users {self.dataset.user_count} or a larger data set"
            )
        # Users of the run in order; a seeded choice, because the first ones of a data set are its busiest.
        self.user_indexes = self.random.sample(range(self.dataset.user_count), options.user_count)
        self.gateway: Gateway = self.chat.gateway(self.login(self.user_id(0)))
        self.record = RunRecord(options.run_folder, scenario, options.seed, self.dataset, recorded_options)
        self.probe = HealthProbe(self.recorder, options.server_pid, self.give_up)
        self.failures: Counter[str] = Counter()  # problem → how often, of timed operations
        self.connect_failures: Counter[str] = Counter()  # users who were never there
        self.reconnect_failures: Counter[str] = Counter()
        self.closes: Counter[str] = Counter()  # gateway connections that ended unasked
        self.reasons: list[str] = []
        self.warnings: list[str] = []
        self.on_give_up: Callable[[], None] = lambda: None
        self.on_second: Callable[[int], None] = lambda _now_ns: None  # scenario's own books, once per second
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        self._recorded_options = recorded_options
        self._suspected = False
        self._measuring_began = 0.0
        self._measured_seconds = 0.0
        self._flusher: gevent.Greenlet | None = None
        self._unwritten: list[HistogramLine] = []  # of a flush under way

    # --- users ------------------------------------------------------------------------------------------

    def user_id(self, number: int) -> UUID:
        """The id of the run's user `number`, from 0."""
        return user_id(self.dataset.seed, self.user_indexes[number])

    def login(self, user: UUID) -> str:
        """The access token of a user, asked for once."""
        token = self._tokens.get(user)
        if token is None:
            token = self._tokens[user] = self.chat.login(user)
        return token

    def connect(self, client: GatewayClient, user: UUID, subscribe: Callable[[], None]) -> bool:
        """Connects a user's gateway client and subscribes; False, counted and told in the record, when it cannot."""
        try:
            client.connect(self.gateway.url, self.login(user))
            subscribe()
        except (ConnectFailedError, InputError) as error:
            failures = self.connect_failures if self.phase == "connecting" else self.reconnect_failures
            failures[str(error)] += 1
            self.suspect_server()
            return False
        return True

    def connection_ended(self, code: int, reason: str) -> None:
        """Notes that the server (or the network) ended a gateway connection while the run goes on."""
        if not self.stopping.is_set():
            self.closes[f"{code} {reason}".strip()] += 1
            self.suspect_server()

    # --- timed operations -------------------------------------------------------------------------------

    def open_loop(self, operation: str) -> OpenLoop:
        """A driver of scheduled operations whose starts this run counts."""
        return OpenLoop(
            starts=self.starts,
            record_start_delay_us=self.recorder.series("start_delay_us", operation=operation),
            timer=self.timer,
            clock=self.probe.clock,
        )

    def note_response(self, request: str, response: Response, *, weight: str, depth: str) -> None:
        """Records a timed request's latencies, or its failure."""
        if response.ok:
            self.recorder.series("request_us", request=request, weight=weight, depth=depth)(response.request_us)
            self.recorder.series("service_us", request=request, weight=weight, depth=depth)(response.service_us)
        else:
            self.failures[f"{request}: {response.problem()}"] += 1
            if response.status == 0:
                self.suspect_server()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Adds to an exact count of the record; `name` and its labels are those of scenarios.metrics.COUNTS."""
        assert set(labels) == set(COUNTS[name].labels), f"{name} has the labels {COUNTS[name].labels}"
        self._counts[name, tuple(sorted(labels.items()))] += amount  # type: ignore[assignment]  # or a float

    # --- the server's life ------------------------------------------------------------------------------

    def suspect_server(self) -> None:
        """Looks, once at a time, whether the server still answers, and gives the run up when it does not."""
        if not self._suspected and not self.stopping.is_set():
            self._suspected = True
            gevent.spawn(self._look_for_server)

    def _look_for_server(self) -> None:
        deadline = time.monotonic() + SERVER_PATIENCE_SECONDS
        pool = HttpPool(self.options.host)
        while not self.stopping.is_set():
            answer = pool.request("GET", "/healthz")
            if answer.status:
                break
            if time.monotonic() > deadline:
                self.give_up(
                    f"the server at {self.options.host} stopped answering {self.elapsed():.0f} s into the measured "
                    f"time ({answer.error})"
                )
                break
            gevent.sleep(0.2)
        pool.close()
        self._suspected = False

    def give_up(self, reason: str) -> None:
        """Ends the run early because it must not be believed; what was measured is kept."""
        if self.reasons or self.phase in {"draining", "finished"}:
            return
        self.reasons.append(reason)
        self._stop()
        sys.stderr.write(f"chatbench: {reason}; ending the run\n")
        self.on_give_up()

    def end(self) -> None:
        """Ends the measured time before its limit, because everything has been measured."""
        if self.phase == "measuring" and not self.stopping.is_set():
            self._stop()
            self.on_give_up()

    def _stop(self) -> None:
        self.stopping.set()
        self.timer.wake_all()

    # --- phases -----------------------------------------------------------------------------------------

    def elapsed(self) -> float:
        """Seconds of measured time so far."""
        return time.monotonic() - self._measuring_began if self._measuring_began else 0.0

    def begin_measuring(self) -> int:
        """Starts the measured time; its beginning in CLOCK_MONOTONIC ns."""
        self.phase = "measuring"
        # What exists now stays; scanning it again (tens of ms) would only delay what is being timed.
        gc.collect()
        gc.freeze()
        # Locust looks at its stack when it stops a test. The first look reads the source of every module (measured:
        # 0.1 s, in which starts would be late); later ones find it in a cache.
        inspect.stack()
        self.record.begin()
        self.probe.start()
        self._measuring_began = time.monotonic()
        self._flusher = gevent.spawn(self._flush_every_second)
        return time.monotonic_ns()

    def stop_starting(self) -> None:
        """Ends the measured time: no operation starts any more."""
        self._stop()
        if self.phase == "measuring":
            self.phase = "draining"
            self._measured_seconds = self.elapsed()
            self.probe.sample()
            self.probe.stop()

    def drain(self, outstanding: Callable[[], int]) -> int:
        """Waits, at most `drain_seconds`, until nothing is outstanding; how much still is."""
        deadline = time.monotonic() + self.options.drain_seconds
        while (left := outstanding()) and time.monotonic() < deadline and not self.reasons:
            gevent.sleep(0.05)
        return left

    def close(self) -> None:
        """Ends a run that never began to measure."""
        self.phase = "finished"
        if self._flusher is not None:
            self._flusher.kill()
        self.pool.close()

    def finish(self, ledgers: list[LedgerTotals], *, cut_short: bool) -> ScenarioRecord:
        """Flushes, judges and writes the run; its record."""
        measured = self._measuring_began > 0
        self.phase = "finished"
        if self._flusher is not None:
            self._flusher.kill()
        # A flush that the end of the run interrupted has taken its values out of the recorder already.
        self.record.append([*self._unwritten, *self.recorder.flush(self.record.second())])
        reasons, warnings = self._judgement(measured)
        record = ScenarioRecord(
            name=self.scenario,
            options=self._recorded_options,
            started_second=self.record.second(),
            seconds=round(self._measured_seconds, 3),
            started=self.starts.started,
            late=self.starts.late,
            dropped=self.starts.dropped,
            failed=self.failures.total(),
            reasons=reasons,
            warnings=warnings,
            counts=[
                CountRecord(name=name, labels=dict(labels), value=value)
                for (name, labels), value in sorted(self._counts.items())
            ],
        )
        self.record.finish(record, ledgers, cut_short=cut_short)
        self.pool.close()
        return record

    def _judgement(self, measured: bool) -> tuple[list[str], list[str]]:
        reasons, warnings = list(self.reasons), list(self.warnings)
        if not measured:
            return [*reasons, "it ended before anything was measured"], warnings
        health = judge(
            Observation(
                loop_lag_ms_p99=self.probe.loop_lag_ms_p99(),
                cpu_share_percent=self.probe.cpu_share_percent(),
                started=self.starts.started,
                late=self.starts.late,
                dropped=self.starts.dropped,
                arrivals=self.counts.reads + self.pool.responses,
                unstamped=self.counts.unstamped_reads + self.pool.unstamped,
                clock_step_ms=self.probe.clock_step_ms(),
            )
        )
        reasons += health.reasons
        warnings += health.warnings
        if not self.starts.started:
            reasons.append("no operation was started")
        elif self.failures.total() == self.starts.started:
            reasons.append(f"every operation failed: {_most_common(self.failures)}")
        elif self.failures:
            warnings.append(f"{self.failures.total()} operations failed: {_most_common(self.failures)}")
        if self.connect_failures:
            reasons.append(
                f"{self.connect_failures.total()} users could not connect: {_most_common(self.connect_failures)}"
            )
        if self.reconnect_failures:
            failed = self.reconnect_failures
            warnings.append(f"{failed.total()} attempts to reconnect failed: {_most_common(failed)}")
        if self.closes:
            warnings.append(f"{self.closes.total()} gateway connections ended unasked: {_most_common(self.closes)}")
        return reasons, warnings

    def _flush_every_second(self) -> None:
        next_second = time.monotonic()
        while True:
            next_second += 1
            gevent.sleep(max(0, next_second - time.monotonic()))
            second = max(0, self.record.second() - 1)
            self.probe.sample()
            self.on_second(time.time_ns())
            for line in self.recorder.flush(second):
                self._unwritten.append(line)
                # Each takes about 0.3 ms; sleep(0) would let only greenlets run between two, not arrivals.
                gevent.sleep(0.001)
            lines, self._unwritten = self._unwritten, []
            try:
                self.record.append(lines)
            except InputError as error:
                self.give_up(str(error))
                return
            if self.options.progress:
                self._report_progress()

    def _report_progress(self) -> None:
        line = {
            "scenario": self.scenario,
            "phase": self.phase,
            "second": round(self.elapsed(), 1),
            "started": self.starts.started,
            "late": self.starts.late,
            "failed": self.failures.total(),
            "frames": self.counts.frames,
        }
        sys.stderr.write(f"chatbench-progress {json.dumps(line)}\n")
        sys.stderr.flush()


def _most_common(problems: Counter[str]) -> str:
    return "; ".join(f"{problem} ({count} times)" for problem, count in problems.most_common(3))
