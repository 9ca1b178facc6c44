"""A JSON file of pytest-benchmark as a stored run: only rounds are taken from it, statistics are made of them here."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from fixtures.errors import InputError
from reports.differences import CODE, Difference, differing

BLOCKS = 8  # as of a run's seconds: consecutive rounds resemble each other, pieces of them less
_MACHINE = ("machine", "system", "release", "python_implementation", "python_version")
_CPU = ("brand_raw", "count", "hz_advertised_friendly")


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of a file."""

    rounds_us: tuple[float, ...]  # time of one iteration in each round, in order
    options: dict[str, Any]  # how it was measured

    @property
    def us_p50(self) -> float:
        """The median round."""
        return median(self.rounds_us)

    @property
    def blocks_us(self) -> tuple[float, ...]:
        """Medians of consecutive pieces; none where a piece would be less than two rounds."""
        count = len(self.rounds_us)
        if count < 2 * BLOCKS:
            return ()
        ends = [count * block // BLOCKS for block in range(BLOCKS + 1)]
        return tuple(median(self.rounds_us[start:end]) for start, end in pairwise(ends))


@dataclass(frozen=True)
class BenchmarkRun:
    """Everything that a file says."""

    name: str
    started_at: str
    commit: str | None
    machine: dict[str, Any]
    benchmarks: dict[str, Benchmark]  # by full name


class _Stats(msgspec.Struct):
    data: list[float] | None = None


class _Entry(msgspec.Struct):
    fullname: str
    stats: _Stats
    options: dict[str, Any] = {}


class _File(msgspec.Struct):
    datetime: str
    machine_info: dict[str, Any]
    benchmarks: list[_Entry]
    commit_info: dict[str, Any] = field(default_factory=dict)


def is_benchmark_file(path: Path) -> bool:
    """Whether a path is meant as such a file: run folders are folders."""
    return path.is_file() or path.suffix == ".json"


def both_benchmark_files(base: Path, head: Path) -> bool:
    """Whether both are; InputError when one is and the other is a run folder."""
    kinds = {is_benchmark_file(base), is_benchmark_file(head)}
    if len(kinds) == 2:
        raise InputError(f"{base} and {head} are a run folder and a file; give two run folders, or two benchmark files")
    return kinds.pop()


def read_benchmarks(path: Path) -> BenchmarkRun:
    """The benchmarks of a file; InputError when it is none, or carries no rounds."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); name a JSON file of pytest-benchmark") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path} is no file of pytest-benchmark: {error}; write one with --benchmark-json") from error
    if not file.benchmarks:
        raise InputError(f"{path} holds no benchmark; run some with --benchmark-json")
    found: dict[str, Benchmark] = {}
    for entry in file.benchmarks:
        if entry.fullname in found:
            raise InputError(f"{path} names {entry.fullname} twice; run the benchmarks again")
        found[entry.fullname] = Benchmark(_rounds(path, entry), entry.options)
    commit = file.commit_info.get("id")
    machine = {name: file.machine_info.get(name) for name in _MACHINE}
    cpu = file.machine_info.get("cpu")
    machine |= {f"cpu {name}": cpu.get(name) for name in _CPU} if isinstance(cpu, dict) else {}
    return BenchmarkRun(path.name, file.datetime, None if commit is None else str(commit)[:12], machine, found)


def _rounds(path: Path, entry: _Entry) -> tuple[float, ...]:
    if not entry.stats.data:
        raise InputError(
            f"{path} carries no rounds of {entry.fullname}, and statistics alone cannot be judged; "
            "write it with --benchmark-json, or save it with --benchmark-save-data"
        )
    if not all(value > 0 for value in entry.stats.data):
        raise InputError(f"{path} holds a round of {entry.fullname} that took no time; run the benchmarks again")
    return tuple(value * 1e6 for value in entry.stats.data)


def benchmark_differences(base: BenchmarkRun, head: BenchmarkRun) -> tuple[Difference, ...]:
    """What two files differ in beside their numbers."""
    both = sorted(base.benchmarks.keys() & head.benchmarks.keys())
    names = [dict.fromkeys(one.benchmarks, "measured") for one in (base, head)]
    return (
        *differing(CODE, {"commit": base.commit}, {"commit": head.commit}),
        *differing("host", base.machine, head.machine),
        *differing("benchmarks", *names),
        *(
            one
            for name in both
            for one in differing(f"options of {name}", base.benchmarks[name].options, head.benchmarks[name].options)
        ),
    )
