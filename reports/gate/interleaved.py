"""Files of pytest-benchmark of two versions that took turns: each pair of neighbours in time is a round, as in a duet.

    base head | head base | base head | …        in the order of their time: one pair after the other

Two files alone are a stored baseline; many that took turns hold what interleaving needs, so the duet's own rules judge
them: exact signed-rank test of the pairs, margins, Holm over all benchmarks, and later pairs that confirm a failure.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from fixtures.errors import InputError
from reports.benchmark_file import Benchmark, BenchmarkRun, benchmark_differences, read_benchmarks
from reports.differences import obstacles
from reports.gate.decisions import CONFIRMING_ROUNDS_MIN, ROUND_OPERATIONS_MIN, Gated, Round, decide, rounds_needed
from reports.gate.outputs import Outcome
from reports.latency import values_needed

MARGINS = {50: 0.05, 95: 0.10}  # as of a duet
_CONFIRMING_SHARE = 4  # one in four pairs confirms; chosen before any is looked at
_ROUNDS_MIN = {50: values_needed(50), 95: ROUND_OPERATIONS_MIN}

Pair = tuple[BenchmarkRun, BenchmarkRun]  # base, head


def is_benchmark_folder(path: Path) -> bool:
    """Whether a folder is meant to hold such files: run folders, damaged ones too, and folders of them are others."""
    own = ("run.json", "ledger.json", "*.jsonl")
    return path.is_dir() and any(path.rglob("*.json")) and not any(any(path.rglob(name)) for name in own)


def judge_interleaved(head: Path, base: Path) -> Outcome:
    """The verdict on one folder's files against those of another; InputError when they did not take turns."""
    arms = [_read(folder) for folder in (base, head)]
    pairs, base_first = _pairs(arms[0], arms[1], f"{base} and {head}")
    names = [name for name in pairs[0][1].benchmarks if all(name in run.benchmarks for pair in pairs for run in pair)]
    metrics = [metric for name in names for metric in _metrics(name, pairs)]
    confirming = max(CONFIRMING_ROUNDS_MIN, len(pairs) // _CONFIRMING_SHARE)
    first, fresh = pairs[:-confirming], pairs[-confirming:]
    reasons = _reasons(pairs)
    if len(first) < rounds_needed(len(metrics) or 1):
        reasons.append(
            f"{len(pairs)} pairs of files are too few for {len(metrics)} numbers: "
            f"run both versions {rounds_needed(len(metrics) or 1) + confirming} times"
        )
    remarks = [f"commit {pairs[0][0].commit or 'unknown'} in base, {pairs[0][1].commit or 'unknown'} in head"]
    if base_first in (0, len(pairs)):
        order = "base" if base_first else "head"
        remarks.append(f"{order} always ran first in its pair, which may favour one of them; alternate the order")
    return Outcome(
        f"{head} against {base} ({len(pairs)} pairs of files)",
        decide(metrics, _rounds(metrics, first), _rounds(metrics, fresh)),
        remarks=tuple(remarks),
        reasons=tuple(reasons),
    )


def _read(folder: Path) -> list[BenchmarkRun]:
    return [read_benchmarks(path) for path in sorted(folder.rglob("*.json"))]


def _pairs(base: Sequence[BenchmarkRun], head: Sequence[BenchmarkRun], folders: str) -> tuple[list[Pair], int]:
    """Base and head of each pair of neighbours, and in how many of them base came first."""
    together = sorted([(run, True) for run in base] + [(run, False) for run in head], key=lambda one: _moment(one[0]))
    turns = list(zip(together[::2], together[1::2], strict=False))
    if len(base) != len(head) or any(first[1] == second[1] for first, second in turns):
        raise InputError(
            f"the files in {folders} did not take turns ({len(base)} and {len(head)} of them), so no two of them were "
            "measured under like conditions; run both versions in turn, or give one file of each: a stored baseline"
        )
    pairs = [(first[0], second[0]) if first[1] else (second[0], first[0]) for first, second in turns]
    return pairs, sum(first[1] for first, _ in turns)


def _moment(run: BenchmarkRun) -> datetime:
    try:
        moment = datetime.fromisoformat(run.started_at)
    except ValueError as error:
        raise InputError(f"{run.name} says {run.started_at!r} for its time, which is none; write it again") from error
    return moment.astimezone()


def _metrics(name: str, pairs: Sequence[Pair]) -> list[Gated]:
    """Median and p95 of a benchmark; p95 where every file has rounds enough for one."""
    fewest = min(len(run.benchmarks[name].rounds_us) for pair in pairs for run in pair)
    return [
        Gated(f"{name} p{percent}", "µs", margin, 0.0, _ROUNDS_MIN[percent], "let each benchmark run more rounds")
        for percent, margin in MARGINS.items()
        if percent == min(MARGINS) or fewest >= _ROUNDS_MIN[percent]
    ]


def _rounds(metrics: Sequence[Gated], pairs: Sequence[Pair]) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {}
    for metric in metrics:
        name, _, percent = metric.name.rpartition(" p")
        found[metric.name] = [
            Round(
                number,
                _percentile(base.benchmarks[name], int(percent)),
                _percentile(head.benchmarks[name], int(percent)),
                min(len(run.benchmarks[name].rounds_us) for run in (base, head)),
            )
            for number, (base, head) in enumerate(pairs)
        ]
    return found


def _percentile(benchmark: Benchmark, percent: int) -> float:
    return float(np.percentile(benchmark.rounds_us, percent))


def _reasons(pairs: Sequence[Pair]) -> list[str]:
    """What else differs, between versions but for their code, and between the files of one version."""
    found = [one.sentence for one in obstacles(benchmark_differences(*pairs[0]))]
    for arm in range(2):
        for pair in pairs[1:]:
            differing = benchmark_differences(pairs[0][arm], pair[arm])
            found += [f"{pair[arm].name} is no repetition of {pairs[0][arm].name}: {one.sentence}" for one in differing]
    return list(dict.fromkeys(found))
