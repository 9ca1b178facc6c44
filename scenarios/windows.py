"""Contract: time cut into windows that alternate between the arms of a comparison. Pure.

For turns without an end of their own; scenarios/alternation.py has the order of those that have one.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from scenarios.queries.block_order import shuffled

T = TypeVar("T")


class Windows(Generic[T]):
    """Equal windows, one arm each: a seeded order, then its reverse, and so on, so that a drift hits all arms alike."""

    def __init__(self, arms: Sequence[T], window_seconds: float, seed: int) -> None:
        assert arms
        assert window_seconds > 0
        self.window_seconds = window_seconds
        self.order = shuffled(arms, seed, "windows")

    @property
    def block_seconds(self) -> float:
        """How long it takes until each arm has had a window."""
        return self.window_seconds * len(self.order)

    def block(self, offset_seconds: float) -> int:
        """The number of the block of a moment, from 0."""
        return int(max(0.0, offset_seconds) // self.window_seconds) // len(self.order)

    def arm(self, offset_seconds: float) -> T:
        """Whose window a moment is in."""
        place = int(max(0.0, offset_seconds) // self.window_seconds) % len(self.order)
        return self.order[place if self.block(offset_seconds) % 2 == 0 else -1 - place]
