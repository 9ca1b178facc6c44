"""Conversations of a run's own users: timed sends into them, and the books of every delivery to every member."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from scenarios.client.chat_client import Message
from scenarios.client.delivery_books import DeliveryBooks, DeliverySeries
from scenarios.client.http_client import Response
from scenarios.client.locust_requests import report_request
from scenarios.client.made_groups import MadeGroup
from scenarios.client.marked_sends import MarkedSends
from scenarios.client.run_session import RunSession
from scenarios.ledger import Ledger, Recipient, SettledMessage
from scenarios.run_records import LedgerTotals

_DELIVERIES_PER_PAUSE = 2_000


class GroupTraffic:
    """Takes up groups, connects members, sends, and reconciles; the ledger counts by group size."""

    def __init__(self, session: RunSession, *, deadline_ms: float, settle_seconds: float) -> None:
        self.session = session
        ledger = Ledger(
            session.scenario,
            deadline_ns=int(deadline_ms * 1e6),
            settle_after_ns=int(settle_seconds * 1e9),
        )
        self.books = DeliveryBooks(ledger, session.token, session.seat.clock_offset_ns)
        self.groups: list[MadeGroup] = []
        self._sends = MarkedSends(session, ledger)
        self.on_settled: Callable[[SettledMessage], None] = lambda _settled: None  # beside what is recorded
        self._series = DeliverySeries(session.recorder)
        self._recipients: dict[int, Recipient] = {}
        self._connecting: defaultdict[int, BoundedSemaphore] = defaultdict(BoundedSemaphore)  # one attempt at a time
        self._settling = BoundedSemaphore(1)  # the end of a run does not wait for the pauses of its last second
        self._unpaused = 0  # deliveries recorded since the last one
        session.on_second = self.settle

    # --- before the measured time -----------------------------------------------------------------------

    def open_books(self, group: MadeGroup) -> MadeGroup:
        """Takes up a group that was made, by this process or another of the run."""
        self.groups.append(group)
        self.books.ledger.add_conversation(self._key(group), {"group_size": str(group.size)})
        return group

    # --- members ----------------------------------------------------------------------------------------

    def join(self, user: Any) -> None:
        """Connects a user (its `number`, `user_id`, `gateway`) and opens the books of its memberships."""
        client = self.session.gateway_client()
        user.gateway = client
        own = [(self._key(group), group.last_seq) for group in self.groups if user.number in group.member_set]
        self._recipients[user.number] = self.books.open_recipient(client, str(user.number), own)
        client.on_close = lambda code, reason: self._connection_ended(user.number, code, reason)
        self._connect(user)

    def _connect(self, user: Any, *, resume: bool = False) -> bool:
        client = user.gateway
        return self.session.connect(client, user.user_id, lambda: client.subscribe_messages(resume=resume))

    def stay_connected(self, user: Any) -> None:
        """Receives, which needs nothing from this greenlet; one who is cut off comes back and asks what it missed."""
        user.keep_connected(lambda: self._come_back(user))

    def _come_back(self, user: Any) -> None:
        with self._connecting[user.number]:
            if not user.gateway.is_open:
                self._connect(user, resume=True)

    def reconnect(self, user: Any) -> bool:
        """Loses the user's connection as a network does, and comes back with resume; False when it cannot."""
        client = user.gateway
        with self._connecting[user.number]:
            on_close, client.on_close = client.on_close, lambda _code, _reason: None  # lost on purpose
            client.abort()
            client.on_close = on_close
            return self._connect(user, resume=True)

    def leave(self, user: Any) -> None:
        """One who leaves on purpose misses nothing from now on."""
        recipient = self._recipients.pop(user.number, None)
        if recipient is not None and user.gateway is not None and user.gateway.is_open:
            recipient.stop_listening()

    def _connection_ended(self, number: int, code: int, reason: str) -> None:
        if number in self._recipients:
            self.session.connection_ended(code, reason)

    # --- the measured time ------------------------------------------------------------------------------

    def send(self, group: MadeGroup, sender: int, intended_ns: int) -> tuple[Response, Message | None]:
        """One timed send; its acknowledgement opens the expectation of its deliveries. Response, and the message."""
        return self._sends.send(
            self.session.user_id(sender),
            group.conversation_id,
            self._key(group),
            intended_ns,
            weight=f"group of {group.size}",
            name=f"send to {group.size}",
        )

    def settle(self, now_ns: int, *, everything: bool = False) -> None:
        """Records what arrived since the last time, with pauses in which the event loop turns."""
        with self._settling:
            self.books.settle(now_ns, self._record_and_pause, everything=everything)

    @property
    def unanswered(self) -> int:
        """Sends not yet answered."""
        return self._sends.unanswered

    def outstanding(self) -> int:
        """Deliveries not yet here, and sends not yet answered."""
        return self.unanswered + self.books.ledger.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books; leaks are warned of."""
        self.settle(time.time_ns(), everything=True)
        totals = self.books.ledger.reconcile()
        for one in totals:
            if one.leaked:
                size = one.labels.get("group_size", "unknown")
                self.session.warnings.append(f"{one.leaked} deliveries of group size {size} came to non-members")
        return totals

    def _record_and_pause(self, settled: SettledMessage) -> None:
        self._record(settled)
        # One delivery takes 2 to 4 µs here; a message to thousands would hold up what is being timed.
        self._unpaused += len(settled.arrivals)
        if self._unpaused >= _DELIVERIES_PER_PAUSE:
            self._unpaused = 0
            gevent.sleep(0.001)  # sleep(0) would let only greenlets run, not arrivals

    def _record(self, settled: SettledMessage) -> None:
        self._series.record_deliveries(settled)
        self.on_settled(settled)
        if self.session.seat.count == 1:
            self.record_whole(settled)
        else:
            self.session.on_settled(settled)

    def record_whole(self, settled: SettledMessage) -> None:
        """A message's first to last recipient, of all that the run has."""
        self._series.record_whole(settled)
        # One line per message in Locust's own statistics, not one per delivery: firing its event costs 3.3 µs.
        last_us = settled.reached_us(1.0)
        if last_us is not None:
            size = settled.conversation.labels["group_size"]
            report_request("WS", f"last delivery of {size}", last_us / 1000, settled.content_bytes)

    def _key(self, group: MadeGroup) -> str | bytes:
        return self.session.wire_id(group.conversation_id)


class WithGroupTraffic:
    """What a scenario answers whose every send and recipient is in its group traffic."""

    traffic: GroupTraffic

    def shared_ledger(self) -> Ledger:
        """Every delivery's."""
        return self.traffic.books.ledger

    def record_whole(self, settled: SettledMessage) -> None:
        """A message's first to last recipient."""
        self.traffic.record_whole(settled)
