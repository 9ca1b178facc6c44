"""In which order things that are compared take their turns. Pure.

`alternating` is for turns that end when something has happened (everyone is back, the backlog is over): what comes next
is asked for when it begins, and a drift of the machine is met by chance. Where turns are equal windows of time, whose
arm follows from the moment alone in every process that asks, scenarios/windows.py has them forward and in reverse,
so that a steady drift cancels exactly.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


def alternating(arms: Sequence[T], seed: int | str) -> Iterator[T]:
    """Rounds without end, each with every arm once, in an order that is drawn anew for each.

    A fixed order would let whatever repeats with the rounds (a checkpoint, a neighbour) favour one arm.
    """
    random = Random(seed)
    while True:
        yield from random.sample(arms, len(arms))


class TurnLog(Generic[T]):
    """Whose turn it was when."""

    def __init__(self) -> None:
        self._begins_ns: list[int] = []
        self._arms: list[T] = []

    def begin(self, begin_ns: int, arm: T) -> None:
        """Notes that an arm's turn begins; turns are noted in order."""
        assert not self._begins_ns or begin_ns >= self._begins_ns[-1]
        self._begins_ns.append(begin_ns)
        self._arms.append(arm)

    def arm_at(self, moment_ns: int) -> T | None:
        """The arm whose turn had begun last; None before the first."""
        at = bisect_right(self._begins_ns, moment_ns)
        return self._arms[at - 1] if at else None
