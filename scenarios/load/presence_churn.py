"""Asks what coming and going costs, and whether watchers are shown the truth.

Users flap: they set another status, lose their connection and come back within the server's grace period, or only after
it. Watchers follow them. Measured are the time until every watcher knows, the frames that it takes, how often somebody
was shown offline who came back in time, and, once all is quiet, every watcher's last state against the server's.

    locust -f scenarios/load/presence_churn.py --host http://127.0.0.1:8000 --headless
"""

import time
from random import Random
from typing import Any

import gevent

from fixtures.errors import InputError
from reference_server.frames import PresenceEvent, PresenceState
from scenarios.catalogue import SCENARIOS
from scenarios.churn_book import Cause, ChurnBook
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.gateway_socket import ConnectFailedError
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.locust_requests import report_request
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "watchers": Row("1,5,20", "watchers of one user", "guess: a friend, a team, a department that shows who is there"),
    "rate": Row(15, "flaps/s", "guess: each user of the run flaps every two seconds, far above an ordinary day"),
    "grace_seconds": Row(5.0, "s", "measured: the reference server's default, presence_grace_seconds"),
    "tolerance_seconds": Row(
        0.1, "s", "guess: a server's event loop reads its clock once per turn, so its grace begins a little early"
    ),
    "update_share": Row(0.5, "of flaps", "guess: online and away by hand or by a screen saver"),
    "return_share": Row(0.4, "of flaps", "guess: a reload or a change of network, back within the grace period"),
    "leave_share": Row(0.1, "of flaps", "guess: gone for longer than the grace period"),
    "reload_seconds": Row(0.5, "s", "guess: how long a reload leaves a user without a connection"),
    "leave_extra_seconds": Row(1.0, "s", "guess: who leaves comes back so long after the grace period"),
    "rest_seconds": Row(3.0, "s", "guess: how long the state at rest is waited for to be the same everywhere"),
}
_STATUSES = ("online", "away")
_RETRY_SECONDS = 0.2


