"""Contract: how this process's CLOCK_MONOTONIC and CLOCK_REALTIME relate.

Schedules run on CLOCK_MONOTONIC, which never steps; the kernel stamps arriving segments with CLOCK_REALTIME. Their
difference is measured, with its error bound, at the start of a run and again while it goes.
"""

from collections.abc import Callable
from dataclasses import dataclass

# A step of CLOCK_REALTIME beyond this moves every latency of the run by as much.
STEP_BOUND_NS = 2_000_000


@dataclass(frozen=True)
class ClockRelation:
    """CLOCK_REALTIME = CLOCK_MONOTONIC + offset_ns, within ± error_ns."""

    offset_ns: int
    error_ns: int

    def realtime_ns(self, monotonic_ns: int) -> int:
        """The CLOCK_REALTIME of a moment known by CLOCK_MONOTONIC."""
        return monotonic_ns + self.offset_ns

    def monotonic_ns(self, realtime_ns: int) -> int:
        """The CLOCK_MONOTONIC of a moment known by CLOCK_REALTIME."""
        return realtime_ns - self.offset_ns

    def step_ns(self, later: "ClockRelation") -> int:
        """How far CLOCK_REALTIME moved against CLOCK_MONOTONIC since, less what both readings may err."""
        return max(0, abs(later.offset_ns - self.offset_ns) - later.error_ns - self.error_ns)


def relate_clocks(
    read_monotonic_ns: Callable[[], int], read_realtime_ns: Callable[[], int], samples: int = 16
) -> ClockRelation:
    """The relation of two clocks, from the narrowest of `samples` readings of one between two of the other."""
    best: ClockRelation | None = None
    for _ in range(samples):
        before = read_monotonic_ns()
        realtime = read_realtime_ns()
        after = read_monotonic_ns()
        error = (after - before + 1) // 2
        if best is None or error < best.error_ns:
            best = ClockRelation(offset_ns=realtime - (before + after) // 2, error_ns=error)
    assert best is not None
    return best
