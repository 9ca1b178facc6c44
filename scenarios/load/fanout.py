"""Asks how delivery latency and bandwidth grow with the size of the group.

Groups of several sizes are made of connected users; messages are sent open-loop to each at the same rate, and every
delivery to every member is timed by the kernel and entered into the ledger. Some connected users belong to no group:
whatever reaches them is a leak.

    locust -f scenarios/load/fanout.py --host http://127.0.0.1:8000 --headless
"""

from typing import Any
from uuid import UUID

import gevent

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.group_traffic import GroupTraffic, WithGroupTraffic
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.made_groups import MadeGroup, make_groups, own_senders, usable_sizes
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.ledger import SettledMessage
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "group_sizes": Row("2,10,50,100", "members", "guess: a pair, a team, a department; larger ones need more users"),
    "rate": Row(
        40, "messages/s", "guess: with the default sizes 1 620 deliveries/s, a tenth of what one core receives"
    ),
    "non_members": Row(8, "users", "guess: enough to notice a broadcast to everyone"),
    "deadline_ms": Row(1000, "ms", "guess: later than this a conversation stops feeling live"),
    "settle_seconds": Row(8, "s", "guess: a message's last recipient is waited for this long"),
    "warm_up_messages": Row(5, "messages per group", "guess: plans are cached, connections open"),
    "http_connections": Row(20, "connections", "guess: opened ahead, so that connecting is not measured"),
}


MESSAGE_KIND = "m"  # of message events, as the server counts them


class Fanout(WithGroupTraffic, LoadScenario):
    """Sends to groups and keeps the books of every delivery."""

    entry = SCENARIOS["fanout"]
    workload = WORKLOAD
    plan_type = list[MadeGroup]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.sizes = usable_sizes(session, parse_sizes(options.group_sizes), int(options.non_members))
        self.rate = float(options.rate)
        self.non_members = int(options.non_members)
        self.traffic = GroupTraffic(
            session,
            deadline_ms=float(options.deadline_ms),
            settle_seconds=float(WORKLOAD["settle_seconds"].value),
        )
        self.traffic.on_settled = self._count_received
        self.written_before: tuple[int, int] | None = None
        self.senders: dict[UUID, tuple[int, ...]] = {}  # conversation → users who send in it here

    @staticmethod
    def add_options(parser: Any) -> None:
        """Fan-out's own options."""
        texts = SCENARIOS["fanout"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(parser, "--group-sizes", texts["--group-sizes"], type=sizes, default=WORKLOAD["group_sizes"].value)
        add_option(parser, "--non-members", texts["--non-members"], type=int, default=WORKLOAD["non_members"].value)
        add_option(
            parser, "--deadline-ms", texts["--deadline-ms"], type=positive, default=WORKLOAD["deadline_ms"].value
        )

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.group_sizes)
        if options.non_members < 0:
            raise InputError(f"--non-members {options.non_members} is below 0; use 0 or more")
        names = ("rate", "group_sizes", "non_members", "deadline_ms")
        return {name: getattr(options, name) for name in names}

    def plan(self) -> list[MadeGroup]:
        """Makes the groups and sends the first messages into each, unmeasured."""
        session, warm_up = self.session, int(WORKLOAD["warm_up_messages"].value)
        return make_groups(session, "fan-out", self.sizes, session.options.user_count - self.non_members, warm_up)

    def adopt(self, plan: list[MadeGroup]) -> None:
        """Opens the books of every group, and connections."""
        for group in plan:
            self.traffic.open_books(group)
            self.senders[group.conversation_id] = own_senders(self.session, group)
        self.session.pool.warm(int(WORKLOAD["http_connections"].value))
        if self.session.seat.keeps_the_run:
            self.written_before = self.session.chat.written_events(MESSAGE_KIND)

    def user_started(self, user: ChatUser) -> None:
        """Connects the user and opens the books of its memberships."""
        self.traffic.join(user)

    def measure(self, begin_ns: int) -> None:
        """Starts one open loop of sends per group; together they make the asked rate."""
        groups = self.traffic.groups
        for group in groups:
            seed = f"{self.session.options.seed} {group.size}"
            arrivals = ARRIVALS[self.session.options.arrivals](self.rate / len(groups), seed)
            arrivals = self.session.share(arrivals)
            loop = self.session.open_loop("send_message")
            gevent.spawn(loop.drive, arrivals, begin_ns, lambda intended_ns, group=group: self.send(group, intended_ns))

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - receivers have no schedule
        """Receives."""
        self.traffic.stay_connected(user)

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing."""
        self.traffic.leave(user)

    def send(self, group: MadeGroup, intended_ns: int) -> None:
        """One timed send by a member of the group."""
        self.traffic.send(group, self.session.random.choice(self.senders[group.conversation_id]), intended_ns)

    def unanswered_count(self) -> int:
        """Sends not yet answered."""
        return self.traffic.unanswered

    def outstanding(self) -> int:
        """Deliveries not yet here, and sends not yet answered."""
        return self.traffic.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        totals = self.traffic.finish()
        if self.session.seat.keeps_the_run:
            self._count_written()
        return totals

    def _count_received(self, settled: SettledMessage) -> None:
        self.session.count("fanout_deliveries", len(settled.arrivals))
        self.session.count("fanout_content_bytes", settled.content_bytes * len(settled.arrivals))
        self.session.count("fanout_received_bytes", sum(settled.wire_bytes))

    def _count_written(self) -> None:
        """What the same deliveries were at the server, where it tells."""
        session, cpu_us = self.session, self.session.probe.server_cpu_us()
        written = session.chat.written_events(MESSAGE_KIND)
        if written is not None and self.written_before is not None:
            session.count("fanout_written_events", written[0] - self.written_before[0])
            session.count("fanout_written_bytes", written[1] - self.written_before[1])
        if cpu_us is not None:
            session.count("fanout_server_cpu_us", cpu_us)


class FanoutUser(ChatUser):
    """A connected recipient, and now and then the sender."""


install(Fanout)
