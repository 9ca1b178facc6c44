"""Locust on a host whose CLOCK_REALTIME is so many seconds ahead: the first argument; the others are Locust's own.

No namespace of Linux has a CLOCK_REALTIME of its own, so it is shifted where this project's code reads it: by Python's
functions, and in the kernel's stamps.
"""

import sys
import time

AHEAD_NS = int(sys.argv.pop(1)) * 1_000_000_000
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + AHEAD_NS / 1e9
time.time_ns = lambda: _time_ns() + AHEAD_NS

from locust.main import main  # noqa: E402 - it patches what the clock above must be under

from scenarios.client import arrival_stamp  # noqa: E402

_stamp_ns = arrival_stamp.stamp_ns


def _shifted_stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    stamp = _stamp_ns(ancillary)
    return stamp + AHEAD_NS if stamp else 0


arrival_stamp.stamp_ns = _shifted_stamp_ns
main()
