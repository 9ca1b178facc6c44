"""Which strategy serves a statement better: verdicts from blocks, pure.

The block is the unit of replication. In a block, the n-th executions of two strategies follow each other within a
moment, so their ratio is free of most of the machine's noise; the median of these ratios is the block's one
observation (measured on identical strategies: a quarter less scatter than the ratio of the two medians). Student's t
over the blocks' logs gives the interval. A verdict needs the whole interval on one side of the margin, so a noisy
machine says "unsure", not "worse".
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from scipy import stats

from scenarios.run_records import QueryLine

# 99 % and not 95: a comparison judges dozens of cells, and one in twenty would be wrong by chance.
CONFIDENCE = 0.99
# Smaller differences are called the same. Above the A/A error of interleaved medians (sd 0.7 %, worst 1.6 %).
MARGIN_SHARE = 0.05
# The smallest detectable effect is the one found this often.
POWER = 0.8
# With fewer blocks Student's t is so wide (64 standard errors at two blocks, 4.6 at five) that it bounds nothing.
FEWEST_BLOCKS = 5

Verdict = Literal["better", "worse", "same", "unsure"]


@dataclass(frozen=True)
class Interval:
    """An estimate and where its true value lies, with confidence CONFIDENCE."""

    estimate: float
    low: float | None  # None, like `high`, where FEWEST_BLOCKS were not reached: the blocks bound nothing
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """One strategy against the baseline on one statement and parameter class."""

    verdict: Verdict
    ratio: Interval | None  # latency of the strategy ÷ that of the baseline; None without blocks
    smallest_effect: float | None  # as a share: 0.1 means that ±10 % would have been found; None without bounds


@dataclass(frozen=True)
class Cell:
    """One strategy on one statement and parameter class, over all blocks."""

    statement: str
    parameter_class: str
    strategy: str
    blocks: int
    executions: int
    rows: int
    buffers: int  # hit and read, median over blocks
    buffers_dirtied: int
    wal_bytes: int
    planning_buffers: int
    hot_share: float | None
    latency_us_p50: Interval | None  # geometric mean of the blocks' medians
    latency_us_p99: float  # of all executions
    plan_hashes: tuple[str, ...]  # more than one: the plan changed between blocks
    indexes: tuple[str, ...]
    comparison: Comparison | None  # None for the baseline itself


def judge(lines: Iterable[QueryLine], baseline: str) -> list[Cell]:
    """Every cell of a comparison, grouped by statement and parameter class, the baseline first."""
    grouped: dict[tuple[str, str], dict[str, list[QueryLine]]] = {}
    for line in lines:
        grouped.setdefault((line.statement, line.parameter_class), {}).setdefault(line.strategy, []).append(line)
    cells = []
    for key in sorted(grouped):
        arms = grouped[key]
        for strategy in sorted(arms, key=lambda name: (name != baseline, name)):
            against = arms.get(baseline) if strategy != baseline else None
            cells.append(_cell(arms[strategy], against))
    return cells


def compare_blocks(ratios: Sequence[float]) -> Comparison:
    """The verdict on one ratio per block, strategy ÷ baseline; lower is better."""
    logs = [math.log(ratio) for ratio in ratios]
    if len(logs) < FEWEST_BLOCKS:
        return Comparison(verdict="unsure", ratio=geometric_interval(ratios), smallest_effect=None)
    low, high = _log_bounds(logs)
    margin = math.log1p(MARGIN_SHARE)
    verdict: Verdict = "unsure"
    if high < -margin:
        verdict = "better"
    elif low > margin:
        verdict = "worse"
    elif -margin < low and high < margin:
        verdict = "same"
    return Comparison(
        verdict=verdict,
        ratio=geometric_interval(ratios),
        smallest_effect=math.expm1(margin + _detectable_log(logs)),
    )


def block_ratio(candidate: QueryLine, baseline: QueryLine) -> float:
    """The median over a block's executions of candidate ÷ baseline, each pair measured back to back."""
    pairs = zip(candidate.latency_us, baseline.latency_us, strict=True)
    return median(mine / theirs for mine, theirs in pairs)


def geometric_interval(values: Sequence[float]) -> Interval | None:
    """The geometric mean of positive values, one per block, with its interval; None without any."""
    if not values:
        return None
    logs = [math.log(value) for value in values]
    bounds = [math.exp(bound) for bound in _log_bounds(logs)] if len(logs) >= FEWEST_BLOCKS else [None, None]
    return Interval(math.exp(_mean(logs)), *bounds)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _cell(lines: list[QueryLine], baseline: list[QueryLine] | None) -> Cell:
    comparison = None
    if baseline is not None:
        theirs = {line.block: line for line in baseline}
        comparison = compare_blocks([block_ratio(line, theirs[line.block]) for line in lines if line.block in theirs])
    latencies = [latency for line in lines for latency in line.latency_us]
    hot_shares = [line.hot_share for line in lines if line.hot_share is not None]
    first = lines[0]
    return Cell(
        statement=first.statement,
        parameter_class=first.parameter_class,
        strategy=first.strategy,
        blocks=len(lines),
        executions=len(latencies),
        rows=first.rows,
        buffers=_median_count(line.buffers_hit + line.buffers_read for line in lines),
        buffers_dirtied=_median_count(line.buffers_dirtied for line in lines),
        wal_bytes=_median_count(line.wal_bytes for line in lines),
        planning_buffers=_median_count(line.planning_buffers for line in lines),
        hot_share=median(hot_shares) if hot_shares else None,
        latency_us_p50=geometric_interval([median(line.latency_us) for line in lines]),
        latency_us_p99=percentile(latencies, 0.99),
        plan_hashes=tuple(dict.fromkeys(line.plan_hash for line in lines)),
        indexes=tuple(sorted({index for line in lines for index in line.indexes})),
        comparison=comparison,
    )


def _median_count(values: Iterable[int]) -> int:
    return round(median(values))


def _log_bounds(logs: Sequence[float]) -> tuple[float, float]:
    half_width = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1)) * _standard_error(logs)
    return _mean(logs) - half_width, _mean(logs) + half_width


def _detectable_log(logs: Sequence[float]) -> float:
    """How far beyond the margin a true log ratio must lie to be found with probability POWER."""
    freedom = len(logs) - 1
    needed = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) + float(stats.t.ppf(POWER, freedom))
    return needed * _standard_error(logs)


def _standard_error(logs: Sequence[float]) -> float:
    mean = _mean(logs)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1) / len(logs))


def _mean(logs: Sequence[float]) -> float:
    return math.fsum(logs) / len(logs)
