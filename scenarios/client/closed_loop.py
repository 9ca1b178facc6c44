"""Users who wait for an answer, think, and only then ask again.

That is how one person behaves, and how a load test must not measure a service: while the server stalls, nobody asks,
so the stall is in a handful of latencies instead of in all that would have been asked meanwhile. A run that has such
users is recorded as model "closed", and reports say so beside its figures.
"""

import time
from collections.abc import Callable
from random import Random

from scenarios.client.precise_timer import PreciseTimer
from scenarios.clock import ClockRelation
from scenarios.schedules import StartLog

_NS = 1_000_000_000


class ClosedLoop:
    """One user's operations one after the other, with exponential think times between them.

    A think time comes first too, so users who begin together do not ask together. An operation's intended start is
    the end of its think time.
    """

    def __init__(
        self,
        *,
        think_seconds: float,
        seed: int | str,
        starts: StartLog,
        record_start_delay_us: Callable[[int], None],
        timer: PreciseTimer,
        clock: ClockRelation,
    ) -> None:
        assert think_seconds > 0
        self._think_seconds = think_seconds  # mean
        self._random = Random(seed)
        self._starts = starts
        self._record_start_delay_us = record_start_delay_us
        self._timer = timer
        self._clock = clock

    def drive(self, begin_ns: int, operation: Callable[[int], None]) -> None:
        """Calls `operation(intended CLOCK_REALTIME ns)` in this greenlet, again and again, until the run stops."""
        free_ns = begin_ns
        while True:
            intended_ns = free_ns + round(self._random.expovariate(1 / self._think_seconds) * _NS)
            if not self._timer.wait_until(intended_ns):
                return
            self._record_start_delay_us(self._starts.start(intended_ns, time.monotonic_ns()) // 1000)
            operation(self._clock.realtime_ns(intended_ns))
            free_ns = time.monotonic_ns()
