"""Asks whether one of two servers is slower, when both meet the same arrivals at the same time.

Every arrival is a pair: the same operation with the same parameters on both servers, in random order, timed from the
intended start. Machine noise hits both alike and cancels in the ratio. One process measures one block: several rounds
of a few seconds each, which are what the gate tests.

    locust -f scenarios/load/duet.py --host http://127.0.0.1:8000 --head-host http://127.0.0.1:9000 --headless
"""

import time
from random import Random
from typing import Any
from uuid import UUID

import gevent

from fixtures.errors import InputError
from scenarios.catalogue import DUET
from scenarios.client.duet_arm import DuetArm, Request
from scenarios.client.gateway_client import EventHandler
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_response
from scenarios.client.message_lengths import content_length
from scenarios.client.run_options import add_option, check_target, positive
from scenarios.client.run_session import RunSession
from scenarios.markers import Marker, marked_content, read_marker
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(0, "pairs/s", "measured: half of what both arms manage together, so that neither queues for long"),
    "rounds": Row(5, "rounds", "measured: 4, 5 or 6 in a block find about as much (docs/gate.md)"),
    "round_seconds": Row(4, "s", "guess: as short as 200 operations of each kind allow"),
    "round_seconds_max": Row(15, "s", "guess: beyond it a round is no moment any more; a slower server needs a rate"),
    "round_operations": Row(260, "of each operation", "computed: four standard deviations above the 200 it takes"),
    "first_page_share": Row(0.25, "of pairs", "guess: equal shares, so that every operation has its 200 per round"),
    "deep_page_share": Row(0.25, "of pairs", "the same"),
    "list_conversations_share": Row(0.25, "of pairs", "the same"),
    "send_message_share": Row(0.25, "of pairs", "the same"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "deep_pages": Row(10, "pages", "guess: far enough back to be another place in the index and in memory"),
    "members": Row(10, "users", "guess: a team; each message is ten deliveries per arm"),
    "warm_up_seconds": Row(2, "s", "guess: plans and connections are there, caches filled"),
    "capacity_seconds": Row(2, "s", "guess: some hundred pairs"),
    "capacity_users": Row(8, "pairs at a time", "guess: enough to keep two cores busy"),
    "capacity_share": Row(0.5, "of the capacity", "design: about half, where latency is work and not yet queueing"),
    "http_connections": Row(20, "connections per arm", "guess: opened ahead, so that connecting is not measured"),
}
OPERATIONS = ("first_page", "deep_page", "list_conversations", "send_message")
_SHARES = [float(WORKLOAD[f"{operation}_share"].value) for operation in OPERATIONS]


