"""In which order things that are compared take their turns. Pure."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def alternating(arms: Sequence[T], seed: int | str) -> Iterator[T]:
    """Rounds without end, each with every arm once, in an order that is drawn anew for each.

    A fixed order would let whatever repeats with the rounds (a checkpoint, a neighbour) favour one arm.
    """
    random = Random(seed)
    while True:
        yield from random.sample(arms, len(arms))
