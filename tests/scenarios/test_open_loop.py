import time
from collections.abc import Iterator
from itertools import count

import gevent
import gevent.event
import pytest

from scenarios.client.open_loop import OpenLoop
from scenarios.client.precise_timer import PreciseTimer
from scenarios.clock import ClockRelation
from scenarios.schedules import DrawnArrivals, StartLog

MS = 1_000_000


class Drive:
    """One open loop, and what its operations saw."""

    def __init__(self, in_flight_limit: int = 100) -> None:
        self.starts = StartLog()
        self.timer = PreciseTimer()
        self.delays_us: list[int] = []
        self.intended: list[int] = []
        self.begin_ns = time.monotonic_ns()
        self.loop = OpenLoop(
            starts=self.starts,
            record_start_delay_us=self.delays_us.append,
            timer=self.timer,
            clock=ClockRelation(offset_ns=10**18, error_ns=0),
            in_flight_limit=in_flight_limit,
        )


def test_a_stall_keeps_every_intended_time() -> None:
    """Operations that a busy process starts late are all started, each with the time it was meant for."""
    drive = Drive()

    def operation(intended_ns: int) -> None:
        drive.intended.append(intended_ns)
        if len(drive.intended) == 1:
            stalled_until = time.monotonic() + 0.1
            while time.monotonic() < stalled_until:
                pass

    drive.loop.drive(iter([0, 10 * MS, 20 * MS, 200 * MS]), drive.begin_ns, operation)
    assert drive.intended == [10**18 + drive.begin_ns + offset * MS for offset in (0, 10, 20, 200)]
    assert drive.starts.started == 4
    assert drive.starts.late >= 2
    assert max(drive.delays_us) >= 80_000


def test_nothing_starts_early() -> None:
    """The moment an operation begins is never before its intended one."""
    drive = Drive()
    early: list[int] = []
    offsets = [number * 3 * MS for number in range(20)]
    drive.loop.drive(
        iter(offsets), drive.begin_ns, lambda intended_ns: early.append(time.monotonic_ns() + 10**18 - intended_ns)
    )
    assert len(early) == 20
    assert min(early) >= 0


def test_a_slow_operation_does_not_delay_the_next_start() -> None:
    """Open loop: whoever waits for an answer does not hold up the schedule."""
    drive = Drive()
    release = gevent.event.Event()
    running: list[int] = []

    def operation(intended_ns: int) -> None:
        running.append(intended_ns)
        release.wait()

    drive.loop.drive(iter([0, MS, 2 * MS]), drive.begin_ns, operation)
    assert (len(running), drive.loop.in_flight) == (3, 3)
    release.set()
    gevent.sleep(0)
    assert drive.loop.in_flight == 0


def test_beyond_the_limit_starts_are_dropped_and_counted() -> None:
    """Memory is finite; what was not offered is told."""
    drive = Drive(in_flight_limit=2)
    release = gevent.event.Event()
    drive.loop.drive(iter([0, 0, 0, 0, 0]), drive.begin_ns, lambda _intended_ns: release.wait())
    assert (drive.starts.started, drive.starts.dropped) == (2, 3)
    release.set()
    gevent.sleep(0)


def test_a_dropped_arrival_takes_what_was_drawn_for_it_along() -> None:
    """Those that are begun after it are whose they would have been."""
    drive = Drive(in_flight_limit=2)
    release = gevent.event.Event()
    names = iter("abcdef")
    began: list[str] = []

    def offsets() -> Iterator[int]:
        yield from (0, 0, 0, 0)
        release.set()
        while drive.loop.in_flight:
            gevent.sleep(0)
        yield from (MS, MS)

    def operation(name: str, _intended_ns: int) -> None:
        began.append(name)
        release.wait()

    arrivals = DrawnArrivals(offsets(), lambda: next(names), is_own=lambda _name: True)
    drive.loop.drive_drawn(arrivals, drive.begin_ns, operation)
    assert (began, drive.starts.dropped) == (["a", "b", "e", "f"], 2)


def test_stopping_wakes_every_schedule() -> None:
    """A run that ends does not wait for arrivals that are still to come."""
    drive = Drive()
    endless = gevent.spawn(
        drive.loop.drive, (number * 3600 * 1000 * MS for number in count(1)), drive.begin_ns, lambda _: None
    )
    gevent.sleep(0)
    drive.timer.wake_all()
    endless.get(timeout=10)
    assert drive.starts.started == 0
    assert not drive.timer.wait_until(time.monotonic_ns() + 10**12)


@pytest.mark.parametrize("has_timerfd", [True, False])
def test_waits_end_in_order_and_never_early(has_timerfd: bool) -> None:
    """Any number of greenlets wait on one timer, with timerfd and without."""
    timer = PreciseTimer()
    if not has_timerfd:
        timer.use_event_loop_timers()
    ended: list[tuple[int, int]] = []
    begin = time.monotonic_ns()

    def wait(offset_ms: int) -> None:
        assert timer.wait_until(begin + offset_ms * MS)
        ended.append((offset_ms, time.monotonic_ns()))

    gevent.joinall([gevent.spawn(wait, offset) for offset in (30, 10, 20, 0)], raise_error=True)
    timer.wake_all()
    assert [offset for offset, _ in ended] == [0, 10, 20, 30]
    assert all(at >= begin + offset * MS for offset, at in ended)
