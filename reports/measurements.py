"""A run folder in memory: what every other part of the report works from. All reading happens here."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from fixtures.errors import InputError
from reports.distributions import Distribution, decode, merge
from scenarios.merging import merged_counts
from scenarios.run_folder import RunFolder
from scenarios.run_records import (
    CapacityFile,
    CountRecord,
    HistogramLine,
    LedgerFile,
    QueryLine,
    RunManifest,
    ServerLine,
)

# A scenario's seconds are cut into this many blocks, the unit of replication of every interval: eight give the
# range of block values a 99 % interval of the median, and leave enough values per block in a short run.
BLOCKS = 8

# Their percentiles are shown second by second; of the other metrics only the counts are.
METRICS_OVER_TIME = frozenset(
    {"start_delay_us", "generator_loop_lag_us", "generator_cpu_permille", "server_cpu_permille"}
)

_PENDING_PARTS = 32  # decoded lines a group keeps before it merges them: bounds memory

Labels = tuple[tuple[str, str], ...]  # sorted pairs, "scenario" included
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Series:
    """One metric under one set of labels: merged per block of the scenario's seconds."""

    metric: str
    labels: dict[str, str]
    blocks: dict[int, Distribution]

    @property
    def scenario(self) -> str:
        """The scenario that measured it; empty when the line did not say."""
        return self.labels.get("scenario", "")


@dataclass(frozen=True)
class Second:
    """One metric of one scenario in one second, as one worker saw it."""

    second: int
    scenario: str
    metric: str
    worker: str


@dataclass(frozen=True)
class Measurements:
    """Everything a report may say."""

    manifest: RunManifest
    ledger: LedgerFile
    queries: tuple[QueryLine, ...] = ()
    series: tuple[Series, ...] = ()
    counts: dict[Second, int] = field(default_factory=dict)  # values recorded
    over_time: dict[Second, Distribution] = field(default_factory=dict)  # of METRICS_OVER_TIME
    server: tuple[ServerLine, ...] = ()  # what was observed of the server beside the load
    capacity: CapacityFile | None = None  # a search for the highest load

    @property
    def empty(self) -> bool:
        """True when nothing at all was measured."""
        return not (self.series or self.queries or self.ledger.ledgers or self.capacity)

    def arms(self, scenario: str) -> tuple[str, ...]:
        """The servers that a scenario compares, the baseline first; none when it measured one server."""
        return tuple(arm.name for arm in self.manifest.arms.get(scenario, []))

    def of_arm(self, scenario: str, arm: str) -> "Measurements":
        """The same run as if the scenario had measured this one of its servers only."""

        def wanted(name: str, labels: Mapping[str, str]) -> bool:
            return name != scenario or labels.get("arm", arm) == arm

        return replace(
            self,
            series=tuple(one for one in self.series if wanted(one.scenario, one.labels)),
            ledger=LedgerFile(ledgers=[one for one in self.ledger.ledgers if wanted(one.scenario, one.labels)]),
        )

    def of_baselines(self) -> "Measurements":
        """The same run as if every scenario had measured the first of its servers only."""
        found = self
        for scenario, arms in self.manifest.arms.items():
            found = found.of_arm(scenario, arms[0].name) if arms else found
        return found

    def counted(self, scenario: str) -> list[CountRecord]:
        """What a scenario counted exactly, over all of its records."""
        records = [record for record in self.manifest.scenarios if record.name == scenario]
        return merged_counts(count for record in records for count in record.counts)

    def group(self, scenario: str, metric: str, *names: str, **wanted: str) -> dict[tuple[str, ...], list[Series]]:
        """The series of a metric by the values of the named labels; series that lack one of them are left out."""
        groups: dict[tuple[str, ...], list[Series]] = defaultdict(list)
        for series in self.series:
            if series.scenario != scenario or series.metric != metric:
                continue
            if any(series.labels.get(name) != value for name, value in wanted.items()):
                continue
            values = tuple(series.labels[name] for name in names if name in series.labels)
            if len(values) == len(names):
                groups[values].append(series)
        return dict(groups)


def pooled(series: Iterable[Series]) -> Distribution:
    """All values of all blocks."""
    return merge(part for one in series for part in one.blocks.values())


def by_block(series: Iterable[Series]) -> dict[int, Distribution]:
    """All values per block."""
    parts: dict[int, list[Distribution]] = defaultdict(list)
    for one in series:
        for block, part in one.blocks.items():
            parts[block].append(part)
    return {block: merge(parts[block]) for block in sorted(parts)}


def read_measurements(path: Path) -> Measurements:
    """The run in a folder; InputError names the file and the way out."""
    if not path.is_dir():
        raise InputError(f"{path} is no run folder: there is no such folder; name a folder under out/runs")
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    _check_records(path, manifest)
    ledger = folder.read_ledger()
    _check_ledger(path, ledger)
    collector = _Collector(_block_finder(manifest))
    for number, line in enumerate(folder.read_histograms(), start=1):
        try:
            collector.add(line)
        except ValueError as error:
            raise InputError(
                f"{path / 'histograms.jsonl'} line {number} is damaged: {error}; run the scenario again"
            ) from error
    return Measurements(
        manifest=manifest,
        ledger=ledger,
        queries=_queries(folder),
        series=collector.series(),
        counts=dict(collector.counts),
        over_time=collector.over_time(),
        server=tuple(folder.read_server()),
        capacity=folder.read_capacity(),
    )


