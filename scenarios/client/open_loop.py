"""Drives operations by a schedule of intended times, whatever the operations before them do."""

import time
from collections.abc import Callable, Iterator

import gevent

from scenarios.client.precise_timer import PreciseTimer
from scenarios.clock import ClockRelation
from scenarios.rate_shape import RateShape
from scenarios.schedules import DrawnArrivals, StartLog, T

# Beyond this many unfinished operations an arrival is dropped (and counted): memory is finite, and a server this
# far behind will not catch up within a run.
IN_FLIGHT_LIMIT = 2000


class OpenLoop:
    """Starts each operation in a greenlet of its own at its intended time.

    Lateness is the generator's: how long after its intended time the operation's greenlet was made. What an
    operation then waits for (a connection, the answer before it) belongs to its latency, which runs from the
    intended time.
    """

    def __init__(
        self,
        *,
        starts: StartLog,
        record_start_delay_us: Callable[[int], None],
        timer: PreciseTimer,
        clock: ClockRelation,
        shape: RateShape = RateShape(),  # noqa: B008 - a frozen value
        in_flight_limit: int = IN_FLIGHT_LIMIT,
    ) -> None:
        self._starts = starts
        self._record_start_delay_us = record_start_delay_us
        self._timer = timer
        self._clock = clock
        self._shape = shape
        self._in_flight_limit = in_flight_limit
        self.in_flight = 0

    def drive(
        self,
        arrivals: Iterator[int],
        begin_ns: int,
        operation: Callable[[int], None],
        dropped: Callable[[], object] = lambda: None,
    ) -> None:
        """Calls `operation(intended CLOCK_REALTIME ns)` for each offset after `begin_ns` (CLOCK_MONOTONIC).

        The offsets are those of the constant rate; the run's shape moves them in time. Returns when the run stops, or
        no more can come; blocks its greenlet until then. `dropped` is called for each arrival that is not begun.
        """
        for offset_ns in self._shape.moved(arrivals):
            intended_ns = begin_ns + offset_ns
            if not self._timer.wait_until(intended_ns):
                return
            if self.in_flight >= self._in_flight_limit:
                self._starts.drop()
                dropped()
                gevent.sleep(0)
                continue
            self._record_start_delay_us(self._starts.start(intended_ns, time.monotonic_ns()) // 1000)
            self.in_flight += 1
            gevent.spawn(self._run, operation, self._clock.realtime_ns(intended_ns))
            gevent.sleep(0)

    def drive_drawn(self, arrivals: DrawnArrivals[T], begin_ns: int, operation: Callable[[T, int], None]) -> None:
        """Drives arrivals that are somebody's: calls `operation(drawn, intended CLOCK_REALTIME ns)` for each."""
        # What was drawn for a dropped arrival goes with it; else every later one would be somebody else's.
        self.drive(iter(arrivals), begin_ns, lambda at_ns: operation(arrivals.take(), at_ns), dropped=arrivals.take)

    def _run(self, operation: Callable[[int], None], intended_ns: int) -> None:
        try:
            operation(intended_ns)
        finally:
            self.in_flight -= 1
