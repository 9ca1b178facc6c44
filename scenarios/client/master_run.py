"""The master's part of a distributed run: it plans, lets the workers measure, and puts together what they saw."""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import STATE_MISSING

from fixtures.errors import ChatbenchError, InputError
from scenarios.accounts import Account, LostWorker, judge_lost
from scenarios.client.active_run import EXIT_FINE, EXIT_INVALID, ActiveRun, connect_patience_seconds
from scenarios.client.conclusion import conclude
from scenarios.client.meetings import Meetings
from scenarios.client.run_record import RunRecord
from scenarios.client.run_session import RunSession
from scenarios.client.worker_run import boot_of_host
from scenarios.clock import STEP_BOUND_NS, ClockRelation, relate_clocks
from scenarios.ledger import Ledger
from scenarios.run_records import LedgerTotals, WorkerRecord
from scenarios.whole_messages import WholeMessages
from scenarios.worker_messages import (
    CHANNEL,
    Arrived,
    Assignment,
    Begin,
    ClockAnswer,
    ClockQuestion,
    CloseBooks,
    Connected,
    Elsewhere,
    FromMaster,
    FromWorker,
    GaveUp,
    Handover,
    Key,
    Refused,
    Report,
    SendsAnswered,
    StopStarting,
    decode_from_worker,
    encode,
)

if TYPE_CHECKING:
    from scenarios.client.load_scenario import LoadScenario

_ANSWER_SECONDS = 5.0
# From the word to begin until the beginning: time for it to reach every worker, and for them to collect garbage.
_NOTICE_NS = 1_000_000_000
# Beyond what a worker was given to drain, it is waited for this long; then it counts as lost.
_PATIENCE_SECONDS = 15.0


class MasterLink:
    """The master's end of the channel to the workers, for as long as the process lives."""

    def __init__(self, environment: Environment) -> None:
        self.runner = environment.runner
        self.run: MasterRun | None = None
        self._questions = 0
        self._asked: dict[int, AsyncResult] = {}
        self.runner.register_message(CHANNEL, self._heard)

    def send(self, message: FromMaster, worker_id: str) -> None:
        """Tells one worker."""
        self.runner.send_message(CHANNEL, encode(message), worker_id)

    def worker_ids(self) -> list[str]:
        """The workers that are there, in the order in which Locust deals out users: one after the other."""
        clients = self.runner.clients
        ids = sorted(client.id for client in (*clients.ready, *clients.spawning, *clients.running))
        # Locust takes the first worker of every host before the second of any.
        on_host: Counter[str] = Counter()
        order: dict[str, int] = {}
        for one in ids:
            host = one.split("_")[0]
            order[one] = on_host[host]
            on_host[host] += 1
        return sorted(ids, key=lambda one: (order[one], one))

    def gone(self) -> Callable[[str], bool]:
        """Whether a worker is one that said goodbye or whose heartbeat stopped."""
        there = {client.id for client in self.runner.clients.all if client.state != STATE_MISSING}
        return lambda worker_id: worker_id not in there

    def ask_clock(self, worker_id: str) -> ClockAnswer:
        """One question and its answer; InputError when none comes."""
        self._questions += 1
        number = self._questions
        answer = self._asked[number] = AsyncResult()
        try:
            self.send(ClockQuestion(number), worker_id)
            told: ClockAnswer = answer.get(timeout=_ANSWER_SECONDS)
        except gevent.Timeout as error:
            raise InputError(
                f"worker {worker_id} does not answer within {_ANSWER_SECONDS:g} s; does it run the same scenario file?"
            ) from error
        else:
            return told
        finally:
            del self._asked[number]

    def relation(self, worker_id: str, samples: int = 16) -> ClockRelation:
        """A worker's CLOCK_REALTIME less ours, by the round trip that took least; its half bounds the error."""
        return relate_clocks(time.time_ns, lambda: self.ask_clock(worker_id).realtime_ns, samples)

    def _heard(self, msg: Any, **_: Any) -> None:
        message = decode_from_worker(msg.data)
        if isinstance(message, ClockAnswer):
            if message.number in self._asked:
                self._asked[message.number].set(message)
        elif self.run is not None:
            self.run.hear(msg.node_id, message)


class _Worker:
    """What the master knows of one worker."""

    def __init__(self, name: str, users: int, clock: ClockRelation, *, same_host: bool) -> None:
        self.name = name
        self.users = users
        self.clock = clock
        self.same_host = same_host
        self.is_connected = False
        self.is_answered = False  # all its sends are
        self.account: Account | None = None
        self.findings = b""
        self.report: Report | None = None  # its last
        self.acknowledged: Counter[Key] = Counter()
        self.has_refused = False
        self.heard_seconds = 0.0  # how far into the measured time, when its last report came
        self.lost: str | None = None  # how, once it is

    @property
    def offset_ns(self) -> int:
        """What its clock reads more than ours: nothing on one host, where the estimate is only the channel's noise."""
        return 0 if self.same_host else self.clock.offset_ns