def _check_records(path: Path, manifest: RunManifest) -> None:
    names = [record.part for record in manifest.scenarios]
    if len(set(names)) < len(names):
        raise InputError(
            f"{path / 'run.json'} is damaged: it names a scenario twice in {', '.join(names)}; run the scenarios again"
        )
    for record in manifest.scenarios:
        if min(record.started, record.late, record.dropped, record.failed, record.seconds) < 0:
            raise InputError(
                f"{path / 'run.json'} is damaged: {record.part} counts less than nothing; run the scenario again"
            )


def _queries(folder: RunFolder) -> tuple[QueryLine, ...]:
    found = tuple(folder.read_queries())
    for number, line in enumerate(found, start=1):
        counts = (line.block, line.rows, line.buffers_hit, line.buffers_read, line.wal_bytes, *line.latency_us)
        if min(counts) < 0:
            raise InputError(
                f"{folder.path / 'queries.jsonl'} line {number} is damaged: it counts less than nothing; "
                "run the laboratory again"
            )
    return found


def _check_ledger(path: Path, ledger: LedgerFile) -> None:
    """Books that do not add up were not written by a run."""
    for one in ledger.ledgers:
        counts = (one.messages, one.missing, one.duplicate, one.reordered, one.late, one.leaked, one.superseded)
        if min(counts) < 0 or one.delivered != one.expected - one.missing - one.superseded or one.delivered < 0:
            raise InputError(
                f"{path / 'ledger.json'} is damaged: of {one.expected} deliveries that {one.scenario} expected, "
                f"{one.missing} missing and {one.superseded} superseded do not leave {one.delivered}; "
                "run the scenario again"
            )


class _Collector:
    """Adds lines up; keeps few enough parts in memory."""

    def __init__(self, block_of: "BlockFinder") -> None:
        self.counts: dict[Second, int] = defaultdict(int)
        self._block_of = block_of
        self._parts: dict[tuple[str, Labels, int], list[Distribution]] = defaultdict(list)
        self._seconds: dict[Second, list[Distribution]] = defaultdict(list)

    def add(self, line: HistogramLine) -> None:
        """Counts one line in; ValueError says what is wrong with it."""
        distribution = decode(line.payload)
        if distribution.count != line.count:
            raise ValueError(f"it says {line.count} values and its histogram holds {distribution.count}")
        if line.second < 0:
            raise ValueError(f"it is of second {line.second}, before the run began")
        if not line.count:
            return
        scenario = line.labels.get("scenario", "")
        second = Second(line.second, scenario, line.metric, line.worker)
        self.counts[second] += line.count
        if line.metric in METRICS_OVER_TIME:
            _append(self._seconds, second, distribution)
        labels = tuple(sorted(line.labels.items()))
        _append(self._parts, (line.metric, labels, self._block_of(line.labels, line.second)), distribution)

    def series(self) -> tuple[Series, ...]:
        """One series per metric and labels, in that order."""
        blocks: dict[tuple[str, Labels], dict[int, Distribution]] = defaultdict(dict)
        for metric, labels, block in sorted(self._parts):
            blocks[metric, labels][block] = merge(self._parts[metric, labels, block])
        return tuple(Series(metric, dict(labels), parts) for (metric, labels), parts in blocks.items())

    def over_time(self) -> dict[Second, Distribution]:
        """The distributions of METRICS_OVER_TIME, second by second."""
        return {second: merge(parts) for second, parts in self._seconds.items()}


def _append(groups: dict[K, list[Distribution]], key: K, distribution: Distribution) -> None:
    parts = groups[key]
    parts.append(distribution)
    if len(parts) >= _PENDING_PARTS:
        parts[:] = [merge(parts)]


BlockFinder = Callable[[Mapping[str, str], int], int]


def _block_finder(manifest: RunManifest) -> BlockFinder:
    """The block of a line, by its labels and second.

    Of a scenario that compares arms, it is the run's own block: that of the arm's newest record by then. Of others, it
    is a piece of the span that its record names; one block where there is no record.
    """
    spans: dict[str, tuple[int, float]] = {}
    turns: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)  # (scenario, arm) → [(second, block)]
    for record in manifest.scenarios:
        if record.arm is not None and record.block is not None:
            turns[record.name, record.arm].append((record.started_second, record.block))
        else:
            spans[record.name] = (record.started_second, max(record.seconds, 1.0))
    for begun in turns.values():
        begun.sort()

    def block_of(labels: Mapping[str, str], second: int) -> int:
        scenario = labels.get("scenario", "")
        begun = turns.get((scenario, labels.get("arm", "")))
        if begun:
            place = bisect_right(begun, second, key=lambda turn: turn[0]) - 1
            return begun[max(place, 0)][1]
        if scenario not in spans:
            return 0
        start, seconds = spans[scenario]
        return min(max(int((second - start) * BLOCKS / seconds), 0), BLOCKS - 1)

    return block_of
