"""Asks how fast "read" comes back.

Members of groups of several sizes mark messages as read, open-loop, one message further each time; every receipt is
timed at every other participant and entered into the ledger. Somebody keeps writing, so that there is always something
to read.

    locust -f scenarios/load/receipts.py --host http://127.0.0.1:8000 --headless
"""

import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import gevent

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request, report_response
from scenarios.client.made_groups import MadeGroup, make_group, usable_sizes, write_opening
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.ledger import Ledger, Recipient, SettledMessage
from scenarios.reading_turns import ReadingTurns
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "rate": Row(40, "marks/s", "guess: with the default sizes 830 receipts/s, beside the messages that are read"),
    "group_sizes": Row("2,10,50", "members", "guess: a pair, a team, a department"),
    "deadline_ms": Row(1000, "ms", "guess: later than this, who wrote looks again whether it was read"),
    "settle_seconds": Row(8, "s", "guess: a receipt's last recipient is waited for this long"),
    "unread_seconds": Row(1, "s", "guess: what each reader has before them, written ahead"),
    "http_connections": Row(20, "connections", "guess: opened ahead, so that connecting is not measured"),
}
WRITING_SECONDS = 0.05


@dataclass(frozen=True)
class PlannedRoom:
    """One group of the run, as it was made."""

    group: MadeGroup
    unread: int  # messages that are to be there for every reader


@dataclass(frozen=True)
class Room:
    """One group of the run. Its maker writes, the others read."""

    group: MadeGroup
    turns: ReadingTurns | None  # of this process's readers; None when it has none
    places: list[int]  # the run's processes that have some

    @property
    def size(self) -> str:
        """As labels have it."""
        return str(len(self.group.members))

    @property
    def readers(self) -> tuple[int, ...]:
        """Numbers of the run's users."""
        return self.group.members[1:]


