"""How sure a number is: intervals of a median and of a ratio, from blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from scipy.stats import binom

from reports.distributions import Distribution
from reports.latency import PERCENTS, values_needed

CONFIDENCE = 0.95

# Changes within this factor are called flat: the bound this project sets for the last page against the first.
FLAT_FACTOR = 1.2

Judgement = Literal["flat", "higher", "lower", "unsure"]


@dataclass(frozen=True)
class Interval:
    """The median of some values and where the true median lies."""

    estimate: float
    low: float
    high: float
    coverage: float  # the chance that such an interval holds the true median
    blocks: int  # values it comes from

    @property
    def sound(self) -> bool:
        """True when there are enough blocks for CONFIDENCE."""
        return self.coverage >= CONFIDENCE


@dataclass(frozen=True)
class Ratio:
    """How one thing compares with another, block by block."""

    percent: int  # the percentile compared
    interval: Interval
    judgement: Judgement


def median_interval(values: Sequence[float]) -> Interval:
    """The distribution-free interval of a median: the narrowest pair of order statistics with CONFIDENCE.

    With fewer than six values no pair has it; then the whole range is given, with the coverage it does have.
    """
    ordered = sorted(values)
    count = len(ordered)
    assert count, "a median needs values"
    best = 0
    for trimmed in range(count // 2):
        if _coverage(count, trimmed) >= CONFIDENCE:
            best = trimmed
    return Interval(median(ordered), ordered[best], ordered[-1 - best], max(_coverage(count, best), 0.0), count)


def _coverage(count: int, trimmed: int) -> float:
    """The chance that the median lies between the trimmed order statistics (binomial: each value is a coin toss)."""
    return 1 - 2 * float(binom.cdf(trimmed, count, 0.5))


def judge(interval: Interval, factor: float = FLAT_FACTOR) -> Judgement:
    """Whether a ratio lies beyond a factor for sure, within it for sure, or neither."""
    if not interval.sound:
        return "unsure"
    if interval.low > factor:
        return "higher"
    if interval.high < 1 / factor:
        return "lower"
    if interval.low >= 1 / factor and interval.high <= factor:
        return "flat"
    return "unsure"


def compare_blocks(base: Mapping[int, Distribution], other: Mapping[int, Distribution]) -> Ratio | None:
    """`other ÷ base` at the highest of p99, p95 and p50 that enough blocks can support; None when none can."""
    for percent in sorted(PERCENTS, reverse=True):
        needed = values_needed(percent)
        ratios = _ratios(base, other, percent, needed)
        if ratios:
            interval = median_interval(ratios)
            if interval.sound:
                return Ratio(percent, interval, judge(interval))
    return None


def paired_ratio(base: Mapping[int, Distribution], other: Mapping[int, Distribution], percent: int) -> Interval | None:
    """`other ÷ base` at a percentile, from the blocks that can support it; None without two of them."""
    ratios = _ratios(base, other, percent, values_needed(percent))
    return median_interval(ratios) if len(ratios) > 1 else None


def _ratios(
    base: Mapping[int, Distribution],
    other: Mapping[int, Distribution],
    percent: int,
    needed: int,
) -> list[float]:
    """The ratio in every block that holds `needed` values of both."""
    ratios = []
    for block in sorted(base.keys() & other.keys()):
        if base[block].count >= needed and other[block].count >= needed:
            below, above = base[block].percentile(percent), other[block].percentile(percent)
            if below and above is not None:
                ratios.append(above / below)
    return ratios
