"""Asks whether the chat stays the same for hours.

The fan-out load and people whose connections come and go, at a rate far below what the server carries, for hours;
compressed, the same hours happen in minutes, at a rate that is higher by as much. Memory and descriptors of server and
generator are fitted over time, and latency is compared between the first third of the time and the last. What grows
with operations shows in compressed hours too; what grows with the clock alone needs --compress 1.

    locust -f scenarios/load/soak.py --host http://127.0.0.1:8000 --headless
"""

import os
import time
from array import array
from collections import defaultdict
from statistics import fmean
from typing import Any
from uuid import UUID

import gevent
from hdrh.histogram import HdrHistogram

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS
from scenarios.client.group_traffic import GroupTraffic, WithGroupTraffic
from scenarios.client.load_scenario import ChatUser, LoadScenario, install
from scenarios.client.made_groups import MadeGroup, make_groups, own_senders
from scenarios.client.run_options import add_option, parse_sizes, positive, sizes
from scenarios.client.run_session import RunSession
from scenarios.drift import Estimate, block_means, first_and_last_third, ratio, slope
from scenarios.histograms import encode, histogram_of, merge, percentile
from scenarios.ledger import SettledMessage
from scenarios.process_usage import ProcessWatch
from scenarios.run_records import LedgerTotals
from scenarios.schedules import ARRIVALS
from scenarios.workload import Row

WORKLOAD = {
    "hours": Row(0.7, "h", "guess: compressed a hundredfold, a short run; a real soak is 8 or more"),
    "compress": Row(100, "times", "guess: minutes for hours; 1 is a soak in real time"),
    "rate": Row(0.4, "messages/s", "guess: the fan-out scenario's load, before compression a hundredth of it"),
    "group_sizes": Row("10,50", "members", "guess: a team and a department"),
    "reconnects_per_hour": Row(2, "per user", "guess: trains, tunnels and closed lids; cited 0.144 per post"),
    "blocks": Row(12, "blocks", "guess: a third of them is four, and says something"),
    "settling_share": Row(0.25, "of the time", "guess: caches fill, pools open; left out of the slopes"),
    "sample_seconds": Row(0.25, "s", "guess: several samples per block in a short run"),
    "deadline_ms": Row(1000, "ms", "guess: later than this a conversation stops feeling live"),
    "settle_seconds": Row(8, "s", "guess: a message's last recipient is waited for this long"),
    "warm_up_messages": Row(20, "messages per group", "guess: plans are cached, connections open"),
    "http_connections": Row(20, "connections", "guess: opened ahead, so that connecting is not measured"),
}
_PERCENTILES = (50, 95)
_WORDS = {"memory_kib": ("memory", "KiB"), "descriptors": ("open descriptors", "descriptors")}


