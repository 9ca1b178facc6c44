"""Which strategy to choose: dominated ones, and the best for each mix of reads and writes; pure.

A mix weighs the statements of the server as people use them, and shares them out between reads and writes. Cost is
time, because buffers and WAL have no common unit; counters say beside it which strategies cannot win at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from reports.index_record import IndexRecord, buffers_of, is_write, wal_of
from reports.intervals import Interval, judge, median_interval

# How often each statement is executed, relative to creating a post = 1. "cited": Mattermost's load tester, calibrated
# on production.
WORKLOAD: dict[str, float] = {
    "list_messages": 8.51,  # cited: switch channel 6.52 and scroll channel 1.99
    "get_read_state": 1.0,  # cited: unread check
    "find_direct_conversation": 0.98,  # cited: open direct or group
    "list_conversations": 0.144,  # cited: reconnect the socket
    "list_resumable": 0.144,  # cited: reconnect the socket
    "list_members": 1.0,  # guess: the fan-out list is read once per post
    "send_message": 1.0,  # cited: creating a post
    "mark_read": 6.52,  # guess: switching to a channel reads it
    "edit_message": 0.04,  # cited: edit
}
READ_SHARES = tuple(number / 10 for number in range(11))
# A strategy is dominated by another that is nowhere worse by more than this and somewhere better by more than it:
# counters of one execution vary by a buffer or two.
SLACK_SHARE = 0.02  # guess
SLACK_BUFFERS = 2  # guess
_NO_DIFFERENCE = 1.0


@dataclass(frozen=True)
class Dominated:
    """A strategy that nobody needs, and the one that is nowhere worse."""

    strategy: str
    by: str


@dataclass(frozen=True)
class Costs:
    """Mean time of a read and of a write of the workload under one strategy, block by block, in µs."""

    reads_us: Mapping[int, float]
    writes_us: Mapping[int, float]

    def at(self, read_share: float) -> dict[int, float]:
        """The cost of a mixed statement, block by block."""
        both = self.reads_us.keys() & self.writes_us.keys()
        return {
            block: read_share * self.reads_us[block] + (1 - read_share) * self.writes_us[block]
            for block in sorted(both)
        }


@dataclass(frozen=True)
class Mix:
    """What one share of reads makes of the strategies."""

    read_share: float
    best: str
    cost_us: float
    indistinguishable: tuple[str, ...]  # others whose cost cannot be told from the best one's


@dataclass(frozen=True)
class Flip:
    """The share of reads at which another strategy becomes the cheapest."""

    below: str  # cheapest with fewer reads
    above: str  # cheapest with more
    read_share: float  # by the medians over blocks
    interval: Interval | None  # of the blocks' own; None when some block has none


def dominated(record: IndexRecord) -> list[Dominated]:
    """Every strategy that another one beats or equals in all counters and all sizes."""
    counters = {name: _counters(record, name) for name in record.strategies}
    found = []
    for name in record.strategies:
        rivals = [other for other in record.strategies if other != name]
        by = next((other for other in rivals if _dominates(counters[other], counters[name])), None)
        if by is not None:
            found.append(Dominated(name, by))
    return found


def costs(record: IndexRecord) -> dict[str, Costs]:
    """The workload's costs by strategy; strategies without both reads and writes of it are left out."""
    groups = record.grouped()
    found = {}
    for strategy in record.strategies:
        reads: dict[int, list[tuple[float, float]]] = {}
        writes: dict[int, list[tuple[float, float]]] = {}
        own = {cell: lines for (name, cell), lines in groups.items() if name == strategy and cell[0] in WORKLOAD}
        classes = {statement: sum(1 for cell in own if cell[0] == statement) for statement, _ in own}
        for (statement, _), lines in own.items():
            side = writes if is_write(lines) else reads
            for line in lines:
                weight = WORKLOAD[statement] / classes[statement]
                side.setdefault(line.block, []).append((weight, median(line.latency_us)))
        if reads and writes:
            found[strategy] = Costs(_weighted(reads), _weighted(writes))
    return found


def mixes(found: Mapping[str, Costs]) -> list[Mix]:
    """The best strategy for each of READ_SHARES, and which others it cannot be told from."""
    told = []
    for share in READ_SHARES if len(found) > 1 else ():
        at = {name: one.at(share) for name, one in found.items()}
        best = min(at, key=lambda name: fmean(at[name].values()))
        told.append(
            Mix(
                read_share=share,
                best=best,
                cost_us=median(at[best].values()),
                indistinguishable=tuple(name for name in at if name != best and not _is_dearer(at[name], at[best])),
            )
        )
    return told


def flips(told: Sequence[Mix], found: Mapping[str, Costs]) -> list[Flip]:
    """Where the cheapest strategy changes along the shares of reads."""
    changes = []
    for before, after in pairwise(told):
        if before.best == after.best:
            continue
        below, above = found[before.best], found[after.best]
        blocks = sorted(below.at(0).keys() & above.at(0).keys())
        crossings = [_crossing(_in_block(below, block), _in_block(above, block)) for block in blocks]
        inside = [share for share in crossings if share is not None]
        middle = _crossing(_on_average(below), _on_average(above))
        if middle is not None:
            changes.append(
                Flip(
                    below=before.best,
                    above=after.best,
                    read_share=middle,
                    interval=median_interval(inside) if len(inside) == len(blocks) else None,
                )
            )
    return changes


def _in_block(own: Costs, block: int) -> tuple[float, float]:
    return own.reads_us[block], own.writes_us[block]


def _on_average(own: Costs) -> tuple[float, float]:
    """By the same mean that picks the best of a mix, so that flips lie between the mixes that they separate."""
    return fmean(own.at(1).values()), fmean(own.at(0).values())


def _crossing(below: tuple[float, float], above: tuple[float, float]) -> float | None:
    """The share of reads at which two (read, write) costs are the same; None when one is cheaper at every share."""
    read_gain, write_price = below[0] - above[0], above[1] - below[1]
    if read_gain <= 0 or write_price < 0:
        return None
    return write_price / (read_gain + write_price)


def _is_dearer(candidate: Mapping[int, float], best: Mapping[int, float]) -> bool:
    ratios = [candidate[block] / best[block] for block in sorted(candidate.keys() & best.keys())]
    return bool(ratios) and judge(median_interval(ratios), _NO_DIFFERENCE) == "higher"


def _weighted(values: Mapping[int, Sequence[tuple[float, float]]]) -> dict[int, float]:
    return {
        block: sum(weight * value for weight, value in pairs) / sum(weight for weight, _ in pairs)
        for block, pairs in values.items()
    }


def _counters(record: IndexRecord, strategy: str) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {("bytes",): float(record.index_bytes(strategy))}
    for (name, cell), lines in record.grouped().items():
        if name == strategy:
            found["buffers", *cell] = buffers_of(lines)
            if is_write(lines):
                found["wal", *cell] = wal_of(lines)
    return found


def _dominates(winner: Mapping[tuple[str, ...], float], loser: Mapping[tuple[str, ...], float]) -> bool:
    both = winner.keys() & loser.keys()
    nowhere_worse = all(winner[key] <= loser[key] + _slack(key, loser[key]) for key in both)
    return nowhere_worse and any(winner[key] < loser[key] - _slack(key, loser[key]) for key in both)


def _slack(key: tuple[str, ...], value: float) -> float:
    return max(value * SLACK_SHARE, SLACK_BUFFERS if key[0] == "buffers" else 0)
