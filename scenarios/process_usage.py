"""What processes on this machine use: one reading of one process, and sums and series made of readings."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Reading:
    """What one process has used so far, and holds now."""

    cpu_seconds: float  # user and system
    resident_bytes: int
    shared_bytes: int  # of the resident ones
    descriptors: int | None  # open ones; None when this user may not know


def read(process: psutil.Process) -> Reading | None:
    """A look at a process; None when it ended, buried or not, or when this user may not look."""
    try:
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            times, memory = process.cpu_times(), process.memory_info()
        try:
            descriptors = process.num_fds()
        except psutil.AccessDenied:
            descriptors = None
        return Reading(times.user + times.system, memory.rss, memory.shared, descriptors)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


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
                if name is not None and name not in process.name():
                    continue
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            reading = read(process)
            if reading is None:
                continue
            self._known[pid] = (process, reading.cpu_seconds)
            cpu_seconds += reading.cpu_seconds - before
            memory_bytes += reading.resident_bytes - reading.shared_bytes
        seconds, self._looked = max(now - self._looked, 1e-3), now
        return Usage(100 * cpu_seconds / seconds, memory_bytes) if self._known else None

    def _first_look(self, pid: int) -> tuple[psutil.Process, float]:
        """A process not seen before: what it used until now is counted only when it began since the last look."""
        process = psutil.Process(pid)
        times = process.cpu_times()
        is_new = time.time() - process.create_time() < self._clock() - self._looked
        return process, 0.0 if is_new else times.user + times.system


class ProcessWatch:
    """Memory and descriptors of named processes over time; one that ends is sampled no more."""

    def __init__(self, process_ids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(process_id) for name, process_id in process_ids.items()}
        self.memory_kib: dict[str, list[tuple[float, float]]] = {name: [] for name in process_ids}
        self.descriptors: dict[str, list[tuple[float, float]]] = {name: [] for name in process_ids}

    def sample(self, seconds: float, block: str, record: Callable[[str, str, int, int], None]) -> None:
        """Takes one sample of each, of resident memory in KiB and of open descriptors, and hands it to `record`."""
        for name, process in list(self._processes.items()):
            reading = read(process)
            if reading is None or reading.descriptors is None:
                del self._processes[name]
                continue
            memory_kib = reading.resident_bytes // 1024
            self.memory_kib[name].append((seconds, memory_kib))
            self.descriptors[name].append((seconds, reading.descriptors))
            record(name, block, memory_kib, reading.descriptors)
