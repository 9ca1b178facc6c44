"""The exact signed-rank test of Wilcoxon (1945), with the estimate and interval of Hodges and Lehmann (1963).

The null distribution is that of the observed absolute values: every difference could as well have had the other sign,
so each of the 2^n sign patterns is equally likely. It is counted, not approximated, ties included: with n = 12 the
usual normal approximation can never reach p = 0.001, and a gate that uses it can never fail.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A location and where the true one lies."""

    value: float
    low: float
    high: float
    coverage: float  # of low … high; less than asked for when there are too few differences

    @property
    def exponential(self) -> "Estimate":
        """The same of e to that power: of a ratio, when this is of its logarithm."""
        return Estimate(math.exp(self.value), math.exp(self.low), math.exp(self.high), self.coverage)


def greater_p(differences: Sequence[float]) -> float:
    """The probability of a signed-rank sum at least as large if the differences lay symmetrically about zero.

    Differences of exactly zero speak for neither side and are left out; without any other, 1.
    """
    values = np.asarray([difference for difference in differences if difference], dtype=np.float64)
    if not len(values):
        return 1.0
    # Doubled, because ties share middle ranks: halves become whole.
    ranks = np.rint(2 * rankdata(np.abs(values))).astype(np.int64)
    observed = int(ranks[values > 0].sum())
    return float(_tail(tuple(sorted(ranks.tolist())))[observed])


def smallest_p(count: int) -> float:
    """The smallest probability that `count` differences can attain: one sign pattern of 2^count."""
    return 0.5**count


def differences_needed(p: float) -> int:
    """How many differences can attain a probability as small as `p`."""
    return math.ceil(-math.log2(p))


def critical_sum(count: int, p: float) -> int | None:
    """The smallest rank sum of `count` untied differences whose probability is at most `p`; None when there is none."""
    tail = _tail(tuple(range(2, 2 * count + 2, 2)))
    reached = np.flatnonzero(tail[::2] <= p)
    return int(reached[0]) if len(reached) and reached[0] <= count * (count + 1) // 2 else None


def estimate(differences: Sequence[float], confidence: float) -> Estimate:
    """The median of all pairwise means, and the interval that the two-sided test at that level would not reject."""
    values = np.asarray(differences, dtype=np.float64)
    count = len(values)
    assert count, "an estimate needs differences"
    first, second = np.triu_indices(count)
    means: Floats = np.sort((values[first] + values[second]) / 2)
    critical = critical_sum(count, (1 - confidence) / 2)
    outermost = count * (count + 1) // 2
    place = outermost if critical is None else critical
    tail = _tail(tuple(range(2, 2 * count + 2, 2)))
    return Estimate(
        value=float(np.median(means)),
        low=float(means[outermost - place]),
        high=float(means[place - 1]),
        coverage=1 - 2 * float(tail[2 * place]),
    )


@lru_cache(maxsize=256)
def _tail(doubled_ranks: tuple[int, ...]) -> Floats:
    """P(sum of the ranks with a positive sign ≥ s) for every s from 0, by counting sign patterns."""
    patterns = np.zeros(sum(doubled_ranks) + 1)
    patterns[0] = 1
    for rank in doubled_ranks:
        patterns[rank:] += patterns[:-rank].copy()
    share = patterns / 2.0 ** len(doubled_ranks)
    tail: Floats = np.cumsum(share[::-1])[::-1]
    return tail
