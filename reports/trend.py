"""Many stored runs in the order of time: numbers that a gate judges, and where they changed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from fixtures.errors import InputError
from fixtures.progress import Progress
from reports.change_points import ALPHA, NUMBERS_MIN, change_points
from reports.differences import Difference, arm_subject, differences, obstacles
from reports.figure_notes import closed_loop_scenarios
from reports.followed import Followed, every
from reports.gate.duet import DUET, HEAD
from reports.measurements import Measurements, read_measurements
from reports.numbers import quantity
from reports.summary import summarise_run
from scenarios.run_records import RunManifest

DOCUMENT_VERSION = 1
_OF_ANOTHER_SCENARIO = ("workload of ", "scenarios")


@dataclass(frozen=True)
class TrendPoint:
    """One number of one run."""

    run: str
    started_at: str
    commit: str | None
    value: float


@dataclass(frozen=True)
class Break:
    """Where runs stop being comparable: what lies before is another series."""

    place: int  # of the first point after it
    sentences: tuple[str, ...]  # what differs


@dataclass(frozen=True)
class Change:
    """Where a series changed although nothing did that the runs know of, but for the code."""

    place: int  # of the first point after it
    before: float  # medians of the pieces on either side
    after: float
    p: float


@dataclass(frozen=True)
class Trend:
    """One number over many runs."""

    name: str  # "fanout: delivery_ms_p99"
    unit: str
    bound: str  # what its objective asks for; empty without one
    points: tuple[TrendPoint, ...]
    breaks: tuple[Break, ...]
    changes: tuple[Change, ...]
    lacking: tuple[str, ...]  # runs whose scenario ran, and left no such number or one of too few values

    @property
    def is_steady(self) -> bool:
        """True when all runs have the same number."""
        return len({point.value for point in self.points}) == 1

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """[start, end) between breaks and changes."""
        cuts = {*(one.place for one in self.breaks), *(one.place for one in self.changes)}
        ends = sorted({0, len(self.points), *cuts})
        return tuple(pairwise(ends))

    @property
    def reading(self) -> str:
        """In one sentence."""
        comparable = max((end - start for start, end in _stretches(len(self.points), self.breaks)), default=0)
        told = [
            f"from {quantity(change.before, self.unit)} to {quantity(change.after, self.unit)} "
            f"with {self.points[change.place].run} (commit {self.points[change.place].commit or 'unknown'})"
            for change in self.changes
        ]
        if told:
            return f"It changed {' and '.join(told)}."
        if comparable < NUMBERS_MIN:
            told_count = "1 run is" if comparable == 1 else f"{comparable} runs are"
            return f"At most {told_count} comparable; {NUMBERS_MIN} are needed to find a change."
        return "No change was found."


@dataclass(frozen=True)
class Trends:
    """Everything that many runs tell."""

    folder: str
    runs: int
    trends: tuple[Trend, ...]  # those that changed first
    left_out: tuple[str, ...]  # runs that must not be believed or cannot be read, each with the reason
    closed_loops: frozenset[str] = frozenset()  # of the followed scenarios, those whose users waited for answers


def follow(folder: Path, asked: Sequence[Followed] | None, progress: Progress) -> Trends:
    """The trends of the run folders in a folder; InputError when none of them can be followed.

    `asked`: the numbers to follow; None for every one that the runs measured and a gate judges.
    """
    with_duets = asked is None or any(one.scenario == DUET for one in asked)
    found, left_out = _read(folder, progress, with_duets=with_duets)
    if not found:
        why = f": {left_out[0]}" if left_out else ""
        raise InputError(
            f"{folder} holds no run that can be followed{why}; name a folder of run folders, like out/runs"
        )
    wanted = every(found) if asked is None else asked
    trends = tuple(trend for one in wanted if (trend := _trend(one, found)) is not None)
    if not trends:
        raise InputError(
            f"nothing that was asked for is what the {len(found)} runs in {folder} measured; "
            "name other numbers with --metric, or follow all that there are with --metric all"
        )
    closed = closed_loop_scenarios(run.manifest for run in found) & {one.scenario for one in wanted}
    ordered = tuple(sorted(trends, key=lambda one: not one.changes))
    return Trends(str(folder), len(found), ordered, tuple(left_out), frozenset(closed))


def trend_document(trends: Trends) -> dict[str, Any]:
    """Plain JSON values."""
    document = {
        "document_version": DOCUMENT_VERSION,
        "folder": trends.folder,
        "runs": trends.runs,
        "left_out": trends.left_out,
        "alpha": ALPHA,
        "trends": [{**msgspec.to_builtins(one), "reading": one.reading} for one in trends.trends],
    }
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def trend_text(trends: Trends) -> str:
    """For a terminal: a line and a reading of each number, then breaks, then what was left out."""
    lines = [f"{trends.runs} runs in {trends.folder}", ""]
    width = max(len(one.name) for one in trends.trends)
    for one in trends.trends:
        first, last = one.points[0].value, one.points[-1].value
        values = f"{quantity(first, one.unit)} → {quantity(last, one.unit)}"
        lines.append(f"{one.name:{width}}  {len(one.points):3} runs  {values:24}  {one.reading}")
    broken = {
        f"{one.points[cut.place].run}: {sentence}"
        for one in trends.trends
        for cut in one.breaks
        for sentence in cut.sentences
    }
    lacking = [f"{run} has no {one.name} of enough values" for one in trends.trends for run in one.lacking]
    for title, told in (
        ("Not comparable with the run before", sorted(broken)),
        ("Left out", (*trends.left_out, *lacking)),
    ):
        if told:
            lines += ["", title, *(f"  {sentence}" for sentence in told)]
    return "\n".join(lines)


def _read(folder: Path, progress: Progress, *, with_duets: bool) -> tuple[list[Measurements], list[str]]:
    try:
        places = sorted(path for path in folder.iterdir() if path.is_dir() and (path / "run.json").exists())
    except OSError as error:
        raise InputError(
            f"cannot read {folder} ({error.strerror}); name a folder of run folders, like out/runs"
        ) from error
    found, left_out = [], []
    for number, path in enumerate(places):
        progress(path.name, number / len(places))
        try:
            measurements = read_measurements(path)
        except InputError as error:
            left_out.append(str(error))
            continue
        verdict = summarise_run(measurements).verdict
        if verdict.reasons:
            left_out.append(f"{path.name} is INVALID: {verdict.reasons[0]}")
        elif any(arms and not (with_duets and name == DUET) for name, arms in measurements.manifest.arms.items()):
            left_out.append(f"{path.name} compares several servers; its numbers are not one version's")
        else:
            found.append(measurements)
    return sorted(found, key=lambda one: one.manifest.started_at), left_out


def _trend(followed: Followed, runs: Sequence[Measurements]) -> Trend | None:
    points: list[TrendPoint] = []
    breaks: list[Break] = []
    lacking: list[str] = []
    before: RunManifest | None = None
    for run in runs:
        manifest = run.manifest
        if all(record.name != followed.scenario for record in manifest.scenarios):
            continue
        value = followed.value(run)
        if value is None:
            lacking.append(manifest.run_id)
            continue
        differing = _differing(followed.scenario, before, manifest) if before is not None else ()
        if differing:
            breaks.append(Break(len(points), differing))
        points.append(TrendPoint(manifest.run_id, manifest.started_at, manifest.commit, value))
        before = manifest
    if not points:
        return None
    values = [point.value for point in points]
    changes = [
        change for start, end in _stretches(len(points), breaks) for change in _changes(values[start:end], start)
    ]
    return Trend(
        name=followed.name,
        unit=followed.unit,
        bound=followed.bound,
        points=tuple(points),
        breaks=tuple(breaks),
        changes=tuple(changes),
        lacking=tuple(lacking),
    )


def _differing(scenario: str, before: RunManifest, after: RunManifest) -> tuple[str, ...]:
    """What keeps two runs of a scenario from being comparable; other scenarios of theirs may come and go."""
    return tuple(
        one.sentence
        for one in obstacles(differences(before, after))
        if (one.subject == f"workload of {scenario}" or not one.subject.startswith(_OF_ANOTHER_SCENARIO))
        and not (scenario == DUET and _is_of_head(one))
    )


def _is_of_head(one: Difference) -> bool:
    """Of a duet, the head is what is followed: another one is no break."""
    return one.subject == arm_subject(DUET, HEAD) or (one.subject, one.name) == ("workload", HEAD)


def _stretches(count: int, breaks: Sequence[Break]) -> list[tuple[int, int]]:
    """[start, end) of what is comparable."""
    ends = [0, *(one.place for one in breaks), count]
    return list(pairwise(ends))


def _changes(values: Sequence[float], offset: int) -> list[Change]:
    # Latencies differ by factors; a count that was zero has none.
    scaled = [math.log(value) for value in values] if min(values) > 0 else values
    found = change_points(scaled)
    ends = [0, *(one.place for one in found), len(values)]
    return [
        Change(
            offset + one.place,
            median(values[ends[number] : one.place]),
            median(values[one.place : ends[number + 2]]),
            one.p,
        )
        for number, one in enumerate(found)
    ]