class MasterRun(ActiveRun):
    """One test in the master."""

    def __init__(
        self,
        environment: Environment,
        session: RunSession,
        scenario: "LoadScenario",
        link: MasterLink,
        recorded_options: dict[str, Any],
    ) -> None:
        super().__init__(environment, session, scenario)
        self._link = link
        self._recorded_options = recorded_options
        self._books: Ledger | None = scenario.shared_ledger()
        self._workers: dict[str, _Worker] = {}
        assert isinstance(session.record, RunRecord)
        self._record = session.record
        session.on_second = self._each_second
        ids = link.worker_ids()
        boot = boot_of_host()
        for index, worker_id in enumerate(ids):
            users = len(range(index, session.options.user_count, len(ids)))
            same_host = bool(boot) and link.ask_clock(worker_id).boot == boot
            self._workers[worker_id] = _Worker(str(index + 1), users, link.relation(worker_id), same_host=same_host)
        self._meetings = Meetings(link.send)
        self._whole = WholeMessages(self._books, ids) if self._books is not None else None
        link.run = self

    def assign(self, plan: bytes) -> None:
        """Gives every worker its part."""
        for index, (worker_id, worker) in enumerate(self._workers.items()):
            assignment = Assignment(
                index=index,
                count=len(self._workers),
                host=self.session.options.host,
                user_count=self.session.options.user_count,
                token=self.session.token,
                started_at=self._record.started_at,
                clock_offset_ns=worker.offset_ns,
                plan=plan,
            )
            self._link.send(assignment, worker_id)

    def all_spawned(self, user_count: int) -> None:  # noqa: ARG002 - each worker counts its own
        """Lets everyone begin at one moment, once every worker's users are connected or failed to."""
        patience_seconds = connect_patience_seconds(self.session.options.user_count) + _PATIENCE_SECONDS
        self._wait_for(lambda worker: worker.is_connected, patience_seconds)
        if self.measuring.ready() or self.session.stopping.is_set():
            return
        at_ns = time.time_ns() + _NOTICE_NS
        self._tell_all(Begin(at_ns))
        begin_ns = self.session.begin_measuring(self.session.probe.clock.monotonic_ns(at_ns))
        self.measuring.set(begin_ns)
        self.scenario.oversee(begin_ns)

    def hear(self, worker_id: str, message: FromWorker) -> None:
        """Takes what a worker tells."""
        worker = self._workers.get(worker_id)
        if worker is None:
            return  # came after the run began, and idles
        match message:
            case Connected():
                worker.is_connected = True
            case Refused():
                worker.has_refused = True
                self.session.give_up(f"worker {worker.name} cannot take part: {message.sentence}")
            case GaveUp():
                self.end_soon()
            case Report():
                worker.report = message
                worker.heard_seconds = self.session.elapsed()
                self._enter(worker_id, worker, message)
            case Arrived():
                self._meetings.arrived(worker_id, message)
                self._meetings.let_go(list(self._left()))
            case SendsAnswered():
                worker.is_answered = True
            case Handover():
                worker.account, worker.findings = message.account, message.findings

    def finish(self, *, cut_short: bool) -> None:
        """Lets the workers drain and hand over, reconciles, judges and writes."""
        if self.is_finished:
            return
        self.is_finished = True
        self.session.stop_starting()
        drain_seconds = self.session.options.drain_seconds
        try:
            if self.measuring.ready():
                self._tell_all(StopStarting())
                self._wait_for(lambda worker: worker.is_answered, drain_seconds + _PATIENCE_SECONDS)
            self._tell_all(CloseBooks())
            self._wait_for(lambda worker: worker.account is not None, drain_seconds + _PATIENCE_SECONDS)
            self._look_at_clocks()
        finally:
            self.environment.process_exit_code = self._write(cut_short=cut_short)

    # --- workers ----------------------------------------------------------------------------------------

    def _left(self) -> dict[str, _Worker]:
        found = self._workers.items()
        return {worker_id: worker for worker_id, worker in found if not worker.lost and not worker.has_refused}

    def _tell_all(self, message: FromMaster) -> None:
        for worker_id in self._left():
            self._link.send(message, worker_id)

    def _wait_for(self, is_done: Callable[[_Worker], bool], seconds: float) -> None:
        """Waits until all workers that are left are so; who is not so in time is lost."""
        deadline = time.monotonic() + seconds
        while not all(is_done(worker) for worker in self._left().values()):
            self._look_for_lost()
            if self.session.reasons and not self.is_finished:
                return  # it is given up: the run ends soon
            if time.monotonic() > deadline:
                for worker_id, worker in self._left().items():
                    if not is_done(worker):
                        self._lose(worker_id, worker, "stopped answering")
                return
            gevent.sleep(0.02)

    def _look_for_lost(self) -> None:
        gone = self._link.gone()
        for worker_id, worker in self._left().items():
            if gone(worker_id) and worker.account is None:
                self._lose(worker_id, worker, "was lost")

    def _lose(self, worker_id: str, worker: _Worker, how: str) -> None:
        if worker.is_answered:
            when = "before it handed over its books"
        elif self.measuring.ready():
            when = f"{self.session.elapsed():.0f} s into the measured time"
        else:
            when = "while connecting"
        worker.lost = f"{how} {when}"
        sys.stderr.write(f"chatbench: worker {worker.name} {worker.lost}\n")
        self._meetings.let_go(list(self._left()))
        if self._whole is not None:
            self._record_whole(self._whole.without(worker_id))

    def _each_second(self, _now_ns: int) -> None:
        self._look_for_lost()
        reports = {worker.name: worker.report for worker in self._workers.values() if worker.report is not None}
        # What the line of progress shows.
        self.session.starts.started = sum(report.started for report in reports.values())
        self.session.starts.late = sum(report.late for report in reports.values())
        self.session.counts.frames = sum(report.frames for report in reports.values())
        self.session.failures = Counter({f"worker {name}": report.failed for name, report in reports.items()})

    # --- books ------------------------------------------------------------------------------------------

    def _enter(self, worker_id: str, worker: _Worker, report: Report) -> None:
        try:
            self._record.append(report.lines)
        except InputError as error:
            self.session.give_up(str(error))
        if report.acknowledged:
            worker.acknowledged.update(one.key for one in report.acknowledged)
            for other_id in self._left():
                if other_id != worker_id:
                    self._link.send(Elsewhere(report.acknowledged), other_id)
        if self._whole is not None:
            self._record_whole(whole for part in report.parts if (whole := self._whole.add(worker_id, part)))

    def _record_whole(self, messages: Iterable[Any]) -> None:
        for settled in messages:
            self.scenario.record_whole(settled)

    def _sends_of_the_lost(self) -> list[LedgerTotals]:
        """The acknowledged sends of workers that never handed over; their recipients' books are gone with them."""
        found: defaultdict[tuple[tuple[str, str], ...], int] = defaultdict(int)
        for worker in self._workers.values():
            if worker.account is None and self._books is not None:
                for key, count in worker.acknowledged.items():
                    found[tuple(sorted(self._books.conversations[key].labels.items()))] += count
        nothing = dict.fromkeys(("expected", "delivered", "missing", "duplicate", "reordered", "late", "leaked"), 0)
        return [
            LedgerTotals(scenario=self.session.scenario, labels=dict(labels), messages=count, **nothing)
            for labels, count in found.items()
        ]

    def _findings(self) -> list[Any]:
        """What the workers found that handed over; warns of those that did not."""
        decode, kind = msgspec.msgpack.decode, self.scenario.findings_type
        lost = [one.name for one in self._workers.values() if one.account is None]
        if lost and kind is not None:
            self.session.lacks_findings = True
            self.session.warnings.append(
                f"what worker {', '.join(lost)} found is lost: figures that add up all workers' findings are left out, "
                "others are those of the rest"
            )
        return [decode(one.findings, type=kind) for one in self._workers.values() if one.account is not None]

    def _look_at_clocks(self) -> None:
        """Warns of a worker's clock that went away from ours during the run."""
        for worker_id, worker in self._left().items():
            if not worker.same_host:
                step_ns = worker.clock.step_ns(self._link.relation(worker_id, samples=4))
                if step_ns > STEP_BOUND_NS:
                    self.session.warnings.append(
                        f"worker {worker.name}: its clock moved by {step_ns / 1e6:.1f} ms against the master's during "
                        "the run, and so did latencies between the two"
                    )

    def _write(self, *, cut_short: bool) -> int:
        """Writes what was measured; the exit code."""
        session = self.session
        if self._whole is not None:
            self._record_whole(self._whole.rest())
        try:
            own = session.account([*self.scenario.finish(), *self.scenario.tell(self._findings())])
            lost = judge_lost(
                [
                    LostWorker(worker.name, worker.lost, worker.users, worker.heard_seconds)
                    for worker in self._workers.values()
                    if worker.lost
                ],
                worker_count=len(self._workers),
                user_count=session.options.user_count,
                seconds=own.seconds,
            )
            record = conclude(
                self._record,
                scenario=session.scenario,
                options=self._recorded_options,
                accounts=[worker.account for worker in self._workers.values() if worker.account is not None],
                ledgers=[*own.ledgers, *self._sends_of_the_lost()],
                workers=[_record_of(worker) for worker in self._workers.values()],
                reasons=[*own.reasons, *lost.reasons],
                warnings=[*own.warnings, *lost.warnings],
                counts=own.counts,
                cut_short=cut_short,
            )
        except ChatbenchError as error:
            sys.stderr.write(f"chatbench: {error}\n")
            return EXIT_INVALID
        return EXIT_INVALID if record.reasons else EXIT_FINE


def _record_of(worker: _Worker) -> WorkerRecord:
    return WorkerRecord(
        name=worker.name,
        users=worker.users,
        same_host=worker.same_host,
        clock_offset_us=worker.clock.offset_ns / 1000,
        clock_error_us=worker.clock.error_ns / 1000,
        lost=worker.lost is not None,
    )
