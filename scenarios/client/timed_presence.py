"""Changes of presence against a server that tells each one to every watcher, at once, from version 1 on."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from reference_server.frames import PresenceStatus
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.run_session import RunSession
from scenarios.run_records import LedgerTotals

_STATUSES: tuple[PresenceStatus, PresenceStatus] = ("online", "away")


class TimedPresence:
    """The first users watch all others; changes are timed from their intended start to every watcher.

    In a run of several processes, the first of each process watch all others of it: it knows the intended starts.
    """

    def __init__(self, session: RunSession, watcher_count: int) -> None:
        self._session = session
        own = session.seat.numbers(session.options.user_count)
        self.watchers, self.changers = own[:watcher_count], own[watcher_count:]
        self.on_delivery: Callable[[int], None] = lambda _intended_ns: None  # beside what is recorded
        self._clients: dict[int, GatewayClient] = {}
        self._versions: Counter[int] = Counter()  # of a changer
        self._intended_ns: dict[tuple[Any, int], int] = {}  # (wire id, version) → time
        self._came: Counter[tuple[Any, int]] = Counter()
        self._unknown = 0
        label = str(watcher_count)
        series = session.recorder.series
        self._record_delivery = series("presence_delivery_us", watchers=label)
        self._record_convergence = series("presence_convergence_us", watchers=label)
        self._record_bytes = series("presence_wire_bytes", watchers=label)

    def join(self, number: int, client: GatewayClient) -> None:
        """Takes up a connected user."""
        self._clients[number] = client
        if number in self.watchers:
            client.on_presence = self._told
            client.subscribe_presence([self._session.user_id(one) for one in self.changers])

    def change(self, number: int, intended_ns: int) -> None:
        """One change of a changer, which each watcher is to be told."""
        self._versions[number] += 1
        version = self._versions[number]
        self._intended_ns[self._session.wire_id(self._session.user_id(number)), version] = intended_ns
        self._clients[number].update_presence(_STATUSES[version % 2])

    def outstanding(self) -> int:
        """Events that have not come."""
        return len(self._intended_ns) * len(self.watchers) - sum(self._came.values())

    def totals(self) -> LedgerTotals:
        """What was to come against what came."""
        expected = len(self._intended_ns) * len(self.watchers)
        delivered = sum(min(came, len(self.watchers)) for came in self._came.values())
        return LedgerTotals(
            scenario=self._session.scenario,
            labels={"watchers": str(len(self.watchers))},
            messages=len(self._intended_ns),
            expected=expected,
            delivered=delivered,
            missing=expected - delivered,
            duplicate=sum(self._came.values()) - delivered,
            reordered=0,
            late=0,
            leaked=self._unknown,
        )

    def _told(self, event: Any, wire_bytes: int, arrival_ns: int, _observed_ns: int) -> None:
        change = (event.u, event.v)
        intended_ns = self._intended_ns.get(change)
        if intended_ns is None:
            self._unknown += 1
            return
        self._came[change] += 1
        took_us = (arrival_ns - intended_ns) // 1000
        self._record_delivery(took_us)
        self._record_bytes(wire_bytes)
        if self._came[change] == len(self.watchers):
            self._record_convergence(took_us)
        self.on_delivery(intended_ns)
