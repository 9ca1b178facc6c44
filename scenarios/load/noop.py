"""Asks what the harness itself costs.

The same client code as everywhere talks to a stand-in, a child process that answers at once. Windows of requests, of
messages to groups, of changes of presence, of receipts, of typing and of nothing alternate: latency is what no chat
server can go below here, and the generator's CPU, less what idling takes, is what each of them costs it. Whatever
--host names is left alone.

    locust -f scenarios/load/noop.py --headless
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

import gevent

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.group_traffic import GroupTraffic, WithGroupTraffic
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_response
from scenarios.client.made_groups import MadeGroup, make_groups, own_senders
from scenarios.client.run_options import RunOptions, add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.client.timed_presence import TimedPresence
from scenarios.client.timed_signals import TimedSignals
from scenarios.drift import mean
from scenarios.ledger import SettledMessage
from scenarios.local_target import StandIn
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.windows import Windows
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(200, "requests/s", "guess: busy, and far from what one core can do"),
    "message_rate": Row(20, "messages/s", "guess: with the default sizes 600 deliveries/s; receipts and typing alike"),
    "change_rate": Row(20, "changes/s", "guess: with the default watchers 400 deliveries/s"),
    "watchers": Row(20, "users who watch all others", "guess: a large team's list of people"),
    "group_sizes": Row("10,50", "members", "guess: a team and a department"),
    "window_seconds": Row(1, "s", "guess: long against an operation; each kind has several turns in a short run"),
    "deadline_ms": Row(1000, "ms", "guess: as the fan-out scenario"),
    "settle_seconds": Row(8, "s", "guess: as the fan-out scenario"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default; the stand-in gives no other"),
    "warm_up_messages": Row(5, "messages per group", "guess: code paths are warm"),
    "http_connections": Row(20, "connections", "guess: opened ahead, so that connecting is not measured"),
}
Work = Literal["idle", "requests", "messages", "changes", "receipts", "typing"]
WORKS: tuple[Work, ...] = ("idle", "requests", "messages", "changes", "receipts", "typing")


@dataclass
class Window:
    """What one window took."""

    work: Work
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    operations: int = 0
    deliveries: int = 0


def joined(shares: Sequence[Sequence[Window]]) -> list[Window]:
    """The windows that all processes measured, in order, with the processes' time and work added up."""
    return [
        Window(
            together[0].work,
            seconds=sum(one.seconds for one in together),
            cpu_seconds=sum(one.cpu_seconds for one in together),
            operations=sum(one.operations for one in together),
            deliveries=sum(one.deliveries for one in together),
        )
        for together in zip(*shares, strict=False)
    ]


