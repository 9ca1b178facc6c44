"""Asks how fast everyone comes back after all connections were lost at once.

Everyone's connection is aborted, as by a network that fails; messages go on being sent; then all come back and resume:
in one kind of storm all at once, in the other each at a random moment of a window. Every message is in the ledger, so
what a resume lost or repeated is counted exactly.

    locust -f scenarios/load/connect_storm.py --host http://127.0.0.1:8000 --headless
"""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from random import Random
from typing import Any

import gevent
from gevent.event import Event

from fixtures.errors import InputError
from scenarios.alternation import alternating
from scenarios.catalogue import SCENARIOS
from scenarios.client.delivery_books import DeliveryBooks
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request
from scenarios.client.made_groups import MadeGroup, make_group
from scenarios.client.marked_sends import MarkedSends
from scenarios.client.run_options import add_option, positive
from scenarios.client.run_session import RunSession
from scenarios.comebacks import Comeback, Storm, missed_messages
from scenarios.ledger import Ledger, Recipient
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS, DrawnArrivals
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(20, "messages/s", "guess: everyone misses a few during an outage"),
    "group_size": Row(10, "members", "guess: a team; every message is missed by all of it"),
    "conversations": Row(3, "per user", "guess: those that one has lately written in, and resumes"),
    "outage_seconds": Row(1.5, "s", "guess: a server's restart, a network's hiccup"),
    "window_seconds": Row(3, "s", "guess: a client's random delay before it comes back"),
    "calm_seconds": Row(1, "s", "guess: between two storms, and before the first"),
    "patience_seconds": Row(15, "s", "guess: a storm that lasts longer is told as one that never ended"),
    "retry_seconds": Row(0.2, "s", "guess: after a refused connection"),
    "deadline_ms": Row(10_000, "ms", "guess: an outage and the way back, several times over"),
    "warm_up_messages": Row(2, "messages per group", "guess: plans are cached, nobody resumes from nothing"),
    "http_connections": Row(20, "connections", "guess: opened ahead, so that connecting is not measured"),
}
GENTLE, THUNDERING = "gentle", "thundering"
LOOK_SECONDS = 0.5
Finding = tuple[dict[str, tuple[int, float]], int]  # mode → comebacks of finished storms, seconds; unfinished storms


@dataclass
class Device:
    """One user's connection and books."""

    user: ChatUser
    client: GatewayClient
    recipient: Recipient
    comeback: Comeback | None = None  # while it is on its way back
    whole: Event | None = None  # set when it is back and has everything


