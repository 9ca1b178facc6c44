"""Contract: open-loop arrivals as pure, seeded iterators of intended times, and the count of how starts kept them.

An arrival's intended time never depends on how earlier ones went: a late start keeps it, and latency runs from it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")

# ScenarioRecord.late counts starts that came more than this after their intended time.
LATE_AFTER_NS = 10_000_000


def poisson_arrivals(rate_per_second: float, seed: int | str) -> Iterator[int]:
    """Offsets in ns of a Poisson process, without end: independent exponential gaps with mean 1 / rate."""
    assert rate_per_second > 0
    random = Random(seed)
    seconds = 0.0
    while True:
        seconds += random.expovariate(rate_per_second)
        yield round(seconds * 1e9)


def fixed_arrivals(rate_per_second: float, seed: int | str) -> Iterator[int]:
    """Offsets in ns at an even pace, without end; the seed sets the phase, so that many users do not step together.

    Offset n is (phase + n) / rate, computed afresh each time: errors do not add up.
    """
    assert rate_per_second > 0
    phase = Random(seed).random()
    number = 0
    while True:
        yield round((phase + number) * 1e9 / rate_per_second)
        number += 1


ARRIVALS = {"poisson": poisson_arrivals, "fixed": fixed_arrivals}


class StartLog:
    """Counts how operations kept their schedule: started, late, dropped."""

    def __init__(self) -> None:
        self.started = 0
        self.late = 0
        self.dropped = 0

    def start(self, intended_ns: int, now_ns: int) -> int:
        """Counts a start; its delay in ns, 0 when in time."""
        delay_ns = max(0, now_ns - intended_ns)
        self.started += 1
        self.late += delay_ns > LATE_AFTER_NS
        return delay_ns

    def drop(self) -> None:
        """Counts an operation that was intended and never begun."""
        self.dropped += 1


class DrawnArrivals(Generic[T]):
    """A schedule each of whose arrivals is somebody's, for each process of a run its own.

    Every process draws for every arrival, from equal generators of random numbers, and keeps those that are its own:
    together they have the arrivals and the draws that one process would have had.
    """

    def __init__(self, arrivals: Iterator[int], draw: Callable[[], T], is_own: Callable[[T], bool]) -> None:
        self._arrivals = arrivals
        self._draw = draw
        self._is_own = is_own
        self._drawn: deque[T] = deque()

    def __iter__(self) -> Iterator[int]:
        """The offsets of this process's own."""
        for offset_ns in self._arrivals:
            drawn = self._draw()
            if self._is_own(drawn):
                self._drawn.append(drawn)
                yield offset_ns

    def take(self) -> T:
        """What was drawn for the next of them; to be taken once for each, in their order."""
        return self._drawn.popleft()
