"""One load run from its first login to its last line on disk: what every scenario shares."""

import gc
import inspect
import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal
from uuid import UUID

import gevent
from gevent.event import Event
from msgspec import structs

from fixtures.errors import InputError
from fixtures.identifiers import user_id
from reference_server.frames import CODECS, CloseCode
from scenarios.accounts import Account
from scenarios.client.chat_client import ChatClient, Gateway
from scenarios.client.closed_loop import ClosedLoop
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.gateway_socket import ArrivalCounts, ConnectFailedError
from scenarios.client.health_probe import HealthProbe
from scenarios.client.http_client import HttpPool, Response
from scenarios.client.login_tokens import LoginTokens
from scenarios.client.open_loop import OpenLoop
from scenarios.client.precise_timer import PreciseTimer
from scenarios.client.run_options import RunOptions
from scenarios.client.run_record import RunRecord
from scenarios.client.seat import ALONE, Meeting, Seat, meet_alone
from scenarios.histograms import Recorder
from scenarios.ledger import SettledMessage
from scenarios.metrics import COUNTS
from scenarios.run_records import CountRecord, LedgerTotals
from scenarios.schedules import StartLog
from scenarios.workload import Row, workload_records

# How long a server that stopped answering may take to come back before the run is given up.
SERVER_PATIENCE_SECONDS = 3.0
# Schedules are set up this long before an appointed beginning.
_READY_BEFORE_NS = 20_000_000


