"""Asks how delivery latency and bandwidth grow with the size of the group.

Groups of several sizes are made of connected users; messages are sent open-loop to each at the same rate, and every
delivery to every member is timed by the kernel and entered into the ledger. Some connected users belong to no group:
whatever reaches them is a leak.

    locust -f scenarios/load/fanout.py --host http://127.0.0.1:8000 --headless
"""

import time
from typing import Any
from uuid import UUID, uuid4

import gevent
import msgspec

from fixtures.errors import InputError
from reference_server.frames import SUBPROTOCOLS
from scenarios.catalogue import SCENARIOS
from scenarios.client.delivery_books import DeliveryBooks, DeliverySeries
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request, report_response
from scenarios.client.message_lengths import content_length
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.ledger import Ledger, Recipient, SettledMessage
from scenarios.markers import Marker, marked_content
from scenarios.run_folder import LedgerTotals
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


class Group(msgspec.Struct, frozen=True):
    """One group of the run."""

    size: int
    conversation_id: str
    members: tuple[int, ...]  # numbers of the run's users
    base_seq: int  # its last one before the measured time


class Fanout(LoadScenario):
    """Sends to groups and keeps the books of every delivery."""

    entry = SCENARIOS["fanout"]
    distributed = True
    plan_type = list[Group]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.sizes = _usable_sizes(session, parse_sizes(options.group_sizes), options)
        self.rate = float(options.rate)
        self.subprotocol: str = options.subprotocol
        self.non_members = int(options.non_members)
        ledger = Ledger(
            "fanout",
            deadline_ns=int(float(options.deadline_ms) * 1e6),
            settle_after_ns=int(float(WORKLOAD["settle_seconds"].value) * 1e9),
        )
        self.books = DeliveryBooks(ledger, session.token, session.seat.clock_offset_ns)
        self.series = DeliverySeries(session.recorder)
        self.recipients: dict[int, Recipient] = {}
        self.groups: list[Group] = []
        self.senders: dict[str, tuple[int, ...]] = {}  # conversation → users who send in it here
        self.sent_count = 0
        self.unanswered = 0
        session.on_second = self.settle

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
        add_option(parser, "--subprotocol", texts["--subprotocol"], choices=list(SUBPROTOCOLS), default=SUBPROTOCOLS[0])

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.group_sizes)
        if options.non_members < 0:
            raise InputError(f"--non-members {options.non_members} is below 0; use 0 or more")
        names = ("rate", "group_sizes", "non_members", "deadline_ms", "subprotocol")
        return {name: getattr(options, name) for name in names}

    def plan(self) -> list[Group]:
        """Makes the groups and sends the first messages into each, unmeasured."""
        session = self.session
        pool = range(session.options.user_count - self.non_members)
        groups = []
        for size in self.sizes:
            members = tuple(session.random.sample(pool, size))
            ids = [session.user_id(number) for number in members]
            token = session.login(ids[0])
            made = session.chat.create_group_conversation(token, f"fan-out {size} {session.token}", ids[1:])
            base_seq = made.last_seq
            for _ in range(int(WORKLOAD["warm_up_messages"].value)):
                response = session.chat.send_message(token, made.id, "hello everyone", uuid4())
                message = session.chat.parse_message(response)
                if message is None:
                    raise InputError(f"{session.options.host} refused a message to a new group: {response.problem()}")
                base_seq = message.seq
            groups.append(Group(size, made.id, members, base_seq))
        return groups

    def adopt(self, plan: list[Group]) -> None:
        """Opens the books of every group, and connections."""
        self.groups = plan
        for group in self.groups:
            self.books.ledger.add_conversation(self._key(group), {"group_size": str(group.size)})
            # Members who are users of this process, if there are any: their tokens are here anyway.
            own = tuple(number for number in group.members if self.session.is_own(number))
            self.senders[group.conversation_id] = own or group.members
            if not own:
                for number in group.members:
                    self.session.login(self.session.user_id(number))
        self.session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Connects the user and opens the books of its memberships."""
        client = GatewayClient(self.subprotocol, self.session.counts)
        user.gateway = client
        recipient = self.books.ledger.add_recipient(str(user.number))
        self.recipients[user.number] = recipient
        for group in self.groups:
            if user.number in group.members:
                conversation = self.books.ledger.conversations[self._key(group)]
                base = max([group.base_seq, *(high for high, _ in conversation.acknowledged)])
                recipient.join(conversation, base)
                client.last_seq[conversation.key] = base
        client.on_message = self.books.receiver(recipient)
        client.on_close = lambda code, reason: self._connection_ended(user, code, reason)
        self._connect(client, user)

    def measure(self, begin_ns: int) -> None:
        """Starts one open loop of sends per group; together they make the asked rate."""
        rate = self.rate / len(self.groups)
        for group in self.groups:
            arrivals = ARRIVALS[self.session.options.arrivals](rate, f"{self.session.options.seed} {group.size}")
            arrivals = self.session.share(arrivals)
            loop = self.session.open_loop("send_message")
            gevent.spawn(loop.drive, arrivals, begin_ns, lambda intended_ns, group=group: self.send(group, intended_ns))

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - receivers have no schedule
        """Receives, which needs nothing from this greenlet; one who is cut off comes back and asks what it missed."""
        client = user.gateway
        if client is not None:
            user.keep_connected(lambda: self._connect(client, user, resume=True))

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing."""
        recipient = self.recipients.pop(user.number, None)
        if recipient is not None and user.gateway is not None and user.gateway.is_open:
            recipient.stop_listening()

    def send(self, group: Group, intended_ns: int) -> None:
        """One timed send by a member of the group; its acknowledgement opens the expectation of its deliveries."""
        session = self.session
        self.sent_count += 1
        marker = Marker(session.token, self.sent_count, session.shared_ns(intended_ns))
        content = marked_content(marker, content_length(session.random))
        sender = session.user_id(session.random.choice(self.senders[group.conversation_id]))
        token = session.login(sender)
        self.unanswered += 1
        response = session.chat.send_message(token, group.conversation_id, content, uuid4(), intended_ns)
        self.unanswered -= 1
        session.note_response("send_message", response, weight=f"group of {group.size}", depth="new")
        report_response(f"send to {group.size}", "POST", response)
        message = session.chat.parse_message(response)
        if message is not None:
            key = self._key(group)
            self.books.ledger.sent(key, message.seq, intended_ns, len(content))

    def settle(self, now_ns: int, *, everything: bool = False) -> None:
        """Records what arrived since the last time."""
        self.books.settle(now_ns, self._record, everything=everything)

    def unanswered_count(self) -> int:
        """Sends not yet answered."""
        return self.unanswered

    def shared_ledger(self) -> Ledger:
        """Every delivery's."""
        return self.books.ledger

    def outstanding(self) -> int:
        """Deliveries not yet here, and sends not yet answered."""
        return self.unanswered + self.books.ledger.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        self.settle(time.time_ns(), everything=True)
        totals = self.books.ledger.reconcile()
        for one in totals:
            if one.leaked:
                size = one.labels.get("group_size", "unknown")
                self.session.warnings.append(f"{one.leaked} deliveries of group size {size} came to non-members")
        return totals

    def _record(self, settled: SettledMessage) -> None:
        self.series.record_deliveries(settled)
        self.session.on_settled(settled)

    def record_whole(self, settled: SettledMessage) -> None:
        """A message's first to last recipient."""
        self.series.record_whole(settled)
        # One line per message in Locust's own statistics, not one per delivery: firing its event costs 3.3 µs.
        last_us = settled.reached_us(1.0)
        if last_us is not None:
            size = settled.conversation.labels["group_size"]
            report_request("WS", f"last delivery of {size}", last_us / 1000, settled.content_bytes)

    def _connect(self, client: GatewayClient, user: ChatUser, *, resume: bool = False) -> None:
        self.session.connect(client, user.user_id, lambda: client.subscribe_messages(resume=resume))

    def _connection_ended(self, user: ChatUser, code: int, reason: str) -> None:
        if user.number in self.recipients:
            self.session.connection_ended(code, reason)

    def _key(self, group: Group) -> str | bytes:
        id_ = UUID(group.conversation_id)
        return str(id_) if self.subprotocol.endswith("json") else id_.bytes


def _usable_sizes(session: RunSession, asked: tuple[int, ...], options: Any) -> tuple[int, ...]:
    """The group sizes that the run's users allow; the ones left out are told, and none at all is an error."""
    available = session.options.user_count - int(options.non_members)
    usable = tuple(size for size in asked if 2 <= size <= available)
    if not usable:
        raise InputError(
            f"no group of {options.group_sizes} fits {session.options.user_count} users of whom {options.non_members} "
            "stay outside; use more --users or smaller --group-sizes"
        )
    if usable != asked:
        left_out = ", ".join(str(size) for size in asked if size not in usable)
        session.warnings.append(f"group sizes left out: {left_out}; {available} users are there to be members")
    return usable


class FanoutUser(ChatUser):
    """A connected recipient, and now and then the sender."""


install(Fanout)