class Duet(LoadScenario):
    """Sends pairs, and keeps the times of both arms apart."""

    entry = DUET
    workload = WORKLOAD
    one_process_because = "each arrival's pair is sent by one generator, whose own noise both servers then share"

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        self.block = str(session.options.block or 0)
        self.rounds = int(options.rounds)
        self.round_ns = int(float(options.round_seconds) * 1e9)
        self.arms = [
            DuetArm(name, host, session.options.login_key, session.counts)
            for name, host in (("base", session.options.host), ("head", options.head_host.rstrip("/")))
        ]
        if self.arms[0].dataset.sha256 != self.arms[1].dataset.sha256:
            raise InputError(
                f"the servers hold different data sets ({self.arms[0].dataset.sha256[:12]} and "
                f"{self.arms[1].dataset.sha256[:12]}); seed both with the same size and seed"
            )
        self.members: list[UUID] = []
        self.random = Random(f"duet {session.options.seed} {self.block}")
        self.begin_realtime_ns = 0
        self.sent_count = 0
        self.under_way = 0
        self.awaited_deliveries = 0  # of answered sends, not yet here

    @staticmethod
    def add_options(parser: Any) -> None:
        """The duet's own options."""
        texts = DUET.options
        add_option(parser, "--head-host", texts["--head-host"], default="")
        add_option(parser, "--rate", texts["--rate"], type=float, default=WORKLOAD["rate"].value)
        add_option(parser, "--rounds", texts["--rounds"], type=int, default=WORKLOAD["rounds"].value)
        add_option(
            parser, "--round-seconds", texts["--round-seconds"], type=positive, default=WORKLOAD["round_seconds"].value
        )

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        if not options.head_host:
            raise InputError("--head-host is missing: a duet needs a second server")
        check_target(options.head_host, allow_remote=options.allow_remote)
        if options.rate < 0:
            raise InputError(f"--rate {options.rate:g} is below 0; use 0 to measure what both manage")
        if options.rounds < 1:
            raise InputError(f"--rounds {options.rounds} measures nothing; use 1 or more")
        return {name: getattr(options, name) for name in ("head_host", "rate", "rounds", "round_seconds")}

    def prepare(self) -> None:
        """Prepares both arms alike, warms them, and finds the rate where none is given."""
        count = int(WORKLOAD["members"].value)
        if self.session.options.user_count < count:
            raise InputError(f"a duet needs {count} users; use --users {count} or more")
        self.members = [self.session.user_id(number) for number in range(count)]
        for arm in self.arms:
            arm.prepare(
                self.members,
                page_size=int(WORKLOAD["page_size"].value),
                pages=int(WORKLOAD["deep_pages"].value),
                connections=int(WORKLOAD["http_connections"].value),
            )
            for member in self.members:
                arm.listen(member, self._receiver(arm), self.session.connection_ended)
        self._closed_loop(float(WORKLOAD["warm_up_seconds"].value))
        if not self.rate:
            capacity = self._closed_loop(float(WORKLOAD["capacity_seconds"].value))
            self.session.count("duet_capacity_per_second", round(capacity, 1))
            self.rate = capacity * float(WORKLOAD["capacity_share"].value)
            self.round_ns = max(self.round_ns, self._round_ns_for_operations())
        self.session.count("duet_rate_per_second", round(self.rate, 3))
        self.session.count("duet_round_seconds", self.round_ns / 1e9)

    def _round_ns_for_operations(self) -> int:
        """How long a round has to be so that at this rate each operation gets its number, within bounds."""
        wanted = float(WORKLOAD["round_operations"].value) / min(_SHARES)
        return int(min(wanted / self.rate, float(WORKLOAD["round_seconds_max"].value)) * 1e9)

    def user_started(self, user: ChatUser) -> None:
        """The arms are connected already; Locust's users only make the run last."""

    def measure(self, begin_ns: int) -> None:
        """Starts the pairs."""
        self.begin_realtime_ns = self.session.probe.clock.realtime_ns(begin_ns)
        arrivals = ARRIVALS[self.session.options.arrivals](self.rate, f"duet {self.session.options.seed} {self.block}")
        gevent.spawn(self.session.open_loop("pair").drive, arrivals, begin_ns, self._pair)
        gevent.spawn_later(self.rounds * self.round_ns / 1e9, self.session.end)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - pairs have the schedule
        """Waits for the end."""
        self.session.stopping.wait()

    def outstanding(self) -> int:
        """Requests not yet answered, and deliveries not yet here."""
        return self.under_way + max(0, self.awaited_deliveries)

    def finish(self) -> list[LedgerTotals]:
        """Disconnects; a duet keeps no ledger."""
        for arm in self.arms:
            arm.close()
        return []

    def _pair(self, intended_ns: int) -> None:
        """The same operation on both arms at once; which one is first is a coin toss."""
        self.sent_count += 1
        marker = Marker(self.session.token, self.sent_count, intended_ns)
        request = Request(
            operation=self.random.choices(OPERATIONS, _SHARES)[0],
            bookmark=self.random.randrange(1 << 16),
            sender=self.random.choice(self.members),
            content=marked_content(marker, content_length(self.random)),
            page_size=int(WORKLOAD["page_size"].value),
        )
        first, second = self.random.sample(self.arms, 2)
        other = gevent.spawn(self._perform, second, request, intended_ns)
        self._perform(first, request, intended_ns)
        other.join()

    def _perform(self, arm: DuetArm, request: Request, intended_ns: int) -> None:
        self.under_way += 1
        try:
            response = arm.perform(request, intended_ns)
        finally:
            self.under_way -= 1
        self._note(arm, request.operation, response)

    def _note(self, arm: DuetArm, operation: str, response: Any) -> None:
        session = self.session
        session.count("duet_asked", arm=arm.name)
        if not self.begin_realtime_ns:
            return  # the warm-up's
        report_response(f"{arm.name} {operation}", "POST" if operation == "send_message" else "GET", response)
        if not response.ok:
            session.failures[f"{arm.name} {operation}: {response.problem()}"] += 1
            session.count("duet_failed", arm=arm.name)
            return
        number = self._round(response.intended_ns)
        if number is not None:
            if operation == "send_message":
                self.awaited_deliveries += len(self.members)
                session.count("duet_expected_deliveries", len(self.members), arm=arm.name)
            labels = {"arm": arm.name, "block": self.block, "round": number}
            session.recorder.series("duet_request_us", operation=operation, **labels)(response.request_us)
            session.count("duet_requests", operation=operation, arm=arm.name)
            session.count("duet_response_bytes", len(response.body), operation=operation, arm=arm.name)

    def _receiver(self, arm: DuetArm) -> EventHandler:
        def on_message(event: Any, wire_bytes: int, arrival_ns: int, _observed_ns: int) -> None:
            marker = read_marker(event.b)
            if marker is None or marker.token != self.session.token or not self.begin_realtime_ns:
                return
            number = self._round(marker.intended_ns)
            if number is not None:
                self.awaited_deliveries -= 1
                labels = {"arm": arm.name, "block": self.block, "round": number}
                delay_us = (arrival_ns - marker.intended_ns) // 1000
                self.session.recorder.series("duet_delivery_us", **labels)(delay_us)
                self.session.count("duet_deliveries", arm=arm.name)
                self.session.count("duet_delivery_bytes", wire_bytes, arm=arm.name)

        return on_message

    def _round(self, intended_ns: int) -> str | None:
        """The number of the round in which something was intended; None outside all."""
        number = (intended_ns - self.begin_realtime_ns) // self.round_ns
        return str(number) if 0 <= number < self.rounds else None

    def _closed_loop(self, seconds: float) -> float:
        """Pairs per second when a few are always under way."""
        end = time.monotonic() + seconds
        done = 0

        def keep_going() -> None:
            nonlocal done
            while time.monotonic() < end:
                self._pair(time.time_ns())
                done += 1

        gevent.joinall([gevent.spawn(keep_going) for _ in range(int(WORKLOAD["capacity_users"].value))])
        return done / seconds


class DuetUser(ChatUser):
    """Makes the run last; the pairs are driven by the run itself."""


install(Duet)
