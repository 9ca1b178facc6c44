"""Contract: open-loop arrivals as pure, seeded iterators of intended times, and the count of how starts kept them.

An arrival's intended time never depends on how earlier ones went: a late start keeps it, and latency runs from it.
"""

from collections.abc import Iterator
from random import Random

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
