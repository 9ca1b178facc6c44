"""Contract: sets of seqs as few ranges, because seqs come almost in order: one range stands for a whole run."""

from bisect import bisect_right
from collections.abc import Iterator


class SeqRanges:
    """A set of integers kept as sorted, disjoint, non-adjacent ranges; both ends belong to a range."""

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges (start, stop), ascending."""
        return iter(list(zip(self._starts, self._stops, strict=True)))

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._starts, seq) - 1
        return at >= 0 and seq <= self._stops[at]

    def __len__(self) -> int:
        return sum(self._stops) - sum(self._starts) + len(self._starts)

    def add(self, seq: int) -> bool:
        """Adds `seq`; whether it was new."""
        if self._stops and seq == self._stops[-1] + 1:
            self._stops[-1] = seq
            return True
        if seq in self:
            return False
        self.add_range(seq, seq)
        return True

    def add_range(self, start: int, stop: int) -> None:
        """Adds start … stop, both included; nothing when stop < start."""
        if stop < start:
            return
        # Ranges first … last - 1 overlap or touch the new one and merge with it.
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._stops[first] < start - 1:
            first += 1
        last = bisect_right(self._starts, stop + 1)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def remove(self, seq: int) -> bool:
        """Takes `seq` out; whether it was there."""
        at = bisect_right(self._starts, seq) - 1
        if at < 0 or seq > self._stops[at]:
            return False
        start, stop = self._starts[at], self._stops[at]
        pieces = [(low, high) for low, high in ((start, seq - 1), (seq + 1, stop)) if low <= high]
        self._starts[at : at + 1] = [low for low, _ in pieces]
        self._stops[at : at + 1] = [high for _, high in pieces]
        return True

    def count_between(self, low: int, high: int) -> int:
        """How many members lie in low … high, both included."""
        total = 0
        at = max(0, bisect_right(self._starts, low) - 1)
        while at < len(self._starts) and self._starts[at] <= high:
            total += max(0, min(high, self._stops[at]) - max(low, self._starts[at]) + 1)
            at += 1
        return total

    def count_shared(self, other: "SeqRanges", low: int, high: int) -> int:
        """How many seqs of low … high are in both."""
        return sum(other.count_between(max(low, start), min(high, stop)) for start, stop in self)
