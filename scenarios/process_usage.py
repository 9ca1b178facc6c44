"""CPU and memory of a set of processes on this machine, from one look to the next."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """What some processes used since the look before."""

    cpu_percent: float  # of one core, all of them together
    memory_bytes: int  # resident and not shared, now


class ProcessUsage:
    """Looks at processes that may come and go; one that ended takes what it used since the last look with it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = clock()
        self._known: dict[int, tuple[psutil.Process, float]] = {}  # pid → process, its CPU seconds so far

    def look(self, pids: Iterable[int], *, name: str | None = None) -> Usage | None:
        """The usage of `pids` since the last look; None when none of them is there (or bears that name)."""
        now = self._clock()
        known, self._known = self._known, {}
        cpu_seconds, memory_bytes = 0.0, 0
        for pid in pids:
            try:
                process, before = known.get(pid) or self._first_look(pid)
                with process.oneshot():
                    if name is not None and name not in process.name():
                        continue
                    times, memory = process.cpu_times(), process.memory_info()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self._known[pid] = (process, times.user + times.system)
            cpu_seconds += times.user + times.system - before
            memory_bytes += memory.rss - memory.shared
        seconds, self._looked = max(now - self._looked, 1e-3), now
        return Usage(100 * cpu_seconds / seconds, memory_bytes) if self._known else None

    def _first_look(self, pid: int) -> tuple[psutil.Process, float]:
        """A process not seen before: what it used until now is counted only when it began since the last look."""
        process = psutil.Process(pid)
        times = process.cpu_times()
        is_new = time.time() - process.create_time() < self._clock() - self._looked
        return process, 0.0 if is_new else times.user + times.system
