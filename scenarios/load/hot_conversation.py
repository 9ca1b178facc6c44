"""Asks where the ceiling of one busy conversation is.

The same people send, at rates that step up, all into one conversation or each into one of their own; the two take turns
in one run. All conversations have the same members, so every message costs the same deliveries: what differs is whether
sends have to wait for each other.

    locust -f scenarios/load/hot_conversation.py --host http://127.0.0.1:8000 --headless
"""

import time
from functools import partial
from itertools import count, islice, takewhile
from random import Random
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from fixtures.errors import InputError
from scenarios.alternation import TurnLog, alternating
from scenarios.catalogue import SCENARIOS
from scenarios.client.delivery_books import DeliveryBooks
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request
from scenarios.client.made_groups import MadeGroup, make_group
from scenarios.client.marked_sends import MarkedSends
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.ledger import Ledger, Recipient, SettledMessage
from scenarios.offered_rates import Achievements, RateWindow, joined
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS, DrawnArrivals
from scenarios.workload import Row

WORKLOAD = {
    "rates": Row("50,100,200", "messages/s", "guess: up to where two cores begin to feel it; go on from there"),
    "window_seconds": Row(2, "s", "guess: a few hundred sends at the highest rate"),
    "listeners": Row(2, "users", "guess: enough to see every message; more would measure the fan-out"),
    "gap_seconds": Row(0.3, "s", "guess: what a window left behind in buffers is over by then"),
    "patience_seconds": Row(10, "s", "guess: sends of a window that wait longer are told as given up"),
    "deadline_ms": Row(1000, "ms", "guess: later than this a conversation stops feeling live"),
    "settle_seconds": Row(20, "s", "guess: beyond what a window's backlog may take"),
    "warm_up_messages": Row(2, "messages per conversation", "guess: plans are cached, connections open"),
}
ONE, MANY = "one", "many"


