"""Asks what a read replica buys, and what reading from it breaks.

Several servers work on one primary: the target, and its peers, each with a policy for reading one's own writes from the
replica. They take turns in short windows, each at several shares of reads; one generator loads whoever has the turn. A
page is stale when it lacks a message that was acknowledged before the page was asked for: seqs have no gaps, so its
newest one tells.

    locust -f scenarios/load/replica.py --host http://127.0.0.1:8000 --headless
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from math import isfinite
from typing import Any, TypedDict
from uuid import UUID, uuid4

import gevent

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.compared_server import ComparedServer, checked_peers, peer_clients
from scenarios.client.http_client import Response
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_response
from scenarios.client.message_lengths import content_length
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.completeness import completeness
from scenarios.markers import Marker, marked_content
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.windows import Windows
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(60, "operations/s", "guess: far below what one server carries, so that latency is not queueing"),
    "read_shares": Row("50,90", "% of operations", "guess: a busy room, and one that is mostly read"),
    "window_seconds": Row(0.75, "s", "guess: each server has several turns at each share in a short run"),
    "conversations": Row(6, "per server", "guess: enough that most reads meet no write of a moment ago"),
    "members": Row(4, "per conversation", "guess: a small team"),
    "history_messages": Row(20, "messages per conversation", "guess: a page worth reading"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "lag_seconds": Row(0.25, "s", "guess: how often the lag is asked for"),
    "http_connections": Row(10, "connections per server", "guess: opened ahead, so that connecting is not measured"),
}
ALONE = "as served"  # the target's name when it has no peers: whether it has a replica is its own business
WITHOUT = "no replica"  # the target's name beside peers


@dataclass(frozen=True)
class PlannedRoom:
    """One conversation as it was made, with what is in it."""

    conversation_id: str
    members: list[UUID]
    acknowledged_seq: int
    acknowledged_ids: list[str]


@dataclass(eq=False)
class Room:
    """One conversation, written by one server only."""

    conversation_id: str
    members: list[UUID]
    acknowledged_seq: int = 0  # highest
    acknowledged_ids: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Server(ComparedServer):
    """One chat server and the conversations that are its own."""

    rooms: list[Room] = field(default_factory=list)


class Labels(TypedDict):
    """Of an arm."""

    policy: str
    read_share: str


@dataclass(frozen=True)
class Arm:
    """Whose turn it is, and how much of its load only reads."""

    server: Server
    read_share_percent: int

    @property
    def labels(self) -> Labels:
        """As metrics and counts name it."""
        return {"policy": self.server.name, "read_share": str(self.read_share_percent)}


class Replica(LoadScenario):
    """Writes, and reads what was written."""

    entry = SCENARIOS["replica"]
    workload = WORKLOAD
    plan_type = dict[str, list[PlannedRoom]]
    findings_type = set[int]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        peers = peer_clients(session, options.peers)
        self.servers = [Server(WITHOUT if peers else ALONE, session.chat)]
        self.servers += [Server(name, chat) for name, chat in peers.items()]
        arms = [Arm(server, share) for server, share in product(self.servers, parse_sizes(options.read_shares))]
        self.windows = Windows(arms, float(options.window_seconds), session.options.seed)
        self.begin_realtime_ns = 0
        self.begun_windows: set[int] = set()
        self.sent_count = 0
        self.working = 0

    @staticmethod
    def add_options(parser: Any) -> None:
        """The replica's own options."""
        texts = SCENARIOS["replica"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(parser, "--read-shares", texts["--read-shares"], type=sizes, default=WORKLOAD["read_shares"].value)
        window = WORKLOAD["window_seconds"].value
        add_option(parser, "--window-seconds", texts["--window-seconds"], type=positive, default=window)
        add_option(parser, "--peers", texts["--peers"], default="", metavar="<servers>")

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        shares = parse_sizes(options.read_shares)
        if shares[-1] > 99:
            raise InputError(f"--read-shares {options.read_shares} leave no writes; use shares of 1 to 99 %")
        peers = checked_peers(options.peers, {WITHOUT, ALONE}, allow_remote=options.allow_remote)
        names = ("rate", "read_shares", "window_seconds")
        return {**{name: getattr(options, name) for name in names}, "peers": peers}

    def plan(self) -> dict[str, list[PlannedRoom]]:
        """Makes each server's conversations, by that server, in the name of each; each process has one at least.

        A conversation is written and read by one process, which knows at every moment what was acknowledged.
        """
        session = self.session
        users = [session.user_id(number) for number in range(session.options.user_count)]
        size = int(WORKLOAD["members"].value)
        if len(users) < size:
            raise InputError(f"--users {len(users)} make no conversation of {size}; use {size} or more")
        made_rooms: dict[str, list[PlannedRoom]] = {server.name: [] for server in self.servers}
        for server in self.servers:
            server.check_dataset(session)
            for number in range(max(int(WORKLOAD["conversations"].value), session.seat.count)):
                members = session.random.sample(users, size)
                name = f"{server.name} {number} {session.token}"
                made = server.chat.create_group_conversation(server.token(members[0]), name, members[1:])
                room = Room(made.id, members)
                for _ in range(int(WORKLOAD["history_messages"].value)):
                    response = self._send(server, room, members[0], None)
                    if not response.ok:
                        raise InputError(f"the server {server.name!r} refused a message: {response.problem()}")
                made_rooms[server.name].append(
                    PlannedRoom(room.conversation_id, members, room.acknowledged_seq, room.acknowledged_ids)
                )
        return made_rooms

    def adopt(self, plan: dict[str, list[PlannedRoom]]) -> None:
        """Takes up this process's conversations, and opens connections to every server."""
        for server in self.servers:
            for place, made in enumerate(plan[server.name]):
                if self.session.seat.is_generator and self.session.is_own(place):
                    room = Room(made.conversation_id, made.members, made.acknowledged_seq, list(made.acknowledged_ids))
                    server.rooms.append(room)
                    for member in room.members:
                        server.token(member)
            server.chat.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Everything goes over HTTP."""

    def measure(self, begin_ns: int) -> None:
        """Starts the operations."""
        self.begin_realtime_ns = self.session.probe.clock.realtime_ns(begin_ns)
        arrivals = ARRIVALS[self.session.options.arrivals](self.rate, f"{self.session.options.seed} operations")
        arrivals = self.session.share(arrivals)
        gevent.spawn(self.session.open_loop("replica_operation").drive, arrivals, begin_ns, self.operate)

    def oversee(self, begin_ns: int) -> None:
        """Starts the look at the lag."""
        self.begin_realtime_ns = self.session.probe.clock.realtime_ns(begin_ns)
        gevent.spawn(self._watch_lag)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:
        """The schedule decides who acts."""

    def operate(self, intended_ns: int) -> None:
        """One timed operation on the server whose turn it is: a read, or a write and a read of it."""
        offset_seconds = (intended_ns - self.begin_realtime_ns) / 1e9
        arm = self.windows.arm(offset_seconds)
        self.begun_windows.add(int(offset_seconds // self.windows.window_seconds))
        random = self.session.random
        room = random.choice(arm.server.rooms)
        user = random.choice(room.members)
        self.working += 1
        try:
            if random.random() * 100 < arm.read_share_percent:
                self._read(arm, room, user, intended_ns)
                return
            response = self._send(arm.server, room, user, intended_ns)
            self._note(arm, "send", response)
            if response.ok:
                self._read(arm, room, user, None)
        finally:
            self.working -= 1

    def unanswered_count(self) -> int:
        """Operations not yet answered."""
        return self.working

    def outstanding(self) -> int:
        """The same."""
        return self.working

    def finish(self) -> list[LedgerTotals]:
        """Looks for every acknowledged message of every server, on the target."""
        totals = []
        for server in self.servers:
            acknowledged = [one for room in server.rooms for one in room.acknowledged_ids]
            try:
                shown = [one for room in server.rooms for one in self._all_of(room)]
            except InputError as error:
                self.session.warnings.append(f"messages of {server.name} were not looked for: {error}")
                continue
            totals.append(completeness(self.session.scenario, {"policy": server.name}, acknowledged, shown))
        for server in self.servers[1:]:
            server.chat.pool.close()
        return totals

    def findings(self) -> set[int]:
        """The windows in which an operation began here."""
        return self.begun_windows

    def tell(self, findings: list[set[int]]) -> list[LedgerTotals]:
        """The turns that each server had."""
        window_seconds, arm_count = self.windows.window_seconds, len(self.windows.order)
        turns = Counter(self.windows.arm((number + 0.5) * window_seconds) for number in set().union(*findings))
        for arm, count in turns.items():
            self.session.count("replica_windows", count, **arm.labels)
        measured = set(turns)
        if len(measured) < arm_count:
            self.session.warnings.append(
                f"{arm_count - len(measured)} of {arm_count} combinations of server and read share had no turn; use a "
                f"--run-time above {self.windows.block_seconds:g} s or shorter --window-seconds"
            )
        return []

    def _all_of(self, room: Room) -> list[str]:
        target = self.servers[0]
        return target.chat.all_message_ids(target.token(room.members[0]), room.conversation_id)

    def _send(self, server: Server, room: Room, user: UUID, intended_ns: int | None) -> Response:
        session = self.session
        self.sent_count += 1
        marker = Marker(session.token, self.sent_count, intended_ns or time.time_ns())
        content = marked_content(marker, content_length(session.random))
        response = server.chat.send_message(server.token(user), room.conversation_id, content, uuid4(), intended_ns)
        message = server.chat.parse_message(response)
        if message is not None:
            room.acknowledged_seq = max(room.acknowledged_seq, message.seq)
            room.acknowledged_ids.append(message.id)
        return response

    def _read(self, arm: Arm, room: Room, user: UUID, intended_ns: int | None) -> None:
        """Reads the newest page and looks for what had been acknowledged; without a time: right after one's write."""
        request = "read_own" if intended_ns is None else "read"
        must_show = room.acknowledged_seq
        chat, page_size = arm.server.chat, int(WORKLOAD["page_size"].value)
        response = chat.get_messages(arm.server.token(user), room.conversation_id, page_size, None, intended_ns)
        self._note(arm, request, response)
        page = chat.parse_page(response)
        if page is None:
            return
        newest = max((message.seq for message in page.messages), default=0)
        served_by = response.served_by or "unknown"
        is_stale = int(newest < must_show)
        self.session.count("replica_reads", request=request, served_by=served_by, **arm.labels)
        self.session.count("replica_stale_reads", is_stale, request=request, served_by=served_by, **arm.labels)

    def _note(self, arm: Arm, request: str, response: Response) -> None:
        policy, share = arm.labels["policy"], arm.labels["read_share"]
        self.session.note_response(f"{request} at {policy}", response, weight=policy, depth=share)
        report_response(f"{request} {policy}", "HTTP", response)
        if response.ok:
            self.session.recorder.series("replica_request_us", request=request, **arm.labels)(response.request_us)

    def _watch_lag(self) -> None:
        """Asks the server whose turn it is; one without a replica has none to tell."""
        while not self.session.stopping.wait(timeout=float(WORKLOAD["lag_seconds"].value)):
            server = self.windows.arm((time.time_ns() - self.begin_realtime_ns) / 1e9).server
            lag_bytes = server.chat.server_metric("chat_replica_lag_bytes")
            # NaN while the server does not know: its replica is away, or it has none.
            if lag_bytes is not None and isfinite(lag_bytes) and server.name != WITHOUT:
                self.session.recorder.series("replica_lag_bytes", policy=server.name)(int(lag_bytes))


class ReplicaUser(ChatUser):
    """Reads and writes."""


install(Replica)
