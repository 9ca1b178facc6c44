"""Asks what typing indicators add.

Windows with typing and windows without it alternate in one run, with the same messages in both: what typing adds to
their deliveries stands beside what they take without it. Between the windows all typists fall silent, and the server
has to end their typing by itself: how exactly it does is measured too.

    locust -f scenarios/load/typing_indicators.py --host http://127.0.0.1:8000 --headless
"""

import time
from dataclasses import dataclass
from itertools import islice, takewhile
from random import Random
from typing import Any

import gevent

from fixtures.errors import InputError
from scenarios.alternation import TurnLog, alternating
from scenarios.catalogue import SCENARIOS
from scenarios.client.delivery_books import DeliveryBooks
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request
from scenarios.client.made_groups import MadeGroup, make_group
from scenarios.client.marked_sends import MarkedSends
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.ledger import Ledger, Recipient, SettledMessage
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS, DrawnArrivals
from scenarios.typing_books import TypingBooks
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(40, "messages/s", "guess: with the default rooms 500 deliveries/s, in both kinds of windows"),
    "audiences": Row("4,19", "watchers of one typist", "guess: a team, a department"),
    "typists": Row("1,4", "at a time in one room", "guess: somebody, and a lively discussion"),
    "typing_expiry_seconds": Row(6, "s", "cited: the reference server's default typing_expiry_seconds"),
    "window_seconds": Row(3, "s", "guess: some bursts of every typist"),
    "bursts_per_second": Row(1, "per typist", "guess: a client says so at most once per second"),
    "burst_seconds": Row(0.8, "s", "guess: two or three words; a burst that begins meanwhile makes it longer"),
    "gap_seconds": Row(1, "s", "cited: the reference server's default typing_throttle_seconds, which delays a stop"),
    "silence_spread_seconds": Row(0.5, "s", "guess: not everyone falls silent at once"),
    "patience_seconds": Row(2, "s", "guess: a stop that comes later than this after its time is missing"),
    "windows_per_silence": Row(4, "windows", "guess: two pairs, as many as fit the default run"),
    "deadline_ms": Row(1000, "ms", "guess: later than this a conversation stops feeling live"),
    "settle_seconds": Row(8, "s", "guess: a message's last recipient is waited for this long"),
    "warm_up_messages": Row(5, "messages per room", "guess: plans are cached, connections open"),
    "http_connections": Row(20, "connections", "guess: opened ahead, so that connecting is not measured"),
}
WITH, WITHOUT = "with", "without"


@dataclass(frozen=True)
class Room:
    """One group: its first members type, all others and each other typist watch."""

    group: MadeGroup
    key: Any  # as events name it
    typist_count: int

    @property
    def labels(self) -> dict[str, str]:
        """Of everything measured here."""
        return {"typists": str(self.typist_count), "audience": str(len(self.group.members) - 1)}

    @property
    def typists(self) -> tuple[int, ...]:
        """Numbers of the run's users."""
        return self.group.members[: self.typist_count]


@dataclass(frozen=True)
class PlannedRoom:
    """A room as it was made."""

    group: MadeGroup
    typist_count: int


@dataclass
class Typist:
    """One user at the keyboard of one room."""

    room: Room
    number: int
    key: Any  # of the place, as the books have it
    burst: int = 0  # counts what makes an earlier one's end void