class HotConversation(LoadScenario):
    """Sends into one conversation and into many, in turns."""

    entry = SCENARIOS["hot_conversation"]
    workload = WORKLOAD
    plan_type = dict[str, list[MadeGroup]]
    findings_type = list[RateWindow]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.options = options
        self.rates = parse_sizes(options.rates)
        self.listeners = int(options.listeners)
        if self.listeners > session.options.user_count:
            raise InputError(
                f"--listeners {self.listeners} are more than the {session.options.user_count} users; use more --users"
            )
        ledger = Ledger(
            "hot_conversation",
            deadline_ns=int(float(WORKLOAD["deadline_ms"].value) * 1e6),
            settle_after_ns=int(float(WORKLOAD["settle_seconds"].value) * 1e9),
        )
        self.books = DeliveryBooks(ledger, session.token, session.seat.clock_offset_ns)
        self.sends = MarkedSends(session, ledger)
        self.windows: list[RateWindow] = []  # whole ones
        self.turns: TurnLog[RateWindow] = TurnLog()
        self.groups: dict[str, list[MadeGroup]] = {ONE: [], MANY: []}
        # Who sends waits for the answer before they send again; that wait is part of the next one's latency.
        self.hands = {
            number: BoundedSemaphore(1) for number in range(session.options.user_count) if session.is_own(number)
        }
        self.recipients: dict[int, Recipient] = {}
        self.waiting = 0
        self.given_up = 0
        self.wire_id = session.wire_id
        session.on_second = self.settle

    @staticmethod
    def add_options(parser: Any) -> None:
        """The hot conversation's own options."""
        texts = SCENARIOS["hot_conversation"].options
        for name, kind in (("--rates", sizes), ("--window-seconds", positive), ("--listeners", int)):
            row = name.removeprefix("--").replace("-", "_")
            add_option(parser, name, texts[name], type=kind, default=WORKLOAD[row].value)

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.rates)
        if options.listeners < 1:
            raise InputError(f"--listeners {options.listeners} is below 1; somebody has to see that messages arrive")
        return {name: getattr(options, name) for name in ("rates", "window_seconds", "listeners")}

    def plan(self) -> dict[str, list[MadeGroup]]:
        """Makes the conversations, all with the same members."""
        session = self.session
        everyone = list(range(session.options.user_count))
        warm_up = int(WORKLOAD["warm_up_messages"].value)
        return {
            ONE: [make_group(session, "hot", everyone, warm_up)],
            MANY: [make_group(session, f"own {number}", everyone, warm_up) for number in everyone],
        }

    def adopt(self, plan: dict[str, list[MadeGroup]]) -> None:
        """Opens the books, and a connection for everyone who sends from here."""
        session, self.groups = self.session, plan
        for arm, groups in plan.items():
            for group in groups:
                self.books.ledger.add_conversation(self.wire_id(group.conversation_id), {"conversations": arm})
        for number in self.hands:
            session.login(session.user_id(number))
        session.pool.warm(len(self.hands))

    def user_started(self, user: ChatUser) -> None:
        """Connects a listener, who is in all conversations; the others only send, over HTTP."""
        if user.number >= self.listeners:
            return
        client = user.gateway = self.session.gateway_client()
        every = (*self.groups[ONE], *self.groups[MANY])
        own = [(self.wire_id(group.conversation_id), group.last_seq) for group in every]
        self.recipients[user.number] = self.books.open_recipient(client, str(user.number), own)
        client.on_close = lambda code, reason: self._connection_ended(user, code, reason)
        self.session.connect(client, user.user_id, client.subscribe_messages)

    def measure(self, begin_ns: int) -> None:  # noqa: ARG002 - every window has its own beginning
        """Starts the windows."""
        gevent.spawn(self._step_up)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - windows have the schedule
        """Listens; one who is cut off comes back and asks what it missed."""
        client = user.gateway
        if client is not None:
            resume = partial(client.subscribe_messages, resume=True)
            user.keep_connected(lambda: self.session.connect(client, user.user_id, resume))

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing."""
        recipient = self.recipients.pop(user.number, None)
        if recipient is not None and user.gateway is not None and user.gateway.is_open:
            recipient.stop_listening()

    def settle(self, now_ns: int, *, everything: bool = False) -> None:
        """Records what arrived since the last time."""
        self.books.settle(now_ns, self._record, everything=everything)

    def unanswered_count(self) -> int:
        """Sends that wait or are not yet answered."""
        return self.waiting

    def shared_ledger(self) -> Ledger:
        """Every delivery's."""
        return self.books.ledger

    def record_whole(self, settled: SettledMessage) -> None:
        """When the last listener had a message, for Locust's own statistics."""
        last_us = settled.reached_us(1.0)
        if last_us is not None:
            arm = settled.conversation.labels["conversations"]
            report_request("WS", f"last delivery, {arm}", last_us / 1000, settled.content_bytes)

    def outstanding(self) -> int:
        """Sends that wait or are not yet answered, and deliveries not yet here."""
        return self.waiting + self.books.ledger.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        self.settle(time.time_ns(), everything=True)
        if self.given_up:
            self.session.warnings.append(
                f"{self.given_up} sends were given up: they still waited {WORKLOAD['patience_seconds'].value} s after "
                "their window, and no latency holds them; leave out the highest of --rates"
            )
        return self.books.ledger.reconcile()

    def findings(self) -> list[RateWindow]:
        """What was achieved here in each window."""
        return self.windows

    def tell(self, findings: list[list[RateWindow]]) -> list[LedgerTotals]:
        """What was achieved altogether: all processes have the same windows."""
        session, achievements = self.session, Achievements()
        if session.lacks_findings:
            return []
        for window in joined(findings):
            achievements.add(window)
        for rate in self.rates:
            for arm in (ONE, MANY):
                achieved = achievements.per_second(arm, rate)
                if achieved is not None:
                    session.count("room_sends_per_second", round(achieved, 2), conversations=arm, rate=str(rate))
            ratio = achievements.ratio(ONE, MANY, rate)
            if ratio is None:
                session.warnings.append(f"the rate of {rate}/s was not reached for both; run longer, or leave it out")
            else:
                session.count("room_sends_ratio", round(ratio, 4), rate=str(rate))
        for arm in (ONE, MANY):
            most = achievements.most_per_second(arm)
            if most is not None:
                session.count("room_sends_per_second_max", round(most, 2), conversations=arm)
        return []

    # --- windows ----------------------------------------------------------------------------------------

    def _step_up(self) -> None:
        """Rates from the lowest to the highest, both arms at each, again and again until the run stops."""
        turns = alternating((ONE, MANY), f"windows {self.session.options.seed}")
        for number in count():
            for rate in self.rates:
                for arm in islice(turns, 2):
                    meeting = self.session.meet()
                    if meeting is None:
                        return
                    # Both arms have the same senders at the same times.
                    self._window(arm, rate, f"{self.session.options.seed} {number} {rate}", meeting.begin_ns)
                    if self.session.stopping.wait(timeout=float(WORKLOAD["gap_seconds"].value)):
                        return

    def _window(self, arm: str, rate: int, seed: str, begin_ns: int) -> None:
        """One rate offered to one arm, and the wait until its backlog is over."""
        session, length_ns = self.session, int(float(self.options.window_seconds) * 1e9)
        begin = session.probe.clock.realtime_ns(begin_ns)
        window = RateWindow(arm, rate, begin, begin + length_ns)
        self.turns.begin(begin, window)
        random = Random(f"{seed} senders")
        arrivals = ARRIVALS[session.options.arrivals](rate, seed)
        sends = DrawnArrivals(
            takewhile(lambda offset_ns: offset_ns < length_ns, arrivals),
            lambda: random.randrange(session.options.user_count),
            is_own=self.hands.__contains__,
        )
        session.open_loop("send_message").drive_drawn(
            sends, begin_ns, lambda number, at_ns: self._send(window, number, at_ns)
        )
        was_whole = session.timer.wait_until(begin_ns + length_ns)
        deadline = time.monotonic() + float(WORKLOAD["patience_seconds"].value)
        while self.waiting and time.monotonic() < deadline and not session.stopping.is_set():
            gevent.sleep(0.01)
        if was_whole:
            self.windows.append(window)

    def _send(self, window: RateWindow, number: int, intended_ns: int) -> None:
        """One timed send, as soon as its sender has the answer to the one before."""
        session = self.session
        groups = self.groups[window.arm]
        group = groups[number % len(groups)]
        self.waiting += 1
        try:
            with self.hands[number]:
                if time.time_ns() > window.end_ns + float(WORKLOAD["patience_seconds"].value) * 1e9:
                    self.given_up += 1
                    return
                key = self.wire_id(group.conversation_id)
                sender = session.user_id(number)
                weight = f"{window.arm} conversation{'s' * (window.arm == MANY)}"
                response, _ = self.sends.send(
                    sender, group.conversation_id, key, intended_ns, weight=weight, name=f"send to {window.arm}"
                )
        finally:
            self.waiting -= 1
        if response.ok:
            window.done(response.arrived_ns)
            labels = {"conversations": window.arm, "rate": str(window.rate)}
            session.recorder.series("room_send_us", **labels)(response.request_us)

    def _record(self, settled: SettledMessage) -> None:
        window = self.turns.arm_at(settled.intended_ns)
        if window is None:
            return
        labels = {"conversations": window.arm, "rate": str(window.rate)}
        self.session.recorder.batch("room_delivery_us", **labels)(settled.latency_us())
        self.session.on_settled(settled)

    def _connection_ended(self, user: ChatUser, code: int, reason: str) -> None:
        if user.number in self.recipients:
            self.session.connection_ended(code, reason)


class HotConversationUser(ChatUser):
    """A sender, and perhaps a connected listener."""


install(HotConversation)
