"""Contract: does something change with time: slopes and ratios with their intervals, from blocks. Pure.

Values of neighbouring moments resemble each other, so single samples would make an interval too narrow: means of blocks
are the observations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and where its true value lies, with confidence CONFIDENCE."""

    value: float
    low: float
    high: float

    def bounds(self) -> dict[str, float]:
        """By name, as counts are labelled."""
        return {"estimate": self.value, "low": self.low, "high": self.high}


def block_means(samples: Sequence[tuple[float, float]], block_seconds: float) -> list[tuple[float, float]]:
    """(mean time, mean value) of each block of time that has samples, in order."""
    blocks: dict[int, list[tuple[float, float]]] = {}
    for time, value in samples:
        blocks.setdefault(int(time // block_seconds), []).append((time, value))
    return [
        (fmean(time for time, _ in found), fmean(value for _, value in found)) for _, found in sorted(blocks.items())
    ]


def slope(points: Sequence[tuple[float, float]]) -> Estimate | None:
    """Change of value per unit of time, by least squares; None with fewer than three points."""
    if len(points) < 3:
        return None
    mean_time = fmean(time for time, _ in points)
    mean_value = fmean(value for _, value in points)
    spread = sum((time - mean_time) ** 2 for time, _ in points)
    assert spread > 0, "points lie at different times"
    rise = sum((time - mean_time) * (value - mean_value) for time, value in points) / spread
    squares = sum((value - mean_value - rise * (time - mean_time)) ** 2 for time, value in points)
    freedom = len(points) - 2
    error = math.sqrt(squares / freedom / spread)
    return _around(rise, error, freedom)


def mean(values: Sequence[float]) -> Estimate | None:
    """The mean of blocks' values; None with fewer than two."""
    if len(values) < 2:
        return None
    return _around(fmean(values), math.sqrt(variance(values) / len(values)), len(values) - 1)


def ratio(first: Sequence[float], last: Sequence[float]) -> Estimate | None:
    """Typical `last` ÷ typical `first`, by the means of their logarithms (Welch); None below two values each."""
    if min(len(first), len(last)) < 2:
        return None
    logs = [[math.log(value) for value in values] for values in (first, last)]
    parts = [variance(values) / len(values) for values in logs]
    difference = fmean(logs[1]) - fmean(logs[0])
    total = sum(parts)
    if total == 0:
        return Estimate(*[math.exp(difference)] * 3)
    freedom = total**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, logs, strict=True))
    found = _around(difference, math.sqrt(total), freedom)
    return Estimate(*(math.exp(bound) for bound in (found.value, found.low, found.high)))


def first_and_last_third(blocks: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """The values of the earliest third of the blocks, and of the latest."""
    ordered = [value for _, value in sorted(blocks.items())]
    third = len(ordered) // 3
    return ordered[:third], ordered[len(ordered) - third :]


def _around(value: float, error: float, freedom: float) -> Estimate:
    from scipy import stats  # noqa: PLC0415 - takes a second to import, which a load generator can spend at its end only

    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Estimate(value, value - reach, value + reach)
