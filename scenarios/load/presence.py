"""Asks how fast a status change reaches everyone who watches, and how many frames it costs.

Some users change their status open-loop, others watch them: each user of a class has an audience of that class's
size, drawn from the watchers. A change has converged when every watcher knows it, by its own event or by a newer
one; changes that a newer one overtook are counted as superseded, never lost silently.

    locust -f scenarios/load/presence.py --host http://127.0.0.1:8000 --headless
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import gevent

from fixtures.errors import InputError
from reference_server.frames import PresenceState, PresenceStatus, PresenceUpdated
from scenarios.catalogue import SCENARIOS
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.ledger import Ledger, Recipient, SettledMessage
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "watchers": Row("1,5,20", "watchers of one user", "guess: a friend, a team, a department that shows who is there"),
    "rate": Row(30, "changes/s", "guess: every user of the run flaps about once per second, far above an ordinary day"),
    "deadline_ms": Row(1000, "ms", "guess: later than this the status shown is simply wrong"),
    "settle_seconds": Row(8, "s", "guess: a change's last watcher is waited for this long"),
    "unanswered_max": Row(200, "changes per user", "guess: a gateway this far behind will not catch up in a run"),
}
STATUSES: tuple[PresenceStatus, ...] = ("online", "away", "offline")
# A change that is due while its user comes back waits for that, at most this long; the wait is in its latency.
RECONNECT_PATIENCE_SECONDS = 5.0


@dataclass
class Flapper:
    """What one flapping user knows of itself."""

    audience: int
    status: PresenceStatus = "online"
    unanswered: deque[int] = field(default_factory=deque)  # intended times of changes not yet confirmed


class Presence(LoadScenario):
    """Changes statuses and keeps the books of every watcher."""

    entry = SCENARIOS["presence"]
    workload = WORKLOAD
    plan_type = dict[int, list[int]]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        audiences = parse_sizes(options.watchers)
        self.watcher_count = max(audiences)
        flapper_count = session.options.user_count - self.watcher_count
        if flapper_count < len(audiences):
            raise InputError(
                f"{session.options.user_count} users are too few for --watchers {options.watchers}: use --users "
                f"{self.watcher_count + len(audiences)} or more"
            )
        # The first users watch, the others flap, the audiences dealt out in turn.
        self.flappers = {
            self.watcher_count + number: Flapper(audiences[number % len(audiences)]) for number in range(flapper_count)
        }
        self.watched: dict[int, list[int]] = {}  # watcher → whom
        self.ledger = Ledger(
            "presence",
            deadline_ns=int(float(options.deadline_ms) * 1e6),
            settle_after_ns=int(float(WORKLOAD["settle_seconds"].value) * 1e9),
            superseding=True,
        )
        self.recipients: dict[int, Recipient] = {}
        self.drives: dict[int, gevent.Greenlet] = {}
        self.unconfirmed = 0
        session.on_second = self.settle

    @staticmethod
    def add_options(parser: Any) -> None:
        """Presence's own options."""
        texts = SCENARIOS["presence"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(parser, "--watchers", texts["--watchers"], type=sizes, default=WORKLOAD["watchers"].value)
        add_option(
            parser, "--deadline-ms", texts["--deadline-ms"], type=positive, default=WORKLOAD["deadline_ms"].value
        )

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.watchers)
        return {name: getattr(options, name) for name in ("rate", "watchers", "deadline_ms")}

    def plan(self) -> dict[int, list[int]]:
        """Draws every flapping user's audience: whom each watcher watches."""
        watched: dict[int, list[int]] = {number: [] for number in range(self.watcher_count)}
        for number, flapper in self.flappers.items():
            for watcher in self.session.random.sample(range(self.watcher_count), flapper.audience):
                watched[watcher].append(number)
        return watched

    def adopt(self, plan: dict[int, list[int]]) -> None:
        """Opens the books of every flapping user."""
        self.watched = plan
        for number, flapper in self.flappers.items():
            self.ledger.add_conversation(self._key(number), {"watchers": str(flapper.audience)})

    def user_started(self, user: ChatUser) -> None:
        """Connects; a watcher subscribes before the measured time begins, when everyone is there."""
        client = self.session.gateway_client()
        user.gateway = client
        flapper = self.flappers.get(user.number)
        if flapper is None:
            recipient = self.recipients[user.number] = self.ledger.add_recipient(str(user.number))

            def on_presence(event: Any, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
                recipient.observe(event.u, event.v, arrival_ns, observed_ns, wire_bytes)

            client.on_presence = on_presence
            client.on_presence_state = lambda state: self._join(recipient, state)
        else:
            client.on_presence_updated = lambda event: self._confirmed(user.number, event)
        client.on_close = self._connection_ended
        self._connect(client, user)

    def measure(self, begin_ns: int) -> None:
        """Every flapping user drives itself."""

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:
        """Flaps at this user's share of the rate, or watches."""
        flapper = self.flappers.get(user.number)
        if flapper is not None:
            seed = f"{self.session.options.seed} {user.number}"
            arrivals = ARRIVALS[self.session.options.arrivals](self.rate / len(self.flappers), seed)
            self.drives[user.number] = gevent.spawn(
                self.session.open_loop("update_presence").drive,
                arrivals,
                begin_ns,
                lambda intended_ns: self.change(user, flapper, intended_ns),
            )
        client = user.gateway
        if client is not None:
            user.keep_connected(lambda: self._connect(client, user))

    def user_stopped(self, user: ChatUser) -> None:
        """Who leaves on purpose flaps no more, and misses nothing."""
        drive = self.drives.pop(user.number, None)
        if drive is not None:
            drive.kill(block=False)
        recipient = self.recipients.pop(user.number, None)
        if recipient is not None and user.gateway is not None and user.gateway.is_open:
            recipient.stop_listening()

    def change(self, user: ChatUser, flapper: Flapper, intended_ns: int) -> None:
        """One timed status change; its confirmation names the version that watchers are to learn."""
        if user.gateway is None or not user.gateway.opened.wait(timeout=RECONNECT_PATIENCE_SECONDS):
            self.session.failures["update_presence: the gateway connection is lost"] += 1
            return
        if len(flapper.unanswered) >= int(WORKLOAD["unanswered_max"].value):
            self.session.failures["update_presence: earlier changes are not confirmed"] += 1
            return
        flapper.status = self.session.random.choice([status for status in STATUSES if status != flapper.status])
        flapper.unanswered.append(intended_ns)
        self.unconfirmed += 1
        user.gateway.update_presence(flapper.status)

    def settle(self, now_ns: int, *, everything: bool = False) -> None:
        """Records what arrived since the last time."""
        for settled in self.ledger.settle(now_ns, everything=everything):
            self._record(settled)

    def unanswered_count(self) -> int:
        """Changes not yet confirmed."""
        return self.unconfirmed

    def shared_ledger(self) -> Ledger:
        """Every watcher's."""
        return self.ledger

    def outstanding(self) -> int:
        """Changes not yet confirmed, and watchers who do not know yet."""
        return self.unconfirmed + self.ledger.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books."""
        self.settle(time.time_ns(), everything=True)
        totals = self.ledger.reconcile()
        warnings = self.session.warnings
        if self.unconfirmed:
            warnings.append(f"{self.unconfirmed} status changes were never confirmed by the server")
        if self.ledger.coalesced:
            warnings.append(f"{self.ledger.coalesced} status changes shared their version with an earlier one")
        superseded = sum(one.superseded for one in totals)
        if superseded:
            warnings.append(f"{superseded} deliveries were superseded by a newer status of the same user")
        leaked = sum(one.leaked for one in totals)
        if leaked:
            warnings.append(f"{leaked} presence events came to users who do not watch")
        return totals

    def _confirmed(self, number: int, event: PresenceUpdated) -> None:
        """The server took a change; it answers one connection's commands in order."""
        flapper = self.flappers[number]
        if flapper.unanswered:
            self.unconfirmed -= 1
            self.ledger.sent(self._key(number), event.version, flapper.unanswered.popleft())

    def _record(self, settled: SettledMessage) -> None:
        recorder = self.session.recorder
        watchers = settled.conversation.labels["watchers"]
        recorder.batch("presence_delivery_us", watchers=watchers)(settled.latency_us())
        recorder.batch("presence_wire_bytes", watchers=watchers)(settled.wire_bytes)
        self.session.on_settled(settled)

    def record_whole(self, settled: SettledMessage) -> None:
        """Frames of a change, and how long until every watcher knew."""
        recorder = self.session.recorder
        watchers = settled.conversation.labels["watchers"]
        if settled.expected is None:
            return
        recorder.series("presence_frames_per_change", watchers=watchers)(len(settled.arrivals))
        converged_us = settled.reached_us(1.0)
        if converged_us is not None:
            recorder.series("presence_convergence_us", watchers=watchers)(converged_us)
            report_request("WS", f"presence known to {watchers}", converged_us / 1000, 0)

    def _connect(self, client: GatewayClient, user: ChatUser) -> None:
        flapper = self.flappers.get(user.number)
        if flapper is not None:
            # What a lost connection had not confirmed never will be.
            self.unconfirmed -= len(flapper.unanswered)
            flapper.unanswered.clear()
        self.session.connect(client, user.user_id, lambda: self._watch(client, user.number))

    def _watch(self, client: GatewayClient, number: int) -> None:
        """Subscribes a watcher to its users."""
        targets = [self.session.user_id(watched) for watched in self.watched.get(number, [])]
        if targets:
            client.subscribe_presence(targets)

    def _join(self, recipient: Recipient, state: PresenceState) -> None:
        """Opens a watcher's books at the versions that it is told first; one who comes back learns what it missed."""
        for one in state.users:
            key = self.session.wire_id(one.user_id)
            if key in recipient.streams:
                recipient.catch_up(key, one.version, time.time_ns())
            else:
                recipient.join(self.ledger.conversations[key], one.version)

    def _connection_ended(self, code: int, reason: str) -> None:
        if not self.session.over.is_set():
            self.session.connection_ended(code, reason)

    def _key(self, number: int) -> str | bytes:
        return self.session.wire_id(self.session.user_id(number))


class PresenceUser(ChatUser):
    """Flaps or watches."""


install(Presence)