class Soak(WithGroupTraffic, LoadScenario):
    """Sends and reconnects for hours."""

    entry = SCENARIOS["soak"]
    workload = WORKLOAD
    plan_type = list[MadeGroup]
    findings_type = dict[int, str]

    def __init__(self, session: RunSession, options: Any) -> None:
        super().__init__(session, options)
        self.compress = float(options.compress)
        self.rate = float(options.rate) * self.compress
        self.seconds = float(options.hours) * 3600 / self.compress
        self.block_seconds = self.seconds / int(WORKLOAD["blocks"].value)
        self.sizes = parse_sizes(options.group_sizes)
        if not 2 <= self.sizes[0] <= self.sizes[-1] <= session.options.user_count:
            raise InputError(
                f"groups of {options.group_sizes} do not fit {session.options.user_count} users; use sizes from 2 on, "
                "and more --users"
            )
        self.traffic = GroupTraffic(
            session,
            deadline_ms=float(WORKLOAD["deadline_ms"].value),
            settle_seconds=float(WORKLOAD["settle_seconds"].value),
        )
        self.traffic.on_settled = self._note
        seat, process_ids = session.seat, {}
        if seat.is_generator:
            process_ids["generator" if seat.count == 1 else f"generator {seat.name}"] = os.getpid()
        if session.options.server_pid is not None:
            process_ids["server"] = session.options.server_pid
        elif session.seat.keeps_the_run:
            session.warnings.append("memory of the server is not watched; name its process with --server-pid")
        self.watch = ProcessWatch(process_ids)
        self.users: dict[int, ChatUser] = {}
        self.senders: dict[UUID, tuple[int, ...]] = {}  # conversation → users who send in it here
        self.latencies: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))  # block → µs; 8 bytes each
        self.begin_realtime_ns = 0
        self.reconnecting = 0
        self.is_over = False

    @staticmethod
    def add_options(parser: Any) -> None:
        """The soak's own options."""
        texts = SCENARIOS["soak"].options
        for name in ("hours", "compress", "rate"):
            add_option(parser, f"--{name}", texts[f"--{name}"], type=positive, default=WORKLOAD[name].value)
        add_option(parser, "--group-sizes", texts["--group-sizes"], type=sizes, default=WORKLOAD["group_sizes"].value)

    @staticmethod
    def own_options(options: Any) -> dict[str, Any]:
        """As the run's record keeps them."""
        parse_sizes(options.group_sizes)
        return {name: getattr(options, name) for name in ("hours", "compress", "rate", "group_sizes")}

    def plan(self) -> list[MadeGroup]:
        """Makes the groups, and warms them up."""
        session, warm_up = self.session, int(WORKLOAD["warm_up_messages"].value)
        return make_groups(session, "soak", self.sizes, session.options.user_count, warm_up)

    def adopt(self, plan: list[MadeGroup]) -> None:
        """Opens the books of every group, and connections."""
        for group in plan:
            self.traffic.open_books(group)
            self.senders[group.conversation_id] = own_senders(self.session, group)
        self.session.pool.warm(int(WORKLOAD["http_connections"].value))

    def user_started(self, user: ChatUser) -> None:
        """Connects."""
        self.traffic.join(user)
        self.users[user.number] = user

    def measure(self, begin_ns: int) -> None:
        """Starts the sends, the reconnects and the samples."""
        session = self.session
        self.begin_realtime_ns = session.probe.clock.realtime_ns(begin_ns)
        schedule, seed = ARRIVALS[session.options.arrivals], session.options.seed
        for group in self.traffic.groups:
            arrivals = session.share(schedule(self.rate / len(self.traffic.groups), f"{seed} {group.size}"))
            drive = session.open_loop("send_message").drive
            gevent.spawn(drive, arrivals, begin_ns, lambda intended_ns, group=group: self._send(group, intended_ns))
        per_second = session.options.user_count * float(WORKLOAD["reconnects_per_hour"].value) * self.compress / 3600
        arrivals = session.share(schedule(max(per_second, 1e-6), f"{seed} reconnects"))
        gevent.spawn(session.open_loop("reconnect").drive, arrivals, begin_ns, self.reconnect)
        if not session.seat.keeps_the_run:
            gevent.spawn(self._sample, begin_ns)

    def oversee(self, begin_ns: int) -> None:
        """Ends the run with the soak, and samples this process and the server until then."""
        gevent.spawn(self._keep_time, begin_ns)

    def user_lives(self, user: ChatUser, begin_ns: int) -> None:  # noqa: ARG002 - receivers have no schedule
        """Receives."""
        self.traffic.stay_connected(user)

    def user_stopped(self, user: ChatUser) -> None:
        """One who leaves on purpose misses nothing."""
        self.users.pop(user.number, None)
        self.traffic.leave(user)

    def reconnect(self, intended_ns: int) -> None:  # noqa: ARG002 - nothing of it is timed
        """Somebody's connection is lost and comes back with resume."""
        if not self.users:
            return
        user = self.session.random.choice(list(self.users.values()))
        self.reconnecting += 1
        try:
            is_back = self.traffic.reconnect(user)
            self.session.count("soak_reconnects", 1, outcome="back" if is_back else "failed")
        finally:
            self.reconnecting -= 1

    def unanswered_count(self) -> int:
        """Sends not yet answered."""
        return self.traffic.unanswered

    def outstanding(self) -> int:
        """Connections on their way back, and deliveries."""
        return self.reconnecting + self.traffic.outstanding()

    def finish(self) -> list[LedgerTotals]:
        """Closes the books and fits what was sampled here."""
        totals = self.traffic.finish()
        for what, sampled in (("memory_kib", self.watch.memory_kib), ("descriptors", self.watch.descriptors)):
            for process, samples in sampled.items():
                self._tell_slope(process, what, samples)
        return totals

    def findings(self) -> dict[int, str]:
        """Delivery latencies by block, as encoded histograms."""
        return {block: encode(histogram_of(latencies)) for block, latencies in self.latencies.items()}

    def tell(self, findings: list[dict[int, str]]) -> list[LedgerTotals]:
        """How much longer deliveries took in the end than in the beginning."""
        if not self.is_over:
            self.session.warnings.append(
                f"the soak ended before its {self.seconds:g} s; use a longer --run-time, fewer --hours or more "
                "--compress"
            )
        blocks = {block for found in findings for block in found}
        latencies = {block: merge(found[block] for found in findings if block in found) for block in sorted(blocks)}
        for percent in _PERCENTILES:
            self._tell_drift(percent, latencies)
        return []

    def _send(self, group: MadeGroup, intended_ns: int) -> None:
        self.traffic.send(group, self.session.random.choice(self.senders[group.conversation_id]), intended_ns)

    def _keep_time(self, begin_ns: int) -> None:
        if self._sample(begin_ns):
            self.is_over = True
            self.session.end()

    def _sample(self, begin_ns: int) -> bool:
        """Samples processes until the soak's time is over; False when the run stops before."""
        while (elapsed := (time.monotonic_ns() - begin_ns) / 1e9) < self.seconds:
            self.watch.sample(elapsed, f"{int(elapsed // self.block_seconds) + 1}", self._record_sample)
            if self.session.stopping.wait(timeout=float(WORKLOAD["sample_seconds"].value)):
                return False
        return True

    def _record_sample(self, process: str, block: str, memory_kib: int, descriptors: int) -> None:
        self.session.recorder.series("process_memory_kib", process=process, block=block)(memory_kib)
        self.session.recorder.series("process_descriptors", process=process, block=block)(descriptors)

    def _note(self, settled: SettledMessage) -> None:
        block = int((settled.intended_ns - self.begin_realtime_ns) / 1e9 // self.block_seconds)
        if block < int(WORKLOAD["blocks"].value):  # what is sent while the run ends is in none
            latency_us = settled.latency_us()
            self.latencies[block].extend(latency_us)
            self.session.recorder.batch("soak_delivery_us", block=f"{block + 1}")(latency_us)

    def _tell_slope(self, process: str, what: str, samples: list[tuple[float, float]]) -> None:
        """The change per hour of the soak's own time, after caches have filled."""
        noun, unit = _WORDS[what]
        settled = [sample for sample in samples if sample[0] >= float(WORKLOAD["settling_share"].value) * self.seconds]
        found = slope(block_means(settled, self.block_seconds))
        if found is None:
            self.session.warnings.append(f"too few blocks to fit {noun} of the {process}; soak for longer")
            return
        per_hour = 3600 / self.compress
        scaled = Estimate(found.value * per_hour, found.low * per_hour, found.high * per_hour)
        for bound, value in scaled.bounds().items():
            self.session.count("soak_slope_per_hour", round(value, 3), process=process, what=what, bound=bound)
        self.session.count("soak_level", round(fmean(value for _, value in settled), 1), process=process, what=what)
        if scaled.low > 0:
            self.session.warnings.append(
                f"growth in the {process}: {noun} by {scaled.value:.4g} {unit} per hour "
                f"({scaled.low:.4g} to {scaled.high:.4g})"
            )

    def _tell_drift(self, percent: int, latencies: dict[int, HdrHistogram]) -> None:
        """Delivery latency of the last third of the blocks ÷ that of the first."""
        blocks = {block: float(max(1, percentile(found, percent) or 1)) for block, found in latencies.items()}
        found = ratio(*first_and_last_third(blocks))
        if found is None:
            self.session.warnings.append(
                f"too few blocks to compare p{percent} of first and last third; soak for longer"
            )
            return
        for bound, value in found.bounds().items():
            self.session.count("soak_latency_ratio", round(value, 4), percentile=f"{percent}", bound=bound)
        if found.low > 1:
            self.session.warnings.append(
                f"delivery p{percent} is {found.value:.3g} times as long in the last third as in the first "
                f"({found.low:.3g} to {found.high:.3g})"
            )


class SoakUser(ChatUser):
    """A connected recipient whose connection comes and goes."""


install(Soak)