class TypingIndicators(LoadScenario):
    """Types, sends, and keeps the books of both."""

    entry = SCENARIOS["typing_indicators"]
    workload = WORKLOAD
    plan_type = list[PlannedRoom]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.options = options
        self.books = TypingBooks(int(float(options.typing_expiry_seconds) * 1e9))
        ledger = Ledger(
            "typing_indicators",
            deadline_ns=int(float(WORKLOAD["deadline_ms"].value) * 1e6),
            settle_after_ns=int(float(WORKLOAD["settle_seconds"].value) * 1e9),
        )
        self.deliveries = DeliveryBooks(ledger, session.token, session.seat.clock_offset_ns)
        self.sends = MarkedSends(session, ledger)
        self.turns: TurnLog[str] = TurnLog()
        self.room_count = 0  # of the run
        self.rooms: dict[int, Room] = {}  # those of this process, by their place among all
        self.typists: list[Typist] = []
        self.clients: dict[int, GatewayClient] = {}
        self.recipients: dict[int, Recipient] = {}
        self.wire_id = session.wire_id
        session.on_second = self.settle

    @staticmethod
    def add_options(parser: Any) -> None:
        """Typing's own options."""
        for name, text in SCENARIOS["typing_indicators"].own_options.items():
            row = name.removeprefix("--").replace("-", "_")
            kind = sizes if row in {"audiences", "typists"} else positive
            add_option(parser, name, text, type=kind, default=WORKLOAD[row].value)

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.audiences)
        parse_sizes(options.typists)
        names = ("rate", "audiences", "typists", "window_seconds", "typing_expiry_seconds")
        return {name: getattr(options, name) for name in names}

    def plan(self) -> list[PlannedRoom]:
        """Makes a room for every audience and number of typists that fit.

        All of a room are users of one process, which knows at every moment what its typists said; the rooms are dealt
        out to the processes.
        """
        session, place_count = self.session, self.session.seat.count
        rooms: list[PlannedRoom] = []
        for audience in parse_sizes(self.options.audiences):
            for typist_count in parse_sizes(self.options.typists):
                users = session.seat.numbers(session.options.user_count, len(rooms) % place_count)
                if audience >= len(users) or typist_count > audience + 1:
                    session.warnings.append(f"left out: {typist_count} typists before an audience of {audience}")
                    continue
                members = session.random.sample(users, audience + 1)
                name = f"typing {audience} {typist_count}"
                group = make_group(session, name, members, int(WORKLOAD["warm_up_messages"].value))
                rooms.append(PlannedRoom(group, typist_count))
        if not rooms:
            apart = f", shared by {place_count} processes" if place_count > 1 else ""
            raise InputError(
                f"no audience of {self.options.audiences} with typists of {self.options.typists} fits "
                f"{session.options.user_count} users{apart}; use more --users or smaller --audiences"
            )
        return rooms

    def adopt(self, plan: list[PlannedRoom]) -> None:
        """Opens the books of this process's rooms."""
        self.room_count = len(plan)
        for place, planned in enumerate(plan):
            if self.session.is_own(planned.group.members[0]) and self.session.seat.is_generator:
                self._open(place, planned)
        self.session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Connects the user, and subscribes to messages and to the typing in every room it is in."""
        client = user.gateway = self.clients[user.number] = self.session.gateway_client()
        own = [(room.key, room.group.last_seq) for room in self.rooms.values() if user.number in room.group.member_set]
        self.recipients[user.number] = self.deliveries.open_recipient(client, str(user.number), own)
        client.on_typing = lambda event, _bytes, arrival_ns, _observed: self._heard(user.number, event, arrival_ns)
        client.on_close = lambda code, reason: self._connection_ended(user, code, reason)
        self._connect(client, user)

    def measure(self, begin_ns: int) -> None:  # noqa: ARG002 - every window has its own beginning
        """Starts the windows."""
        gevent.spawn(self._alternate)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - windows have the schedule
        """Watches; one who is cut off comes back and asks what it missed."""
        client = user.gateway
        if client is not None:
            user.keep_connected(lambda: self._connect(client, user, resume=True))

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing, and types no more."""
        recipient = self.recipients.pop(user.number, None)
        self.clients.pop(user.number, None)
        if recipient is not None and user.gateway is not None and user.gateway.is_open:
            recipient.stop_listening()

    def send(self, room: Room, intended_ns: int) -> None:
        """One timed send by a member of a room."""
        sender = self.session.user_id(self.session.random.choice(room.group.members))
        weight = f"audience of {room.labels['audience']}"
        self.sends.send(sender, room.group.conversation_id, room.key, intended_ns, weight=weight, name="send")

    def settle(self, now_ns: int, *, everything: bool = False) -> None:
        """Records what arrived since the last time."""
        self.deliveries.settle(now_ns, self._record, everything=everything)

    def unanswered_count(self) -> int:
        """Sends not yet answered."""
        return self.sends.unanswered

    def outstanding(self) -> int:
        """Deliveries not yet here, sends not yet answered, stops of silent typists not yet heard."""
        return self.sends.unanswered + self.deliveries.ledger.outstanding() + self.books.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        now_ns = time.time_ns()
        self.settle(now_ns, everything=True)
        self.books.close(now_ns, int(float(WORKLOAD["patience_seconds"].value) * 1e9))
        session = self.session
        for room in self.rooms.values():
            places = [self.books.places[self._place(room, number)] for number in room.typists]
            starts, events = sum(place.starts for place in places), sum(place.events for place in places)
            session.count("typing_starts", starts, **room.labels)
            session.count("typing_events", events, **room.labels)
            for fault in ("echoes", "early", "missing"):
                session.count(f"typing_{fault}", sum(getattr(place, fault) for place in places), **room.labels)
        for fault, sentence in _FAULTS.items():
            found = sum(getattr(place, fault) for place in self.books.places.values())
            if found:
                session.warnings.append(f"{found} {sentence}")
        return self.deliveries.ledger.reconcile()

    # --- windows ----------------------------------------------------------------------------------------

    def _alternate(self) -> None:
        """Windows of both kinds in turn, and now and then a silence, until the run stops."""
        stopping = self.session.stopping
        turns = alternating((WITH, WITHOUT), f"windows {self.session.options.seed}")
        number = 0
        while not stopping.is_set():
            for arm in islice(turns, int(WORKLOAD["windows_per_silence"].value)):
                # Both windows of a round have the same messages, by the same people, at the same times.
                meeting = self.session.meet()
                if meeting is None:
                    return
                self._window(arm, f"{self.session.options.seed} round {number // 2}", meeting.begin_ns)
                number += 1
                if stopping.wait(timeout=float(WORKLOAD["gap_seconds"].value)):
                    return
            self._silence()

    def _window(self, arm: str, seed: str, begin_ns: int) -> None:
        """The same messages with or without typing beside them."""
        session, length_ns = self.session, int(float(self.options.window_seconds) * 1e9)
        self.turns.begin(session.probe.clock.realtime_ns(begin_ns), arm)
        arrivals = ARRIVALS[session.options.arrivals]

        def within(rate: float, name: str) -> Any:
            return takewhile(lambda offset_ns: offset_ns < length_ns, arrivals(rate, f"{seed} {name}"))

        if arm == WITH:
            for typist in self.typists:
                bursts = within(float(WORKLOAD["bursts_per_second"].value), str(typist.key))
                loop = session.open_loop("start_typing")
                gevent.spawn(loop.drive, bursts, begin_ns, lambda at_ns, typist=typist: self._burst(typist, at_ns))
        random = Random(f"{seed} rooms")
        messages = DrawnArrivals(
            within(float(self.options.rate), "messages"),
            lambda: random.randrange(self.room_count),
            is_own=self.rooms.__contains__,
        )
        session.open_loop("send_message").drive_drawn(
            messages, begin_ns, lambda room, at_ns: self.send(self.rooms[room], at_ns)
        )
        session.timer.wait_until(begin_ns + length_ns)
        for typist in self.typists:
            self._stop(typist)

    def _burst(self, typist: Typist, intended_ns: int) -> None:
        """Types for a while; what begins meanwhile makes it longer."""
        self._start(typist, intended_ns)
        burst = typist.burst
        self.session.stopping.wait(timeout=float(WORKLOAD["burst_seconds"].value))
        if typist.burst == burst:
            self._stop(typist)

    def _silence(self) -> None:
        """Every typist begins once and says nothing more, until every watcher has been told or patience is over."""
        session = self.session
        spread_ns = float(WORKLOAD["silence_spread_seconds"].value) * 1e9
        begin_ns = time.monotonic_ns()
        moments = sorted(begin_ns + round(session.random.random() * spread_ns) for _ in self.typists)
        for moment_ns, typist in zip(moments, self.typists, strict=True):
            if not session.timer.wait_until(moment_ns):
                return
            if self._start(typist, session.probe.clock.realtime_ns(moment_ns)):
                self.books.fall_silent(typist.key)
        until_ns = time.monotonic_ns() + self.books.expiry_ns + float(WORKLOAD["patience_seconds"].value) * 1e9
        while self.books.outstanding() and time.monotonic_ns() < until_ns:
            if session.stopping.wait(timeout=0.05):
                return

    def _start(self, typist: Typist, intended_ns: int) -> bool:
        """Says that somebody types; False, and told, when there is no connection to say it on."""
        client = self.clients.get(typist.number)
        if client is None or not client.is_open:
            self.session.failures["start_typing: the gateway connection is lost"] += 1
            return False
        typist.burst += 1
        self.books.start(typist.key, intended_ns, time.time_ns())
        client.start_typing(typist.room.group.conversation_id)
        return True

    def _stop(self, typist: Typist) -> None:
        client = self.clients.get(typist.number)
        if self.books.places[typist.key].is_typing and client is not None and client.is_open:
            self.books.stop(typist.key)
            client.stop_typing(typist.room.group.conversation_id)

    # --- what is heard ----------------------------------------------------------------------------------

    def _heard(self, number: int, event: Any, arrival_ns: int) -> None:
        heard = self.books.observe((event.c, event.u), number, event.s, arrival_ns)
        if heard is None:
            return
        recorder = self.session.recorder
        if heard.start_us is not None:
            recorder.series("typing_us", **heard.place.labels)(heard.start_us)
        elif heard.expiry_error_us is not None:
            recorder.series("typing_expiry_error_us", **heard.place.labels)(max(0, heard.expiry_error_us))

    def _record(self, settled: SettledMessage) -> None:
        arm = self.turns.arm_at(settled.intended_ns)
        if arm is None:
            return
        labels = settled.conversation.labels
        self.session.recorder.batch("typing_delivery_us", typing=arm, **labels)(settled.latency_us())
        last_us = settled.reached_us(1.0)
        if last_us is not None:
            report_request("WS", f"last delivery {arm} typing", last_us / 1000, settled.content_bytes)

    def _open(self, at: int, planned: PlannedRoom) -> None:
        """Opens the books of a room of this process."""
        group = planned.group
        room = self.rooms[at] = Room(group, self.wire_id(group.conversation_id), planned.typist_count)
        self.deliveries.ledger.add_conversation(room.key, room.labels)
        for number in room.typists:
            place = self._place(room, number)
            self.books.add_place(place, group.member_set - {number}, room.labels)
            self.typists.append(Typist(room, number, place))

    def _place(self, room: Room, number: int) -> tuple[Any, Any]:
        return room.key, self.wire_id(self.session.user_id(number))

    def _connect(self, client: GatewayClient, user: ChatUser, *, resume: bool = False) -> None:
        def subscribe() -> None:
            client.subscribe_messages(resume=resume)
            for room in self.rooms.values():
                if user.number in room.group.members:
                    client.subscribe_typing(room.group.conversation_id)

        self.session.connect(client, user.user_id, subscribe)

    def _connection_ended(self, user: ChatUser, code: int, reason: str) -> None:
        if user.number in self.recipients:
            self.session.connection_ended(code, reason)


_FAULTS = {
    "echoes": "typing events came back to their own typist",
    "early": "stops of silent typists came before the expiry period was over; is --typing-expiry-seconds the server's?",
    "missing": "stops of silent typists never came",
}


class TypingUser(ChatUser):
    """A watcher, and perhaps a typist."""


install(TypingIndicators)