class RunSession:
    """The state of one run. Phases: preparing → connecting → measuring → draining → finished."""

    def __init__(
        self,
        scenario: str,
        options: RunOptions,
        recorded_options: dict[str, Any],
        seat: Seat = ALONE,
        workload: Mapping[str, Row] | None = None,
    ) -> None:
        self.scenario = scenario
        self.options = options
        self.seat = seat
        self.phase = "preparing"
        self.token = seat.token or secrets.token_hex(4)  # marks this run's messages
        self.random = random.Random(f"{scenario} {options.seed}")
        self._arm_label = {"arm": options.arm} if options.arm is not None else {}
        self.recorder = Recorder(seat.name, {"scenario": scenario, **self._arm_label})
        self.starts = StartLog()
        self.model: Literal["open", "closed"] = "open"
        self.stopping = Event()  # no operation starts any more
        self.over = Event()  # nothing is waited for any more either
        self.timer = PreciseTimer()
        self.counts = ArrivalCounts()
        self.pool = HttpPool(options.host)
        self.chat = ChatClient(self.pool, options.host, options.login_key)
        self.tokens = LoginTokens(self.chat.login_answer, self._renewal_failed)
        self.dataset = self.chat.dataset()
        if options.user_count > self.dataset.user_count:
            raise InputError(
                f"{options.user_count} users are asked for and the data set {self.dataset.size!r} holds "
                f"{self.dataset.user_count}; use --users {self.dataset.user_count} or a larger data set"
            )
        # Users of the run in order; a seeded choice, because the first ones of a data set are its busiest.
        self.user_indexes = self.random.sample(range(self.dataset.user_count), options.user_count)
        self.gateway: Gateway = self.chat.gateway(self.login(self.user_id(0)))
        self.record = seat.record or RunRecord(
            options.run_folder,
            scenario,
            options.seed,
            self.dataset,
            recorded_options,
            arm=options.arm,
            block=options.block,
            workload=workload_records(workload or {}, recorded_options),
        )
        self.probe = HealthProbe(self.recorder, options.server_pid, self.give_up, is_generator=seat.is_generator)
        self.failures: Counter[str] = Counter()  # problem → how often, of timed operations
        self.connect_failures: Counter[str] = Counter()  # users who were never there
        self.reconnect_failures: Counter[str] = Counter()
        self.closes: Counter[str] = Counter()  # gateway connections that ended unasked
        self.token_ends = 0  # those that ended with their token, as agreed
        self.reasons: list[str] = []
        self.warnings: list[str] = []
        self.lacks_findings = False  # a process of the run was lost with what it found: no sum over all can be told
        self.on_give_up: Callable[[], None] = lambda: None
        self.on_second: Callable[[int], None] = lambda _now_ns: None  # scenario's own books, once per second
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        # Waits for the run's other processes at a point that all come to; None when the run stops before.
        self.meet: Callable[..., Meeting | None] = meet_alone
        # Told of every message whose books close; in a distributed run, those of this process's recipients.
        self.on_settled: Callable[[SettledMessage], None] = lambda _settled: None
        self._suspected = False
        self._loops: list[OpenLoop] = []
        self._measuring_began = 0.0
        self._measured_seconds = 0.0
        self._flusher: gevent.Greenlet | None = None

    # --- users ------------------------------------------------------------------------------------------

    def user_id(self, number: int) -> UUID:
        """The id of the run's user `number`, from 0."""
        return user_id(self.dataset.seed, self.user_indexes[number])

    def is_own(self, number: int) -> bool:
        """Whether the run's user `number` is one of this process."""
        return number % self.seat.count == self.seat.index

    def login(self, user: UUID) -> str:
        """The access token of a user, asked for once and renewed in time; do not keep it. InputError without one."""
        return self.tokens.of(user)

    def _renewal_failed(self, problem: str) -> None:
        self.reconnect_failures[problem] += 1
        self.suspect_server()

    def gateway_client(self) -> GatewayClient:
        """A connection to come, in the run's encoding; what arrives by it is counted."""
        return GatewayClient(self.options.subprotocol, self.counts)

    def wire_id(self, id_: UUID) -> str | bytes:
        """How an id looks in lean events of the run's encoding."""
        return str(id_) if CODECS[self.options.subprotocol].is_text else id_.bytes

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
        if code == CloseCode.UNAUTHENTICATED and self.phase in {"measuring", "draining"}:
            self.token_ends += 1
        elif not self.stopping.is_set():
            self.closes[f"{code} {reason}".strip()] += 1
            self.suspect_server()

    # --- timed operations -------------------------------------------------------------------------------

    def open_loop(self, operation: str) -> OpenLoop:
        """A driver of scheduled operations whose starts this run counts."""
        loop = OpenLoop(
            starts=self.starts,
            record_start_delay_us=self.recorder.series("start_delay_us", operation=operation),
            timer=self.timer,
            clock=self.probe.clock,
            shape=self.options.shape,
        )
        self._loops.append(loop)
        return loop

    def closed_loop(self, operation: str, *, think_seconds: float, seed: int | str) -> ClosedLoop:
        """A driver of one user who waits for answers; from now on the run's model is "closed"."""
        self.model = "closed"
        return ClosedLoop(
            think_seconds=think_seconds,
            seed=seed,
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

    def share(self, arrivals: Iterator[int], among: Sequence[int] | None = None) -> Iterator[int]:
        """This process's part of a schedule that all processes of the run keep together: every n-th arrival.

        `among`: the places of those processes that can, where not all can; none of it for the others.
        """
        takers = range(self.seat.count) if among is None else among
        if self.seat.index not in takers:
            return iter(())
        return islice(arrivals, takers.index(self.seat.index), None, len(takers))

    def shared_ns(self, realtime_ns: int) -> int:
        """A moment of this host's CLOCK_REALTIME as every process of the run understands it."""
        return realtime_ns - self.seat.clock_offset_ns

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

    def begin_measuring(self, begin_ns: int | None = None) -> int:
        """Starts the measured time, at `begin_ns` if that is given; its beginning in CLOCK_MONOTONIC ns."""
        self.phase = "measuring"
        # What exists now stays; scanning it again (tens of ms) would only delay what is being timed.
        gc.collect()
        gc.freeze()
        # Locust looks at its stack when it stops a test. The first look reads the source of every module (measured:
        # 0.1 s, in which starts would be late); later ones find it in a cache.
        inspect.stack()
        if begin_ns is not None:
            self.timer.wait_until(begin_ns - _READY_BEFORE_NS)
        self.record.begin()
        self.counts.begin_measuring()
        self.probe.start()
        self._measuring_began = time.monotonic()
        self._flusher = gevent.spawn(self._flush_every_second)
        self.tokens.keep_fresh()
        return time.monotonic_ns() if begin_ns is None else begin_ns

    def stop_starting(self) -> None:
        """Ends the measured time: no operation starts any more."""
        self._stop()
        if self.phase == "measuring":
            self.phase = "draining"
            self._measured_seconds = self.elapsed()
            self.probe.sample()
            self.probe.stop()

    def drain(self, outstanding: Callable[[], int]) -> int:
        """Waits, at most `drain_seconds`, until nothing is outstanding; how much still is.

        An operation that was started in the last moment may not have come to count itself yet: loops know of it.
        """
        deadline = time.monotonic() + self.options.drain_seconds
        while (
            (left := outstanding() + sum(loop.in_flight for loop in self._loops))
            and time.monotonic() < deadline
            and not self.reasons
        ):
            gevent.sleep(0.05)
        return left

    def _end(self) -> None:
        """Nothing is waited for any more; lines that are being made are still written."""
        self.over.set()
        self.tokens.stop()
        if self._flusher is not None:
            self._flusher.join()

    def close(self) -> None:
        """Ends a run that never began to measure."""
        self.phase = "finished"
        self._end()
        self.pool.close()

    def account(self, ledgers: list[LedgerTotals]) -> Account:
        """Ends the run in this process: flushes, and says what happened here."""
        self.phase = "finished"
        self._end()
        self.record.append(list(self.recorder.flush(self.record.second())))
        self.pool.close()
        if self.token_ends:
            self.warnings.append(
                f"{self.token_ends} gateway connections ended with their token: what was sent until they were resumed "
                "waited for it"
            )
        is_keeper = isinstance(self.record, RunRecord)  # who says it for all
        if is_keeper and self._measuring_began and self._measured_seconds < self.options.shape.seconds:
            self.warnings.append(
                f"the rate's shape takes {self.options.shape.seconds:g} s and {self._measured_seconds:.1f} s were "
                "measured: its end was not offered"
            )
        return Account(
            worker=self.seat.name,
            seconds=round(self._measured_seconds, 3),
            observation=(
                self.probe.observation(self.starts, self.counts, self.pool) if self._measuring_began else None
            ),
            failures=self.failures,
            connect_failures=self.connect_failures,
            reconnect_failures=self.reconnect_failures,
            closes=self.closes,
            model=self.model,
            reasons=self.reasons,
            warnings=self.warnings,
            ledgers=[structs.replace(one, labels={**one.labels, **self._arm_label}) for one in ledgers],
            counts=[
                CountRecord(name=name, labels=dict(labels), value=value)
                for (name, labels), value in sorted(self._counts.items())
            ],
        )

    def _flush_every_second(self) -> None:
        next_second = time.monotonic()
        while True:
            next_second += 1
            if self.over.wait(timeout=max(0, next_second - time.monotonic())):
                return
            second = max(0, self.record.second() - 1)
            self.probe.sample()
            self.on_second(time.time_ns())
            lines = []
            for line in self.recorder.flush(second):
                lines.append(line)
                # Each takes about 0.3 ms; sleep(0) would let only greenlets run between two, not arrivals.
                gevent.sleep(0.001)
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
