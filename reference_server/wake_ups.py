"""When to look at what again: one heap for many keys. Pure; the clock is passed in."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

NEVER = float("inf")

K = TypeVar("K", bound=Hashable)


class WakeUps(Generic[K]):
    """At most one wake-up per key that counts: the earliest it was set to.

    A key that wakes too early finds nothing to do and sets its next wake-up, so a later one needs no entry of its own.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._earliest: dict[K, float] = {}
        self._count = 0  # breaks ties: keys need no order

    def set(self, key: K, when: float) -> None:
        """The key is due at `when` at the latest; NEVER sets nothing."""
        if when < self._earliest.get(key, NEVER):
            self._earliest[key] = when
            self._count += 1
            heapq.heappush(self._heap, (when, self._count, key))

    def due(self, now: float) -> Iterator[K]:
        """The keys that are due by now, each removed as it is given; those set meanwhile included."""
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._earliest.get(key) == when:  # else an earlier one took its place
                del self._earliest[key]
                yield key

    def next_due(self) -> float | None:
        """When `due` should be asked next; None when nothing is set."""
        return self._heap[0][0] if self._heap else None
