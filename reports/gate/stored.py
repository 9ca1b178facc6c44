"""The gate for stored runs: thresholds, and an older run as baseline where one is given."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fixtures.errors import InputError
from reports.benchmark_file import both_benchmark_files, is_benchmark_file
from reports.gate.baseline import WARNING, against_baseline, hindrances
from reports.gate.benchmarks import judge_benchmarks
from reports.gate.decisions import Decision, worst
from reports.gate.interleaved import is_benchmark_folder, judge_interleaved
from reports.gate.outputs import Outcome
from reports.gate.run_numbers import run_number
from reports.gate.thresholds import SHIPPED, Threshold, applying, judge_threshold, read_thresholds
from reports.measurements import Measurements, read_measurements
from reports.summary import summarise_run
from scenarios.run_records import ScenarioRecord
from scenarios.study import SCENARIO as LABORATORY


def judge(run: Path, objectives: Path | None, baseline: Path | None) -> Outcome:
    """The verdict on whatever is stored: a run folder, or what pytest-benchmark wrote, which needs a baseline."""
    are_folders = baseline is not None and is_benchmark_folder(baseline) and is_benchmark_folder(run)
    if baseline is not None and (are_folders or both_benchmark_files(baseline, run)):
        if objectives is not None:
            raise InputError(f"{objectives} is about runs and {run} holds benchmarks; leave --objectives out")
        return judge_interleaved(run, baseline) if are_folders else judge_benchmarks(run, baseline)
    if baseline is None and (is_benchmark_file(run) or is_benchmark_folder(run)):
        raise InputError(
            f"{run} holds benchmarks, which have no objectives; give those of another version with --baseline"
        )
    return judge_stored(run, read_thresholds(objectives or SHIPPED), baseline)


def judge_stored(run: Path, thresholds: Sequence[Threshold], baseline: Path | None = None) -> Outcome:
    """The verdict on a run folder; InputError when a folder cannot be read."""
    head = read_measurements(run)
    asked = applying(thresholds, head.manifest.scenarios)
    findings = tuple(judge_threshold(one, run_number(head, one.measure)) for one in asked)
    reasons = list(_doubts("the run", run, head))
    if not asked:
        scenarios = sorted({one.scenario for one in thresholds})
        reasons.append(f"no objective is about what ran; they are about {', '.join(scenarios)}")
    title = head.manifest.run_id
    if baseline is None:
        return Outcome(f"{title} against its objectives", thresholds=findings, reasons=tuple(reasons), is_stored=True)
    base = read_measurements(baseline)
    reasons += [*_doubts("the baseline", baseline, base), *hindrances(base, head)]
    times, counters, remarks = against_baseline(asked, base, head)
    return Outcome(
        f"{title} against its objectives and {base.manifest.run_id} (stored)",
        Decision(worst(one.verdict for one in times), times),
        counters,
        (WARNING, _code(base, head), *remarks),
        tuple(reasons),
        findings,
        is_stored=True,
    )


def _doubts(name: str, path: Path, measurements: Measurements) -> tuple[str, ...]:
    """Why a run must not be believed, or cannot be judged as one version."""
    verdict = summarise_run(measurements).verdict
    found = [f"{name} is INVALID: {reason}" for reason in verdict.reasons]
    if verdict.cut_short and not found:
        found.append(f"{name} was cut short")
    if not found:
        found += [f"{name} is not whole: {sentence}" for sentence in (*_cuts(path), *damages(measurements))]
    for scenario in measurements.manifest.arms:
        arms = measurements.arms(scenario)
        if arms:
            found.append(
                f"{name} compares {', '.join(arms)} in {scenario}; a gate judges one server, so run them apart"
            )
    return tuple(found)


def _cuts(path: Path) -> list[str]:
    """Files of a finished run that end within a line: only a run that was killed leaves one."""
    return [
        f"{name} ends within a line; run it again"
        for name in ("histograms.jsonl", "queries.jsonl")
        if (path / name).exists() and _last_byte(path / name) not in (b"\n", b"")
    ]


def _last_byte(path: Path) -> bytes:
    """Empty of an empty file; the rest, which may be large, is not read."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        return file.read()


def damages(measurements: Measurements) -> list[str]:
    """Where the record of a finished run and its measurements do not add up: files that were cut, doubled or edited."""
    found = []
    records: dict[str, list[ScenarioRecord]] = defaultdict(list)
    for record in measurements.manifest.scenarios:
        records[record.name].append(record)
    for scenario, parts in records.items():
        started = sum(part.started for part in parts)
        measured = _measured(scenario, measurements)
        # The lines of a worker that was lost are there; its account of what it started went with it.
        has_lost = any(worker.lost for part in parts for worker in part.workers)
        if measured is not None and (measured < started if has_lost else measured != started):
            found.append(f"{scenario} began {started} operations and {measured} are measured; run it again")
        if started and not any(part.seconds > 0 for part in parts):
            found.append(f"{scenario} began {started} operations in no time; run it again")
    known = {one.scenario for one in measurements.series} - records.keys()
    return [*found, *(f"{name} is measured and no record says that it ran" for name in sorted(known))]


def _measured(scenario: str, measurements: Measurements) -> int | None:
    """How many operations a scenario's measurements hold; None when they do not say."""
    if scenario == LABORATORY:
        return sum(len(line.latency_us) for line in measurements.queries)
    # Returns after an outage (`reconnect, gentle`) are timed beside the operations; `reconnect` alone is one.
    delays = [
        one
        for one in measurements.series
        if (one.scenario, one.metric) == (scenario, "start_delay_us")
        and not one.labels.get("operation", "").startswith("reconnect, ")
    ]
    return sum(part.count for one in delays for part in one.blocks.values()) if delays else None


def _code(base: Measurements, head: Measurements) -> str:
    before, after = (one.manifest.commit or "no checkout" for one in (base, head))
    return f"commit {before} in the baseline, {after} in the run"
