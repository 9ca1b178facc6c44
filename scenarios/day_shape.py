"""Contract: a day's activity as a shape of its rate, compressed to any length, and its arrivals. Pure.

An arrival of a process with one event per unit is moved to the moment at which the day has seen as much: see
`rate_shape.py`, which knows nothing of hours.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from scenarios.rate_shape import Piece, RateShape

HOURS = 24.0


@dataclass(frozen=True)
class DayShape:
    """Rates at given hours, linear between them; the mean over the day is scaled to 1."""

    points: tuple[tuple[float, float], ...]  # (hour, relative rate), from hour 0 to hour 24

    def __post_init__(self) -> None:
        hours = [hour for hour, _ in self.points]
        assert hours[0] == 0
        assert hours[-1] == HOURS
        assert hours == sorted(set(hours))
        assert all(rate >= 0 for _, rate in self.points)
        assert any(rate > 0 for _, rate in self.points)

    @cached_property
    def _shape(self) -> RateShape:
        """The same with hours for seconds."""
        ends = pairwise(self.points)
        return RateShape(tuple(Piece(right - left, low, high) for (left, low), (right, high) in ends))

    @cached_property
    def _total(self) -> float:
        return self._shape.integral(HOURS)

    def rate(self, hour: float) -> float:
        """The rate at an hour (0 … 24) as a multiple of the day's mean."""
        assert 0 <= hour <= HOURS
        index = min(bisect_right([one for one, _ in self.points], hour), len(self.points) - 1)
        (left, low), (right, high) = self.points[index - 1], self.points[index]
        return (low + (high - low) * (hour - left) / (right - left)) * HOURS / self._total

    def share_until(self, hour: float) -> float:
        """The share (0 … 1) of the day's events that come before an hour."""
        assert 0 <= hour <= HOURS
        return self._shape.integral(hour) / self._total

    def hour_of(self, share: float) -> float:
        """The hour before which a share (0 … 1) of the day's events come: the inverse of `share_until`."""
        assert 0 <= share <= 1
        hour = self._shape.moment(share * self._total)
        return HOURS if hour is None else min(HOURS, hour)  # rounded beyond the day's end


def day_arrivals(
    shape: DayShape, unit_arrivals: Iterator[int], event_count: float, day_seconds: float
) -> Iterator[int]:
    """Offsets in ns of one day: about `event_count` events within `day_seconds`.

    `unit_arrivals` are offsets in ns of a process of one event per second, such as `poisson_arrivals(1, seed)`.
    """
    for offset_ns in unit_arrivals:
        share = offset_ns / 1e9 / event_count
        if share > 1:
            return
        yield round(shape.hour_of(share) / HOURS * day_seconds * 1e9)


def hour_label(offset_seconds: float, day_seconds: float) -> str:
    """The hour of the compressed day, "00" … "23"."""
    return f"{min(23, max(0, int(offset_seconds / day_seconds * HOURS))):02d}"