class Noop(WithGroupTraffic, LoadScenario):
    """Works against nothing."""

    entry = SCENARIOS["noop"]
    workload = WORKLOAD
    plan_type = list[MadeGroup]
    findings_type = list[Window]
    stand_in: ClassVar[StandIn | None] = None

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rates: dict[Work, float] = {
            "requests": float(options.rate),
            "messages": float(options.message_rate),
            "changes": float(options.change_rate),
            "receipts": float(options.message_rate),
            "typing": float(options.message_rate),
        }
        self.sizes = parse_sizes(options.group_sizes)
        if not 2 <= self.sizes[0] <= self.sizes[-1] <= session.options.user_count:
            raise InputError(
                f"groups of {options.group_sizes} do not fit {session.options.user_count} users; use sizes from 2 on, "
                "and more --users"
            )
        most = session.options.user_count // session.seat.count - 1
        if not 1 <= options.watchers <= most:
            apart = f" in each of {session.seat.count} processes" if session.seat.count > 1 else ""
            raise InputError(
                f"--watchers {options.watchers} of {session.options.user_count} users{apart} leave nobody to watch, or "
                f"nobody who watches; use 1 … {most}"
            )
        self.presence = TimedPresence(session, int(options.watchers))
        self.presence.on_delivery = lambda intended_ns: self._count(self.delivered, intended_ns, 1)
        self.signals = TimedSignals(session)
        self.signals.on_delivery = lambda intended_ns: self._count(self.delivered, intended_ns, 1)
        self.windows = Windows(WORKS, float(options.window_seconds), session.options.seed)
        self.measured: list[Window] = []
        self.traffic = GroupTraffic(
            session,
            deadline_ms=float(WORKLOAD["deadline_ms"].value),
            settle_seconds=float(WORKLOAD["settle_seconds"].value),
        )
        self.traffic.on_settled = self._settled
        self.begin_realtime_ns = 0
        self.delivered: dict[int, int] = {}  # window → deliveries
        self.asked: dict[int, int] = {}  # window → operations
        self.waiting = 0
        self.senders: dict[UUID, tuple[int, ...]] = {}  # conversation → users who send in it here

    @staticmethod
    def add_options(parser: Any) -> None:
        """The options of doing nothing."""
        texts = SCENARIOS["noop"].options
        for option in ("--rate", "--message-rate", "--change-rate", "--window-seconds"):
            row = WORKLOAD[option.removeprefix("--").replace("-", "_")]
            add_option(parser, option, texts[option], type=positive, default=row.value)
        add_option(parser, "--watchers", texts["--watchers"], type=int, default=WORKLOAD["watchers"].value)
        add_option(parser, "--group-sizes", texts["--group-sizes"], type=sizes, default=WORKLOAD["group_sizes"].value)

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.group_sizes)
        names = ("rate", "message_rate", "change_rate", "window_seconds", "group_sizes", "watchers")
        return {name: getattr(options, name) for name in names}

    @classmethod
    def target(cls, options: RunOptions) -> RunOptions:
        """The stand-in, started now; it ends with the test, or with this process."""
        with tempfile.TemporaryDirectory() as folder:  # its log is read only when it does not start
            cls.stand_in = StandIn(Path(folder) / "stand-in.log")
            started = cls.stand_in.__enter__()
        return replace(options, host=started.http_url, server_pid=started.process_id)

    def plan(self) -> list[MadeGroup]:
        """Makes the groups, and warms up."""
        session, warm_up = self.session, int(WORKLOAD["warm_up_messages"].value)
        return make_groups(session, "noop", self.sizes, session.options.user_count, warm_up)

    def adopt(self, plan: list[MadeGroup]) -> None:
        """Opens the books of every group, and connections."""
        for group in plan:
            self.traffic.open_books(group)
            self.signals.open(group)
            self.senders[group.conversation_id] = own_senders(self.session, group)
        self.session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Connects."""
        self.traffic.join(user)
        if user.gateway is not None and user.gateway.is_open:
            self.presence.join(user.number, user.gateway)
            self.signals.join(user.number, user.gateway)

    def measure(self, begin_ns: int) -> None:
        """Starts every kind of work, each in its own windows, and the clock of their CPU."""
        session = self.session
        self.begin_realtime_ns = session.probe.clock.realtime_ns(begin_ns)
        operations: dict[Work, Callable[[int], None]] = {
            "requests": self._request,
            "messages": self._message,
            "changes": self._change,
            "receipts": self._receipt,
            "typing": self._typing,
        }
        for work, operation in operations.items():
            arrivals = ARRIVALS[session.options.arrivals](self.rates[work], f"{session.options.seed} {work}")
            arrivals = session.share(arrivals)
            gevent.spawn(session.open_loop(work).drive, self._within(arrivals, work), begin_ns, operation)
        gevent.spawn(self._take_time, begin_ns)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - receivers have no schedule
        """Receives."""
        self.traffic.stay_connected(user)

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing."""
        self.traffic.leave(user)

    def unanswered_count(self) -> int:
        """Requests and messages not yet answered."""
        return self.waiting + self.traffic.unanswered

    def outstanding(self) -> int:
        """Requests not yet answered, and deliveries."""
        return self.waiting + self.traffic.outstanding() + self.presence.outstanding() + self.signals.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        signals = [self.signals.totals(signal) for signal in ("receipts", "typing")]
        totals = [*self.traffic.finish(), *signals, self.presence.totals()]
        for number, window in enumerate(self.measured):
            window.operations = self.asked.get(number, 0)
            window.deliveries = self.delivered.get(number, 0)
        if self.stand_in is not None:
            self.session.over.set()  # before it is gone: users who lose it do not try to come back
            self.stand_in.__exit__(None, None, None)
            type(self).stand_in = None
        return totals

    def findings(self) -> list[Window]:
        """What each window took here."""
        return self.measured

    def tell(self, findings: list[list[Window]]) -> list[LedgerTotals]:
        """What a unit costs, whichever process pays for it: windows are those of all, added up."""
        if self.session.lacks_findings:
            return []
        windows = joined(findings)
        for work in WORKS:
            self._tell_sums(work, [window for window in windows if window.work == work])
        self._tell_costs(windows)
        return []

    def _within(self, arrivals: Iterator[int], work: Work) -> Iterator[int]:
        """The arrivals that fall into windows of this work."""
        return (offset_ns for offset_ns in arrivals if self.windows.arm(offset_ns / 1e9) == work)

    def _request(self, intended_ns: int) -> None:
        """One timed page."""
        self._count(self.asked, intended_ns, 1)
        session = self.session
        token = session.login(session.user_id(session.random.randrange(session.options.user_count)))
        self.waiting += 1
        response = session.chat.get_messages(token, UUID(int=1), int(WORKLOAD["page_size"].value), None, intended_ns)
        self.waiting -= 1
        session.chat.parse_page(response)
        session.note_response("get_messages", response, weight="stand-in", depth="1")
        report_response("page", "GET", response)

    def _message(self, intended_ns: int) -> None:
        """One timed message to a group."""
        self._count(self.asked, intended_ns, 1)
        group = self.session.random.choice(self.traffic.groups)
        self.traffic.send(group, self.session.random.choice(self.senders[group.conversation_id]), intended_ns)

    def _change(self, intended_ns: int) -> None:
        """One timed change of presence."""
        self._count(self.asked, intended_ns, 1)
        self.presence.change(self.session.random.choice(self.presence.changers), intended_ns)

    def _receipt(self, intended_ns: int) -> None:
        """One timed mark as read by a member of a group."""
        self._count(self.asked, intended_ns, 1)
        group = self.session.random.choice(self.traffic.groups)
        self.waiting += 1
        reader = self.session.random.choice(self.senders[group.conversation_id])
        response = self.signals.mark_read(group, reader, intended_ns)
        self.waiting -= 1
        report_response("mark read", "POST", response)

    def _typing(self, intended_ns: int) -> None:
        """One timed begin of typing by a member of a group."""
        typists = [(group, one) for group in self.traffic.groups for one in self.senders[group.conversation_id]]
        group, typist = self.session.random.choice(typists)
        self._count(self.asked, intended_ns, 1)
        self.signals.start_typing(group, typist, intended_ns)

    def _settled(self, settled: SettledMessage) -> None:
        self._count(self.delivered, settled.intended_ns, len(settled.arrivals))

    def _count(self, counts: dict[int, int], intended_ns: int, amount: int) -> None:
        number = int((intended_ns - self.begin_realtime_ns) / 1e9 // self.windows.window_seconds)
        counts[number] = counts.get(number, 0) + amount

    def _take_time(self, begin_ns: int) -> None:
        """Reads the CPU clock at the end of each window; one that the run cuts off is not measured."""
        window_ns = self.windows.window_seconds * 1e9
        number, last, last_cpu = 0, time.monotonic(), time.process_time()
        while self.session.timer.wait_until(begin_ns + round((number + 1) * window_ns)):
            now, cpu = time.monotonic(), time.process_time()
            work = self.windows.arm((number + 0.5) * self.windows.window_seconds)
            self.measured.append(Window(work, now - last, cpu - last_cpu))
            number, last, last_cpu = number + 1, now, cpu

    def _tell_sums(self, work: Work, windows: list[Window]) -> None:
        seconds = sum(window.seconds for window in windows)
        if not seconds:
            self.session.warnings.append(f"no window of {work} was measured; use a longer --run-time")
            return
        count = self.session.count
        count("noop_seconds", round(seconds, 3), work=work)
        count("noop_operations", sum(window.operations for window in windows), work=work)
        count("noop_deliveries", sum(window.deliveries for window in windows), work=work)
        count("noop_cpu_permille", round(1000 * sum(one.cpu_seconds for one in windows) / seconds, 1), work=work)

    def _tell_costs(self, windows: list[Window]) -> None:
        """CPU of a request, of a message or change with all its deliveries, of a delivery beyond the request of it."""
        idle = [window for window in windows if window.work == "idle"]
        if not idle:
            return
        idle_share = sum(window.cpu_seconds for window in idle) / sum(window.seconds for window in idle)
        worked = [window for window in windows if window.operations]
        spent = {id(window): 1e6 * (window.cpu_seconds - idle_share * window.seconds) for window in worked}
        requests = [spent[id(one)] / one.operations for one in worked if one.work == "requests"]
        messages = [one for one in worked if one.work == "messages" and one.deliveries]
        self._tell_cost("request", requests)
        self._tell_cost("message", [spent[id(one)] / one.operations for one in messages])
        for unit, work in (("change", "changes"), ("receipt", "receipts"), ("typing", "typing")):
            self._tell_cost(unit, [spent[id(one)] / one.operations for one in worked if one.work == work])
        if requests:
            of_request = sum(requests) / len(requests)
            beyond = [(spent[id(one)] - of_request * one.operations) / one.deliveries for one in messages]
            self._tell_cost("delivery", beyond)

    def _tell_cost(self, unit: str, values: list[float]) -> None:
        found = mean(values)
        if found is None:
            self.session.warnings.append(f"too few windows to say what a {unit} costs; use a longer --run-time")
            return
        for bound, value in found.bounds().items():
            self.session.count("noop_cpu_us", round(value, 2), unit=unit, bound=bound)


class NoopUser(ChatUser):
    """A connected recipient."""


install(Noop)