class ConnectStorm(LoadScenario):
    """Cuts everyone off, brings everyone back, and keeps the books."""

    entry = SCENARIOS["connect_storm"]
    workload = WORKLOAD
    plan_type = list[MadeGroup]
    findings_type = Finding

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.options = options
        ledger = Ledger(
            "connect_storm",
            deadline_ns=int(float(WORKLOAD["deadline_ms"].value) * 1e6),
            settle_after_ns=int(float(WORKLOAD["patience_seconds"].value) * 1e9),
        )
        self.books = DeliveryBooks(ledger, session.token, session.seat.clock_offset_ns)
        self.sends = MarkedSends(session, ledger)
        self.groups: dict[int, MadeGroup] = {}  # those of this process, by their place among all
        self.group_count = 0  # of the run
        self.devices: dict[int, Device] = {}
        self.away = False  # everyone is cut off on purpose, or on the way back
        self.connects: Counter[str] = Counter()
        self.connect_seconds: defaultdict[str, float] = defaultdict(float)
        self.unfinished_storms = 0
        self.wire_id = session.wire_id
        session.on_second = self.settle

    @staticmethod
    def add_options(parser: Any) -> None:
        """The storm's own options."""
        for name, text in SCENARIOS["connect_storm"].own_options.items():
            row = name.removeprefix("--").replace("-", "_")
            kind = int if name in {"--group-size", "--conversations"} else positive
            add_option(parser, name, text, type=kind, default=WORKLOAD[row].value)

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        if options.group_size < 2:
            raise InputError(f"--group-size {options.group_size} is below 2; one who sends needs one who receives")
        if options.conversations < 1:
            raise InputError(f"--conversations {options.conversations} is below 1; without any, nothing is missed")
        names = ("rate", "group_size", "conversations", "outage_seconds", "window_seconds")
        return {name: getattr(options, name) for name in names}

    def plan(self) -> list[MadeGroup]:
        """Deals everyone into groups of about the asked size, as often as each is to have conversations.

        A group's members are users of one process: at the moment of their return it knows what was sent meanwhile.
        """
        session, size = self.session, int(self.options.group_size)
        user_count, groups = session.options.user_count, []
        for place in range(session.seat.count):
            users = session.seat.numbers(user_count, place)
            hands = len(users) // size
            if not hands:
                apart = f" in each of {session.seat.count} processes" if session.seat.count > 1 else ""
                raise InputError(
                    f"{len(users)} users{apart} make no group of {size}; use more --users or a smaller --group-size"
                )
            for _ in range(int(self.options.conversations)):
                dealt = session.random.sample(users, len(users))
                groups += [
                    make_group(session, "storm", dealt[hand::hands], int(WORKLOAD["warm_up_messages"].value))
                    for hand in range(hands)
                ]
        return groups

    def adopt(self, plan: list[MadeGroup]) -> None:
        """Opens the books of this process's groups."""
        session, size = self.session, str(self.options.group_size)
        self.group_count = len(plan)
        if session.seat.is_generator:
            self.groups = {place: group for place, group in enumerate(plan) if session.is_own(group.members[0])}
        for group in self.groups.values():
            self.books.ledger.add_conversation(self.wire_id(group.conversation_id), {"group_size": size})
        session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Connects the user and opens the books of its memberships."""
        client = user.gateway = self.session.gateway_client()
        mine = [group for group in self.groups.values() if user.number in group.member_set]
        own = [(self.wire_id(group.conversation_id), group.last_seq) for group in mine]
        recipient = self.books.open_recipient(client, str(user.number), own)
        device = self.devices[user.number] = Device(user, client, recipient)
        receive = client.on_message

        def on_message(event: Any, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
            receive(event, wire_bytes, arrival_ns, observed_ns)
            if device.comeback is not None:
                device.comeback.observe(event.c, event.n, arrival_ns)
                _look(device)

        client.on_message = on_message
        client.on_subscribed = lambda arrival_ns: _subscribed(device, arrival_ns)
        client.on_close = lambda code, reason: self._connection_ended(device, code, reason)
        self.session.connect(client, user.user_id, client.subscribe_messages)

    def measure(self, begin_ns: int) -> None:
        """Starts the sends, and one storm after the other."""
        seed = f"{self.session.options.seed}"
        arrivals = ARRIVALS[self.session.options.arrivals](float(self.options.rate), seed)
        random = Random(f"{seed} groups")
        sends = DrawnArrivals(arrivals, lambda: random.randrange(self.group_count), is_own=self.groups.__contains__)
        drive = self.session.open_loop("send_message").drive_drawn
        gevent.spawn(drive, sends, begin_ns, lambda place, at_ns: self.send(self.groups[place], at_ns))
        gevent.spawn(self._storms)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - storms have the schedule
        """One whose connection is lost between storms comes back and asks what it missed."""
        device = self.devices[user.number]
        while not self.session.stopping.wait(timeout=LOOK_SECONDS):
            if not self.away and not device.client.is_open:
                self._reconnect(device)

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing."""
        device = self.devices.pop(user.number, None)
        if device is not None and (device.client.is_open or self.away):
            device.recipient.stop_listening()

    def send(self, group: MadeGroup, intended_ns: int) -> None:
        """One timed send by a member of a group, whether its members are there or not."""
        session = self.session
        sender = session.user_id(session.random.choice(group.members))
        key = self.wire_id(group.conversation_id)
        size = str(self.options.group_size)
        self.sends.send(sender, group.conversation_id, key, intended_ns, weight=f"group of {size}", name="send")

    def settle(self, now_ns: int, *, everything: bool = False) -> None:
        """Closes the books of what reached everyone; deliveries are not timed here, comebacks are."""
        self.books.settle(now_ns, lambda _settled: None, everything=everything)

    def unanswered_count(self) -> int:
        """Sends not yet answered."""
        return self.sends.unanswered

    def outstanding(self) -> int:
        """Deliveries not yet here, sends not yet answered, users not yet back."""
        absent = sum(not device.client.is_open for device in self.devices.values())
        return self.sends.unanswered + self.books.ledger.outstanding() + absent

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        self.settle(time.time_ns(), everything=True)
        session = self.session
        for mode, connects in self.connects.items():
            session.count("storm_connects", connects, mode=mode)
        gaps = sum(len(device.client.resume_gaps) for device in self.devices.values())
        if gaps:
            session.warnings.append(
                f"{gaps} conversations had missed more than the server replays, and count as missing: shorten "
                "--outage-seconds or lower --rate"
            )
        return self.books.ledger.reconcile()

    def findings(self) -> Finding:
        """The comebacks of the storms that this process told of, and how many it told as unfinished."""
        told = {mode: (connects, self.connect_seconds[mode]) for mode, connects in self.connects.items()}
        return told, self.unfinished_storms

    def tell(self, findings: list[Finding]) -> list[LedgerTotals]:
        """How fast everybody came back, whether there were storms, and whether all of them ended."""
        for mode in (GENTLE, THUNDERING):
            told = [found[mode] for found, _ in findings if mode in found]
            if told and not self.session.lacks_findings:
                connects, seconds = (sum(column) for column in zip(*told, strict=True))
                self.session.count("storm_connects_per_second", round(connects / seconds, 1), mode=mode)
        unfinished = sum(found for _, found in findings)
        if unfinished:
            self.session.warnings.append(
                f"{unfinished} storms were not over after {WORKLOAD['patience_seconds'].value} s: somebody was not "
                "back, or lacked a message"
            )
        if not any(connects for connects, _ in findings):
            self.session.warnings.append("no storm was over before the run ended; run longer")
        return []

    # --- storms -----------------------------------------------------------------------------------------

    def _storms(self) -> None:
        """Storms of both kinds in turn until the run stops."""
        calm_seconds = float(WORKLOAD["calm_seconds"].value)
        for mode in alternating((GENTLE, THUNDERING), f"storms {self.session.options.seed}"):
            if self.session.stopping.wait(timeout=calm_seconds):
                return
            meeting = self.session.meet()
            if meeting is None:
                return
            self._storm(mode, meeting.begin_ns)

    def _storm(self, mode: str, cut_ns: int) -> None:
        """One outage and everybody's way back; one that the end of the run cut short is not recorded."""
        session = self.session
        self.away = True
        session.timer.wait_until(cut_ns)
        for device in self.devices.values():
            device.client.abort()
        # All processes' users may come back from the same moment on.
        begin_ns = cut_ns + round(float(self.options.outage_seconds) * 1e9)
        session.timer.wait_until(begin_ns)
        window_ns = float(self.options.window_seconds) * 1e9 if mode == GENTLE else 0
        storm = Storm(session.probe.clock.realtime_ns(begin_ns))
        returning = [
            gevent.spawn(self._come_back, device, storm, begin_ns + round(session.random.random() * window_ns))
            for device in self.devices.values()
        ]
        gevent.joinall(returning, timeout=window_ns / 1e9 + float(WORKLOAD["patience_seconds"].value))
        gevent.killall(returning)
        self.away = False
        for device in self.devices.values():
            device.comeback = None
        if not session.stopping.is_set():
            self._record(mode, storm)
            self._tell_whole(mode, storm)

    def _come_back(self, device: Device, storm: Storm, at_ns: int) -> None:
        """Connects and resumes at the given time, again and again if refused; returns when nothing is missing."""
        session = self.session
        session.timer.wait_until(at_ns)  # at once, when the run has stopped
        comeback = device.comeback = Comeback(session.probe.clock.realtime_ns(at_ns), missed_messages(device.recipient))
        device.whole = Event()
        storm.comebacks.append(comeback)
        while not self._reconnect(device):
            gevent.sleep(float(WORKLOAD["retry_seconds"].value))
        comeback.ready_ns = device.client.ready_arrival_ns
        comeback.connect_began_ns = device.client.connect_began_ns
        device.whole.wait()

    def _reconnect(self, device: Device) -> bool:
        if self.session.phase == "finished":
            return True
        client = device.client
        return self.session.connect(client, device.user.user_id, lambda: client.subscribe_messages(resume=True))

    def _record(self, mode: str, storm: Storm) -> None:
        """The figures of one storm."""
        recorder = self.session.recorder
        connected_ns, recovered_ns = storm.connected_ns(), storm.recovered_ns()
        if connected_ns is None or recovered_ns is None:
            return
        for comeback in storm.comebacks:
            assert comeback.ready_ns is not None
            recorder.series("reconnect_us", mode=mode)((comeback.ready_ns - comeback.intended_ns) // 1000)
            recorder.series("connect_us", mode=mode)((comeback.ready_ns - comeback.connect_began_ns) // 1000)
            recorder.series("start_delay_us", operation=f"reconnect, {mode}")(
                max(0, comeback.connect_began_ns - comeback.intended_ns) // 1000
            )
            if comeback.last_missed_ns is not None:
                recorder.series("resume_us", mode=mode)((comeback.last_missed_ns - comeback.intended_ns) // 1000)

    def _tell_whole(self, mode: str, storm: Storm) -> None:
        """What a storm came to with the users of all processes; one of them records it."""
        missed = sum(comeback.missed_count for comeback in storm.comebacks)
        moments = (storm.connected_ns(), storm.recovered_ns())
        took = [None if moment is None else moment - storm.begin_ns for moment in moments]
        meeting = self.session.meet([*took, len(storm.comebacks), missed])
        if meeting is None or not meeting.is_teller:
            return
        connected_ns, recovered_ns, comebacks, missed_counts = zip(*meeting.values, strict=True)
        if None in connected_ns or None in recovered_ns:
            self.unfinished_storms += 1
            return
        recovery_us = max(recovered_ns) // 1000
        self.session.recorder.series("storm_recovery_us", mode=mode)(recovery_us)
        report_request("WS", f"{mode} storm over", recovery_us / 1000, 0)
        self.connects[mode] += sum(comebacks)
        self.connect_seconds[mode] += max(connected_ns) / 1e9
        self.session.count("storms", mode=mode)
        self.session.count("storm_missed_messages", sum(missed_counts), mode=mode)

    def _connection_ended(self, device: Device, code: int, reason: str) -> None:
        if not self.away and self.devices.get(device.user.number) is device:
            self.session.connection_ended(code, reason)


def _subscribed(device: Device, arrival_ns: int) -> None:
    if device.comeback is not None:
        device.comeback.subscribed_ns = arrival_ns
        _look(device)


def _look(device: Device) -> None:
    """Wakes whoever waits for the device to be whole."""
    if device.comeback is not None and device.comeback.is_whole and device.whole is not None:
        device.whole.set()


class StormUser(ChatUser):
    """A connected recipient who loses the connection, and comes back."""


install(ConnectStorm)
