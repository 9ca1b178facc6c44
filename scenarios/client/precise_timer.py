"""Wakes greenlets at absolute times, finer than the event loop's own timers can.

gevent's own timers wait in whole milliseconds (epoll): measured, an operation started by one is 0.8 ms late at the
median, which would be added to every latency. Linux's timerfd is an ordinary descriptor that counts in nanoseconds:
measured for the same scenario 0.2 ms. Python 3.11 has no binding for it, so libc is called directly; elsewhere
gevent's timers serve.
"""

import ctypes
import heapq
import itertools
import os
import sys
import time

import gevent
from gevent.event import Event

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_READ = 1
_NS = 1_000_000_000


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_seconds", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class PreciseTimer:
    """One timer for any number of waiting greenlets of one event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Event]] = []
        self._order = itertools.count()
        self._over = Event()
        self._fd = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            self._watcher = gevent.get_hub().loop.io(self._fd, _READ)
            self._watcher.start(self._fired)

    def wait_until(self, monotonic_ns: int) -> bool:
        """Waits for a CLOCK_MONOTONIC time, never less; False when `wake_all` came first."""
        while not self._over.is_set() and (wait_ns := monotonic_ns - time.monotonic_ns()) > 0:
            if self._fd < 0:
                self._over.wait(timeout=wait_ns / _NS)
                continue
            entry = (monotonic_ns, next(self._order), Event())
            heapq.heappush(self._waiting, entry)
            if self._waiting[0] is entry:
                self._arm(monotonic_ns)
            entry[2].wait()
        return not self._over.is_set()

    def wake_all(self) -> None:
        """Ends every wait, now and from now on."""
        self._over.set()
        for _, _, event in self._waiting:
            event.set()
        self._waiting.clear()
        self.use_event_loop_timers()

    def use_event_loop_timers(self) -> None:
        """Gives the timerfd back; waits from now on are whole milliseconds."""
        if self._fd >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1

    def _arm(self, monotonic_ns: int) -> None:
        # Zero would disarm the timer; a time that has passed fires at once.
        spec = _Itimerspec(0, 0, *divmod(max(1, monotonic_ns), _NS))
        if self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # armed again meanwhile
        now = time.monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappop(self._waiting)[2].set()
        if self._waiting:
            self._arm(self._waiting[0][0])