class Receipts(LoadScenario):
    """Marks messages as read and keeps the books of every receipt."""

    entry = SCENARIOS["receipts"]
    workload = WORKLOAD
    plan_type = list[PlannedRoom]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        self.sizes = usable_sizes(session, parse_sizes(options.group_sizes))
        self.ledger = Ledger(
            "receipts",
            deadline_ns=int(float(options.deadline_ms) * 1e6),
            settle_after_ns=int(float(WORKLOAD["settle_seconds"].value) * 1e9),
            superseding=True,  # a receipt says that everything before is read as well
        )
        self.rooms: dict[str | bytes, Room] = {}
        self.recipients: dict[int, Recipient] = {}
        self.marks: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.unanswered = 0
        self.wire_id = session.wire_id
        session.on_second = self.settle

    @staticmethod
    def add_options(parser: Any) -> None:
        """The receipts' own options."""
        texts = SCENARIOS["receipts"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(parser, "--group-sizes", texts["--group-sizes"], type=sizes, default=WORKLOAD["group_sizes"].value)
        add_option(
            parser, "--deadline-ms", texts["--deadline-ms"], type=positive, default=WORKLOAD["deadline_ms"].value
        )

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.group_sizes)
        return {name: getattr(options, name) for name in ("rate", "group_sizes", "deadline_ms")}

    def plan(self) -> list[PlannedRoom]:
        """Makes the groups, with something to read in each."""
        session, rooms = self.session, []
        rate = self.rate / len(self.sizes)
        for size in self.sizes:
            # In one second every reader gets this far.
            unread = math.ceil(float(WORKLOAD["unread_seconds"].value) * rate / (size - 1)) + 1
            members = session.random.sample(range(session.options.user_count), size)
            rooms.append(PlannedRoom(make_group(session, f"receipts {size}", members, 2 * unread), unread))
        return rooms

    def adopt(self, plan: list[PlannedRoom]) -> None:
        """Opens the books of every reader; those of this process take turns here."""
        session = self.session
        for planned in plan:
            group = planned.group
            readers = group.members[1:]
            own = tuple(number for number in readers if session.is_own(number))
            turns = ReadingTurns(own, group.last_seq, planned.unread) if own else None
            room = Room(group, turns, sorted({number % session.seat.count for number in readers}))
            self.rooms[self.wire_id(group.conversation_id)] = room
            for number in readers:
                self.ledger.add_conversation(self._key(room, number), {"group_size": room.size})
        session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Connects the user and opens the books of the receipts that are to come."""
        client = user.gateway = self.session.gateway_client()
        recipient = self.recipients[user.number] = self.ledger.add_recipient(str(user.number))
        for room in self.rooms.values():
            if user.number in room.group.members:
                for number in room.readers:
                    if number != user.number:
                        stream = self.ledger.conversations[self._key(room, number)]
                        recipient.join(stream, max((high for _, high in stream.acknowledged), default=0))
        own_id = self.wire_id(user.user_id)

        def on_receipt(event: Any, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
            room = self.rooms.get(event.c)
            if room is None:
                return  # of a conversation that is none of ours
            self.events[room.size] += 1
            if event.u != own_id:
                recipient.observe(f"{event.c} {event.u}", event.n, arrival_ns, observed_ns, wire_bytes)

        client.on_receipt = on_receipt
        client.on_message = self._written
        client.on_close = lambda code, reason: self._connection_ended(user, code, reason)
        self._connect(client, user)

    def measure(self, begin_ns: int) -> None:
        """Starts one open loop of marks per group, and its writer; together the loops make the asked rate."""
        session = self.session
        rate = self.rate / len(self.rooms)
        for room in self.rooms.values():
            if room.turns is None:
                continue
            arrivals = ARRIVALS[session.options.arrivals](rate, f"{session.options.seed} {room.size}")
            arrivals = session.share(arrivals, room.places)
            loop = session.open_loop("mark_read")
            gevent.spawn(
                loop.drive, arrivals, begin_ns, lambda at_ns, room=room, turns=room.turns: self.mark(room, turns, at_ns)
            )
            if session.seat.index == room.places[0]:  # one writes for all
                gevent.spawn(self._write, room, room.turns)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - groups have the schedule
        """Receives; one who is cut off comes back, and learns of what was read meanwhile by the next receipts."""
        client = user.gateway
        if client is not None:
            user.keep_connected(lambda: self._connect(client, user))

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing."""
        recipient = self.recipients.pop(user.number, None)
        if recipient is not None and user.gateway is not None and user.gateway.is_open:
            recipient.stop_listening()

    def mark(self, room: Room, turns: ReadingTurns, intended_ns: int) -> None:
        """One timed mark; its answer opens the expectation of its receipts."""
        session = self.session
        turn = turns.take()
        if turn is None:
            session.failures["mark_read: there is nothing left to read, the writer is behind"] += 1
            return
        number, seq = turn
        self.unanswered += 1
        response = session.chat.mark_read(
            session.login(session.user_id(number)), room.group.conversation_id, seq, intended_ns
        )
        self.unanswered -= 1
        session.note_response("mark_read", response, weight=f"group of {room.size}", depth="new")
        report_response(f"mark read in {room.size}", "POST", response)
        if session.chat.parse_read_state(response) is not None:
            self.marks[room.size] += 1
            self.ledger.sent(self._key(room, number), seq, intended_ns)

    def settle(self, now_ns: int, *, everything: bool = False) -> None:
        """Records what arrived since the last time."""
        for settled in self.ledger.settle(now_ns, everything=everything):
            self._record(settled)

    def unanswered_count(self) -> int:
        """Marks not yet answered."""
        return self.unanswered

    def shared_ledger(self) -> Ledger:
        """Every receipt's."""
        return self.ledger

    def outstanding(self) -> int:
        """Marks not yet answered, and participants who do not know yet."""
        return self.unanswered + self.ledger.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        self.settle(time.time_ns(), everything=True)
        session = self.session
        for size in self.marks | self.events:
            session.count("receipt_marks", self.marks[size], group_size=size)
            session.count("receipt_events", self.events[size], group_size=size)
        totals = self.ledger.reconcile()
        superseded = sum(one.superseded for one in totals)
        if superseded:
            session.warnings.append(f"{superseded} receipts were superseded by a newer one of the same reader")
        return totals

    def _record(self, settled: SettledMessage) -> None:
        size = settled.conversation.labels["group_size"]
        self.session.recorder.batch("receipt_us", group_size=size)(settled.latency_us())
        self.session.on_settled(settled)

    def record_whole(self, settled: SettledMessage) -> None:
        """When the last participant knew."""
        recorder, size = self.session.recorder, settled.conversation.labels["group_size"]
        last_us = settled.reached_us(1.0)
        if last_us is not None:
            recorder.series("receipt_last_us", group_size=size)(last_us)
            report_request("WS", f"receipt known to {size}", last_us / 1000, 0)

    def _written(self, event: Any, _wire_bytes: int, _arrival_ns: int, _observed_ns: int) -> None:
        """A message that may have been written by another process: there is so much to read."""
        room = self.rooms.get(event.c)
        if room is not None and room.turns is not None:
            room.turns.last_seq = max(room.turns.last_seq, event.n)

    def _write(self, room: Room, turns: ReadingTurns) -> None:
        """Writes ahead of the readers until the run stops."""
        session, group = self.session, room.group
        token = session.login(session.user_id(group.members[0]))
        while not session.stopping.wait(timeout=WRITING_SECONDS):
            while turns.needs_more and not session.stopping.is_set():
                try:
                    turns.last_seq = max(turns.last_seq, write_opening(session, token, group.conversation_id))
                except InputError as error:
                    session.failures[f"send_message: {error}"] += 1
                    break

    def _connect(self, client: GatewayClient, user: ChatUser) -> None:
        self.session.connect(client, user.user_id, client.subscribe_messages)

    def _connection_ended(self, user: ChatUser, code: int, reason: str) -> None:
        if user.number in self.recipients:
            self.session.connection_ended(code, reason)

    def _key(self, room: Room, number: int) -> str:
        """Under which the receipts of one reader in one conversation are booked, by ids as they are on the wire."""
        user_id: UUID = self.session.user_id(number)
        return f"{self.wire_id(room.group.conversation_id)!s} {self.wire_id(user_id)!s}"


class ReceiptsUser(ChatUser):
    """A connected participant who reads, and hears of what others have read."""


install(Receipts)
