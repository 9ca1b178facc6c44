"""Contract: the bounds within which a load generator may be believed, and the judgement of one run by them.

A generator that is slow itself makes the server look slow. Its own testimony decides whether the run counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """What one quantity may reach before the reader is warned, and before the run is INVALID."""

    unit: str
    warning: float
    invalid: float
    reason: str  # why these numbers
    advice: str  # what to change


BOUNDS = {
    "loop_lag_ms_p99": Bound(
        "ms",
        20,
        100,
        "guess: a timer this late delays starts as much; what becomes of arrivals' stamps has a bound of its own",
        "lower the rate or the users, or give the generator a core of its own",
    ),
    "cpu_share_percent": Bound(
        "% of one core",
        80,
        95,
        "cited: Locust warns at 90 %; measured: a client that stamps in user space already errs by half at 49 %",
        "lower the rate or the users",
    ),
    "late_share_percent": Bound(
        "% of starts",
        1,
        5,
        "by definition: beyond 1 % the p99, beyond 5 % the p95 measured from the intended start holds the generator's "
        "own delay",
        "lower the rate, or give the generator a core of its own",
    ),
    "dropped_share_percent": Bound(
        "% of intended operations",
        0,
        1,
        "by definition: a dropped operation is load that was promised and not offered",
        "lower the rate: more operations were in flight than the generator keeps",
    ),
    "unstamped_share_percent": Bound(
        "% of arrivals",
        1,
        101,
        "guess: arrivals without a kernel stamp carry the generator's own delay; a figure of them is an upper bound, "
        "never a reason to discard the run",
        "use Linux, where the kernel stamps received segments",
    ),
    "shared_stamp_share_percent": Bound(
        "% of gateway frames",
        1,
        10,
        "by definition: of a share s of frames, which waited for the generator, the stamps are a later frame's, and "
        "the reported percentile p is at most the true one at p / (1 - s): beyond 1 % the p99 can be anything, beyond "
        "10 % the p50 is the true 56th, about 10 % more. Measured against an observer whose CPU nobody can take, 40 "
        "rounds: up to 6 % the p50 was within 20 % or 0.1 ms; from 30 % on 1.9 to 1000 times as long, in six of the "
        "rounds with no other bound passed",
        "the generator waited for a CPU that others had, or for itself: give it a core of its own, lower the rate, or "
        "use more processes",
    ),
    "lost_load_share_percent": Bound(
        "% of the load that was asked for",
        0,
        10,
        "guess: two runs of one version of a real chat under the same load are published to differ by 11 to 26 %, and "
        "what a tenth less load changes is within that",
        "run again, and see why the worker ended",
    ),
    "descriptors_share_percent": Bound(
        "% of the process's limit",
        80,
        95,
        "by definition: at 100 % the generator's own kernel refuses connections; the rest is for a burst of requests",
        "raise the limit (ulimit -n), use fewer users, or spread them over more processes",
    ),
    "receive_queue_bytes_p99": Bound(
        "B unread at a wake",
        16_384,
        131_072,
        "guess for the warning: some 60 events of 250 B wait together and are timed as the last of them; cited for the "
        "end: tcp(7), a receive buffer is 131 072 B by default, beyond it the window closes and the server has to wait",
        "lower the rate or the users per process: the generator reads more slowly than the server writes",
    ),
    "clock_step_ms": Bound(
        "ms",
        1,
        5,
        "by definition: a step of the wall clock moves the latencies measured across it by as much",
        "run again while the clock is not being set",
    ),
}

# Below this many starts a share says nothing: one late start of ten is not a slow generator.
SMALLEST_SAMPLE = 100


@dataclass(frozen=True)
class Observation:
    """What a generator saw of itself during a run."""

    loop_lag_ms_p99: float | None  # None: never probed
    cpu_share_percent: float | None  # mean over the measured time
    started: int
    late: int
    dropped: int
    arrivals: int
    unstamped: int
    frames: int  # from the gateway, in the measured time
    shared_stamps: int  # of these, such as waited here until a later one had come, whose stamp they bear
    descriptors_share_percent: float  # at their peak
    receive_queue_bytes_p99: int  # of gateway connections, at the wakes that read them; 0: none read
    clock_step_ms: float


@dataclass(frozen=True)
class Judgement:
    """Why a run must not be believed, and what its reader should know; both may be empty."""

    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(observation: Observation) -> Judgement:
    """The judgement of a run by its generator's own figures; figures that are missing make it INVALID."""
    intended = observation.started + observation.dropped
    figures: dict[str, float | None] = {
        "loop_lag_ms_p99": observation.loop_lag_ms_p99,
        "cpu_share_percent": observation.cpu_share_percent,
        "late_share_percent": _share(observation.late, max(observation.started, SMALLEST_SAMPLE)),
        "dropped_share_percent": _share(observation.dropped, max(intended, SMALLEST_SAMPLE)),
        "unstamped_share_percent": _share(observation.unstamped, max(observation.arrivals, SMALLEST_SAMPLE)),
        "shared_stamp_share_percent": _share(observation.shared_stamps, max(observation.frames, SMALLEST_SAMPLE)),
        "descriptors_share_percent": observation.descriptors_share_percent,
        "receive_queue_bytes_p99": observation.receive_queue_bytes_p99,
        "clock_step_ms": observation.clock_step_ms,
    }
    return judge_figures(figures)


def judge_figures(figures: Mapping[str, float | None]) -> Judgement:
    """Each figure against its bound of the table; None: it should have been measured."""
    reasons: list[str] = []
    warnings: list[str] = []
    for name, figure in figures.items():
        bound = BOUNDS[name]
        if figure is None:
            reasons.append(f"generator {name} was never measured; run longer than a second")
        elif figure > bound.invalid:
            reasons.append(_sentence(name, figure, bound, bound.invalid))
        elif figure > bound.warning:
            warnings.append(_sentence(name, figure, bound, bound.warning))
    return Judgement(tuple(reasons), tuple(warnings))


def is_generators_own(reason: str) -> bool:
    """True when a reason for INVALID is the generator's weakness, and not a server that left too much unanswered."""
    names = "|".join(name for name in BOUNDS if name != "dropped_share_percent")
    return (
        re.match(rf"(worker [^:]+: )?(generator ({names}) is |no operation was started|it ended before)", reason)
        is not None
    )


def _share(part: int, whole: int) -> float:
    return 100 * part / whole


def _sentence(name: str, figure: float, bound: Bound, limit: float) -> str:
    return f"generator {name} is {figure:.4g}, over {limit:g} {bound.unit}: {bound.advice}"
