"""Where a series of numbers changed: E-divisive (Matteson and James, 2014), one-dimensional, each piece tested alone.

The statistic compares what lies left and right of a place by energy distance, so it sees changes of level and of spread
alike and assumes no distribution. Whether the best place means anything is asked of permutations of the piece.

Pure; seeded, so that the same series has the same changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.01  # of a change where there is none, per piece: a trend that cries wolf is not looked at again
PIECE_MIN = 3  # numbers on either side: two could be chance in whatever direction
# The shortest series in which a change can be found: 2 of its 252 ways of being halved are as strong as the strongest.
NUMBERS_MIN = 10
_PERMUTATIONS = 499
_SEED = 20_260_101

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChangePoint:
    """The first number after a change."""

    place: int
    p: float  # of so strong a change among permutations of the piece


def change_points(values: Sequence[float]) -> tuple[ChangePoint, ...]:
    """The changes of a series in its order; none where there are too few numbers to tell."""
    found = _changes(np.asarray(values, dtype=np.float64), 0, np.random.default_rng(_SEED))
    return tuple(sorted(found, key=lambda change: change.place))


def _changes(values: Floats, offset: int, random: np.random.Generator) -> list[ChangePoint]:
    if len(values) < NUMBERS_MIN:
        return []
    strength, place = _strongest(values)
    if strength <= 0:
        return []
    p = 1 / (_PERMUTATIONS + 1)
    for _ in range(_PERMUTATIONS):
        if _strongest(random.permutation(values))[0] >= strength:
            p += 1 / (_PERMUTATIONS + 1)
        if p > ALPHA:
            return []
    return [
        *_changes(values[:place], offset, random),
        ChangePoint(offset + place, p),
        *_changes(values[place:], offset + place, random),
    ]


def _strongest(values: Floats) -> tuple[float, int]:
    """The greatest scaled energy distance between values[:place] and values[place:end], over all places and ends."""
    count = len(values)
    distances = np.abs(values[:, None] - values[None, :])
    sums = np.zeros((count + 1, count + 1))
    sums[1:, 1:] = distances.cumsum(0).cumsum(1)
    place = np.arange(PIECE_MIN, count - PIECE_MIN + 1)[:, None]
    end = np.arange(2 * PIECE_MIN, count + 1)[None, :]
    left, right = place, end - place
    within_left = sums[place, place]
    between = sums[place, end] - within_left
    within_right = sums[end, end] - 2 * sums[place, end] + within_left
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = (
            2 * between / (left * right) - within_left / (left * (left - 1)) - within_right / (right * (right - 1))
        ) * (left * right / (left + right))
    energy = np.where(right >= PIECE_MIN, energy, -np.inf)
    best = int(energy.argmax())
    return float(energy.flat[best]), int(place[best // energy.shape[1], 0])
