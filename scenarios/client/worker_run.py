"""A worker's part of a distributed run: it measures with its share of the users and reports to the master."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from gevent.event import AsyncResult
from locust.env import Environment
from locust.exception import RPCError

from fixtures.errors import InputError
from scenarios.client.active_run import EXIT_FINE, ActiveRun
from scenarios.client.remote_record import RemoteRecord
from scenarios.client.run_session import RunSession
from scenarios.client.seat import Meeting, Seat
from scenarios.ledger import SettledMessage
from scenarios.worker_messages import (
    CHANNEL,
    Acknowledged,
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
    Meet,
    MessagePart,
    Refused,
    SendsAnswered,
    StopStarting,
    decode_from_master,
    encode,
)

if TYPE_CHECKING:
    from scenarios.client.load_scenario import LoadScenario


def boot_of_host() -> str:
    """Which boot of which host this is: processes that agree in it share one CLOCK_REALTIME."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class WorkerLink:
    """The worker's end of the channel to the master, for as long as the process lives."""

    def __init__(self, environment: Environment) -> None:
        self._runner = environment.runner
        self.assignment: Assignment | None = None
        self.run: WorkerRun | None = None
        self._runner.register_message(CHANNEL, self._heard)

    def send(self, message: FromWorker) -> None:
        """Tells the master; InputError when that cannot be done."""
        try:
            self._runner.send_message(CHANNEL, encode(message))
        except RPCError as error:
            raise InputError(f"the master cannot be told ({error}); start the run again") from error

    def refuse(self, sentence: str) -> None:
        """Says why this worker does not take part."""
        sys.stderr.write(f"chatbench: {sentence}\n")
        self.send(Refused(sentence))

    def _heard(self, msg: Any, **_: Any) -> None:
        message = decode_from_master(msg.data)
        if isinstance(message, ClockQuestion):
            self.send(ClockAnswer(message.number, time.time_ns(), boot_of_host()))
        elif isinstance(message, Assignment):
            self.assignment, self.run = message, None
        elif self.run is not None:
            self.run.hear(message)


def worker_seat(link: WorkerLink, assignment: Assignment) -> Seat:
    """The place of this process in the run."""
    return Seat(
        index=assignment.index,
        count=assignment.count,
        token=assignment.token,
        record=RemoteRecord(link.send, assignment),
        clock_offset_ns=assignment.clock_offset_ns,
    )


class WorkerRun(ActiveRun):
    """One test in a worker: what the master says, it does."""

    def __init__(
        self, environment: Environment, session: RunSession, scenario: "LoadScenario", link: WorkerLink
    ) -> None:
        super().__init__(environment, session, scenario)
        self._link = link
        self._offset_ns = session.seat.clock_offset_ns
        self._books = scenario.shared_ledger()
        assert isinstance(session.record, RemoteRecord)
        self._record = session.record
        self._record.session = session
        self._meetings: list[AsyncResult] = []
        session.meet = self._meet
        session.on_settled = self._settled
        if self._books is not None:
            self._books.on_acknowledged = self._acknowledged
        environment.process_exit_code = EXIT_FINE  # the verdict is the master's
        link.run = self

    def end_soon(self) -> None:
        """Asks the master to end the run."""
        with suppress(InputError):  # without a master there is no run to end, and Locust stops its workers by itself
            self._link.send(GaveUp())

    def all_spawned(self, user_count: int) -> None:  # noqa: ARG002 - Locust counts the whole run's
        """Says so when this worker's users are connected or failed to."""
        if self.wait_for_users(self.own_users):
            self._link.send(Connected())

    def hear(self, message: FromMaster) -> None:
        """Does what the master says, without keeping the channel waiting."""
        match message:
            case Begin():
                here_ns = self.session.probe.clock.monotonic_ns(message.at_ns + self._offset_ns)
                gevent.spawn(self.begin, here_ns)
            case Elsewhere():
                self._enter(message.acknowledged)
            case Meet():
                self._meetings[message.number - 1].set(message)
            case StopStarting():
                gevent.spawn(self._stop_starting)
            case CloseBooks():
                gevent.spawn(self._hand_over)

    def finish(self, *, cut_short: bool) -> None:  # noqa: ARG002 - only the master writes it
        """The master is through with this test, or gone."""
        if not self.is_finished:
            self.is_finished = True
            self.session.stop_starting()
            self.session.close()

    def _meet(self, value: Any = None) -> Meeting | None:
        """Waits for the other workers; see `RunSession.meet`."""
        met = AsyncResult()
        self._meetings.append(met)
        stopping = self.session.stopping
        if not stopping.is_set():
            self._link.send(Arrived(len(self._meetings), encode(value)))
            gevent.wait([met, stopping], count=1)
        if stopping.is_set():
            return None
        message: Meet = met.get()
        begin_ns = self.session.probe.clock.monotonic_ns(message.at_ns + self._offset_ns)
        return Meeting(begin_ns, [msgspec.msgpack.decode(one) for one in message.values], message.is_teller)

    def _stop_starting(self) -> None:
        self.session.stop_starting()
        self.session.drain(self.scenario.unanswered_count)
        if self._books is not None:
            # An answer after this would be expected by this process's recipients and by no others.
            self._books.is_closed_to_sends = True
        self._record.append([])
        self._link.send(SendsAnswered())

    def _hand_over(self) -> None:
        if self.is_finished:
            return
        self.is_finished = True
        self.session.stop_starting()
        if self.measuring.ready():
            self.session.drain(self.scenario.outstanding)
        # First the books, whose last figures go with the last lines.
        ledgers = self.scenario.finish()
        if self._books is not None and self._books.acknowledged_too_late:
            self.session.warnings.append(
                f"{self._books.acknowledged_too_late} sends were answered too late to be expected by anyone; give them "
                "longer with --drain-seconds"
            )
        findings = encode(self.scenario.findings())
        self._link.send(Handover(self.session.account(ledgers), findings))

    def _acknowledged(self, key: Any, seq: int, intended_ns: int, content_bytes: int) -> None:
        self._record.acknowledged.append(Acknowledged(key, seq, intended_ns - self._offset_ns, content_bytes))

    def _enter(self, acknowledged: list[Acknowledged]) -> None:
        """Sends of other workers: this worker's recipients are to receive them too."""
        assert self._books is not None
        for one in acknowledged:
            self._books.sent(one.key, one.seq, one.intended_ns + self._offset_ns, one.content_bytes, elsewhere=True)

    def _settled(self, settled: SettledMessage) -> None:
        if settled.expected is None:
            return  # came after its books were closed, or its send was never acknowledged: no part of a whole
        key = settled.conversation.key
        assert isinstance(key, str | bytes)
        self._record.parts.append(
            MessagePart(
                key=key,
                seq=settled.seq,
                intended_ns=settled.intended_ns - self._offset_ns,
                content_bytes=settled.content_bytes,
                expected=settled.expected,
                arrivals=[arrival - self._offset_ns for arrival in settled.arrivals],
                superseded=[arrival - self._offset_ns for arrival in settled.superseded],
            )
        )