class PresenceChurn(LoadScenario):
    """Lets users come and go, and holds what watchers are told against the truth."""

    entry = SCENARIOS["presence_churn"]
    workload = WORKLOAD

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.rate = float(options.rate)
        self.grace_seconds = float(options.grace_seconds)
        audiences = parse_sizes(options.watchers)
        self.watcher_count = max(audiences)
        # Who watches a user is in the user's process, which knows at every moment what is true: each has its own.
        seat, user_count = session.seat, session.options.user_count
        if user_count // seat.count < self.watcher_count + len(audiences):
            apart = f" in each of {seat.count} processes" if seat.count > 1 else ""
            raise InputError(
                f"{user_count} users are too few for --watchers {options.watchers}{apart}: use --users "
                f"{seat.count * (self.watcher_count + len(audiences))} or more"
            )
        own = seat.numbers(user_count)
        watchers, self.flappers = own[: self.watcher_count], own[self.watcher_count :]
        self.flapper_rate = self.rate / (user_count - seat.count * self.watcher_count)
        tolerance_seconds = min(float(WORKLOAD["tolerance_seconds"].value), self.grace_seconds / 2)
        self.book = ChurnBook(round(self.grace_seconds * 1e9), round(tolerance_seconds * 1e9), self._converged)
        # The first users watch, the others flap, the audiences dealt out in turn.
        self.watched: dict[int, list[int]] = {number: [] for number in watchers}
        for place, number in enumerate(self.flappers):
            audience = session.random.sample(watchers, audiences[place % len(audiences)])
            self.book.add(session.user_id(number), audience)
            for watcher in audience:
                self.watched[watcher].append(number)
        self.busy: set[int] = set()  # flappers without a connection, or about to have one

    @staticmethod
    def add_options(parser: Any) -> None:
        """The churn's own options."""
        texts = SCENARIOS["presence_churn"].options
        add_option(parser, "--rate", texts["--rate"], type=positive, default=WORKLOAD["rate"].value)
        add_option(parser, "--watchers", texts["--watchers"], type=sizes, default=WORKLOAD["watchers"].value)
        add_option(
            parser, "--grace-seconds", texts["--grace-seconds"], type=positive, default=WORKLOAD["grace_seconds"].value
        )

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.watchers)
        return {name: getattr(options, name) for name in ("rate", "watchers", "grace_seconds")}

    def plan(self) -> None:
        """Nothing: presence has no history, and every process knows by itself who watches whom."""

    def adopt(self, plan: None) -> None:
        """Nothing either."""

    def user_started(self, user: ChatUser) -> None:
        """Connects; a watcher subscribes before the measured time begins."""
        client = self.session.gateway_client()
        user.gateway = client
        if user.number in self.watched:
            client.on_presence_event = lambda event, arrival_ns: self._told(user.number, event, arrival_ns)
            client.on_presence_state = lambda state: self._knows(user.number, state)
        client.on_close = lambda code, reason: self._connection_ended(user, code, reason)
        self._connect(user)

    def measure(self, begin_ns: int) -> None:
        """Every flapping user drives itself."""

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:
        """Flaps at this user's share of the rate; watchers receive, which needs nothing from this greenlet."""
        if user.number in self.watched:
            return
        random = Random(f"{self.session.options.seed} churn {user.number}")
        arrivals = ARRIVALS[self.session.options.arrivals](
            self.flapper_rate, f"{self.session.options.seed} {user.number}"
        )
        self.session.open_loop("flap").drive(
            arrivals, begin_ns, lambda intended_ns: self.flap(user, random, intended_ns)
        )

    def flap(self, user: ChatUser, random: Random, intended_ns: int) -> None:
        """One change of this user; one who is away already stays so until they are back."""
        shares = [float(WORKLOAD[f"{kind}_share"].value) for kind in ("update", "return", "leave")]
        (kind,) = random.choices(("update", "return", "leave"), shares)
        if user.number in self.busy or user.gateway is None:
            self.session.count("churn_skipped")
            return
        if kind == "update":
            self._set_status(user, intended_ns)
        else:
            leaving = self.grace_seconds + float(WORKLOAD["leave_extra_seconds"].value)
            self._go_and_return(user, float(WORKLOAD["reload_seconds"].value) if kind == "return" else leaving)

    def outstanding(self) -> int:
        """Watchers who should know by now and do not."""
        return self.book.outstanding(time.time_ns())

    def finish(self) -> list[LedgerTotals]:
        """Compares what everyone was told last with the server's state, once all is quiet."""
        session, counts = self.session, self.book.counts
        if not session.seat.is_generator:
            return []
        stale = self._stale_at_rest()  # first: while it waits, watchers are still told
        names = ("changes", "losses", "returns_in_grace", "returns_late", "frames", "converged", "superseded")
        for name in (*names, "false_offline"):
            session.count(f"churn_{name}", counts[name])
        if stale is not None:
            session.count("churn_watched", sum(len(person.watchers) for person in self.book.people.values()))
            session.count("churn_stale_at_rest", stale)
        if counts["false_offline"]:
            session.warnings.append(
                f"watchers were shown {counts['false_offline']} times that somebody was offline too early"
            )
        if stale:
            session.warnings.append(f"{stale} watchers' last state of a user is not the server's")
        return []

    def _set_status(self, user: ChatUser, intended_ns: int) -> None:
        assert user.gateway is not None
        person = self.book.people[user.user_id]
        status = next(one for one in _STATUSES if one != person.status)
        self.book.set_status(user.user_id, status, intended_ns)
        user.gateway.update_presence(status)  # type: ignore[arg-type]  # one of _STATUSES

    def _go_and_return(self, user: ChatUser, absent_seconds: float) -> None:
        """Loses the connection as a network does, and comes back."""
        assert user.gateway is not None
        self.busy.add(user.number)
        self.book.lose(user.user_id, time.time_ns())
        user.gateway.abort()
        if self.session.stopping.wait(timeout=absent_seconds):
            return
        # Before connecting: watchers hear of it before the one who connects does.
        self.book.come_back(user.user_id, time.time_ns())
        if self._connect(user):
            self.busy.discard(user.number)
        else:
            self.book.lose(user.user_id, time.time_ns())  # and stays away

    def _connect(self, user: ChatUser) -> bool:
        client = user.gateway
        assert client is not None
        return self.session.connect(client, user.user_id, lambda: self._watch(client, user.number))

    def _watch(self, client: GatewayClient, number: int) -> None:
        targets = [self.session.user_id(watched) for watched in self.watched.get(number, [])]
        if targets:
            client.subscribe_presence(targets)

    def _told(self, watcher: int, event: PresenceEvent, arrival_ns: int) -> None:
        if event.user_id not in self.book.people:
            return
        if self.session.phase == "connecting":
            self.book.know(watcher, event.user_id, event.version, event.status)
        else:
            self.book.tell(watcher, event.user_id, event.version, event.status, arrival_ns)

    def _knows(self, watcher: int, state: PresenceState) -> None:
        for one in state.users:
            self.book.know(watcher, one.user_id, one.version, one.status)

    def _converged(self, cause: Cause, watchers: int, took_ns: int) -> None:
        # A loss is to be told after the grace period: what counts is how long after.
        took_us = (took_ns - (self.book.grace_ns if cause == "loss" else 0)) // 1000
        self.session.recorder.series("churn_convergence_us", cause=cause, watchers=str(watchers))(took_us)
        report_request("WS", f"{cause} known to {watchers}", took_us / 1000, 0)

    def _stale_at_rest(self) -> int | None:
        """How many watchers hold a state that is not the server's; None when the server cannot be asked."""
        session = self.session
        deadline = time.monotonic() + float(WORKLOAD["rest_seconds"].value)
        client = session.gateway_client()
        try:
            client.connect(session.gateway.url, session.login(session.user_id(self.flappers[0])))
            while True:
                state = client.subscribe_presence([session.user_id(number) for number in self.flappers])
                stale = self.book.stale({one.user_id: (one.version, one.status) for one in state.users})
                if not stale or time.monotonic() > deadline:
                    return len(stale)
                gevent.sleep(_RETRY_SECONDS)  # between looks: what is under way arrives
        except (ConnectFailedError, InputError):
            return None
        finally:
            client.close()

    def _connection_ended(self, user: ChatUser, code: int, reason: str) -> None:
        if user.number not in self.busy and self.session.phase in {"connecting", "measuring"}:
            self.session.connection_ended(code, reason)


class PresenceChurnUser(ChatUser):
    """Flaps or watches."""


install(PresenceChurn)
