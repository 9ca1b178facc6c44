"""Throughput, and whether the load generator itself can be trusted, second by second."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec import structs

from reports.distributions import Distribution, merge
from reports.latency import LATENCY_COLUMNS, Latency, latency_cells, latency_of
from reports.measurements import Measurements
from reports.numbers import Column, Number, Table, format_number, milliseconds, number_key
from reports.section import Section, missing
from scenarios.run_records import ScenarioRecord

NAME = "health"
TITLE = "Throughput and the generator's health"
QUESTION = "How much load was there, and did the generator keep up?"

_DELIVERY_METRICS = ("delivery_us", "presence_delivery_us")

_HOW = (
    "Operations are counted in the second their start was recorded, deliveries in the second they came in; loop lag is "
    "how late a 10 ms timer of the generator's event loop fires, start delay is actual − intended start, and CPU is of "
    "one core (generator: its busiest process). A scenario's last second may be a part of one."
)


@dataclass(frozen=True)
class Span:
    """The seconds one scenario measured, or one turn of a comparison."""

    scenario: str  # or the turn's arm
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """One value per second; None where nothing was measured."""

    seconds: tuple[int, ...] = ()
    operations: tuple[float | None, ...] = ()
    deliveries: tuple[float | None, ...] = ()
    loop_lag_ms_p99: tuple[float | None, ...] = ()
    start_delay_ms_p99: tuple[float | None, ...] = ()
    generator_cpu_percent: tuple[float | None, ...] = ()
    server_cpu_percent: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class HealthSummary:
    """Everything a run says about its own load."""

    timeline: Timeline = Timeline()
    spans: tuple[Span, ...] = ()
    records: tuple[ScenarioRecord, ...] = ()
    loop_lag: Latency | None = None
    start_delay: Latency | None = None
    scheduling: frozenset[str] = frozenset()  # scenarios that recorded start delays

    @property
    def scheduled(self) -> tuple[ScenarioRecord, ...]:
        """The scenarios whose operations have an intended start: only they can be late."""
        return tuple(record for record in self.records if record.name in self.scheduling)

    @property
    def started(self) -> int:
        """Operations begun on a schedule."""
        return sum(record.started for record in self.scheduled)

    @property
    def late(self) -> int:
        """Operations begun over 10 ms after their intended start."""
        return sum(record.late for record in self.scheduled)

    @property
    def dropped(self) -> int:
        """Operations intended and never begun."""
        return sum(record.dropped for record in self.records)

    @property
    def failed(self) -> int:
        """Operations answered with an error, or not at all."""
        return sum(record.failed for record in self.records)


def summarise_health(measurements: Measurements) -> HealthSummary:
    """The run's numbers; an empty timeline when nothing was timed."""
    spans = tuple(
        Span(record.arm or record.name, record.started_second, record.started_second + record.seconds)
        for record in measurements.manifest.scenarios
    )
    lag = _by_second(measurements, "generator_loop_lag_us")
    delay = _by_second(measurements, "start_delay_us")
    return HealthSummary(
        timeline=_timeline(measurements, spans, lag, delay),
        spans=spans,
        records=tuple(measurements.manifest.scenarios),
        loop_lag=latency_of(merge(lag.values())) if lag else None,
        start_delay=latency_of(merge(delay.values())) if delay else None,
        scheduling=frozenset(key.scenario for key in measurements.counts if key.metric == "start_delay_us"),
    )


def _timeline(
    measurements: Measurements, spans: tuple[Span, ...], lag: dict[int, Distribution], delay: dict[int, Distribution]
) -> Timeline:
    measured = {key.second for key in measurements.counts}
    if not measured:
        return Timeline()
    seconds = tuple(range(min(measured), max(measured) + 1))
    operations = _counted(measurements, ("start_delay_us",)) or _counted(measurements, ("request_us",))
    deliveries = _counted(measurements, _DELIVERY_METRICS)
    generator = _cpu(measurements, "generator_cpu_permille", max)
    server = _cpu(measurements, "server_cpu_permille", _mean)

    def counts(found: dict[int, int]) -> tuple[float | None, ...]:
        """Zero inside the span of a scenario that counts such things, nothing outside."""
        counting = [span for span in spans if any(span.start <= second < span.end for second in found)]
        return tuple(
            float(found.get(second, 0))
            if second in found or any(span.start <= second < int(span.end) for span in counting)
            else None
            for second in seconds
        )

    return Timeline(
        seconds=seconds,
        operations=counts(operations),
        deliveries=counts(deliveries),
        loop_lag_ms_p99=tuple(_ms_p99(lag.get(second)) for second in seconds),
        start_delay_ms_p99=tuple(_ms_p99(delay.get(second)) for second in seconds),
        generator_cpu_percent=tuple(generator.get(second) for second in seconds),
        server_cpu_percent=tuple(server.get(second) for second in seconds),
    )


def _by_second(measurements: Measurements, metric: str) -> dict[int, Distribution]:
    parts: dict[int, list[Distribution]] = defaultdict(list)
    for key, distribution in measurements.over_time.items():
        if key.metric == metric:
            parts[key.second].append(distribution)
    return {second: merge(parts[second]) for second in sorted(parts)}


def _counted(measurements: Measurements, metrics: tuple[str, ...]) -> dict[int, int]:
    found: dict[int, int] = defaultdict(int)
    for key, count in measurements.counts.items():
        if key.metric in metrics:
            found[key.second] += count
    return dict(found)


def _cpu(measurements: Measurements, metric: str, across: Callable[[list[float]], float]) -> dict[int, float]:
    """Percent of one core per second; each worker's mean, then across workers."""
    workers: dict[int, dict[str, list[Distribution]]] = defaultdict(lambda: defaultdict(list))
    for key, distribution in measurements.over_time.items():
        if key.metric == metric:
            workers[key.second][key.worker].append(distribution)
    return {
        second: across([(merge(parts).mean or 0.0) / 10 for parts in found.values()])
        for second, found in workers.items()
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _ms_p99(distribution: Distribution | None) -> float | None:
    return milliseconds(distribution.percentile(99)) if distribution else None


def highest(values: Iterable[float | None]) -> float | None:
    """The largest value there is."""
    return max((value for value in values if value is not None), default=None)


def average(values: Iterable[float | None]) -> float | None:
    """The mean of the values there are."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def health_section(summary: HealthSummary) -> Section:
    """The section of a report."""
    if not summary.timeline.seconds:
        return missing(NAME, TITLE, QUESTION, "Not measured: this run holds no second of load.")
    timeline = summary.timeline
    series = (
        ("operations", "operations_per_second", timeline.operations, "/s"),
        ("deliveries", "deliveries_per_second", timeline.deliveries, "/s"),
        ("generator loop lag p99", "loop_lag_ms_p99_second", timeline.loop_lag_ms_p99, "ms"),
        ("start delay p99", "start_delay_ms_p99_second", timeline.start_delay_ms_p99, "ms"),
        ("generator CPU", "generator_cpu_percent", timeline.generator_cpu_percent, "%"),
        ("server CPU", "server_cpu_percent", timeline.server_cpu_percent, "%"),
    )
    seconds = Table(
        "Per second of the run",
        (Column("quantity"), Column("unit"), Column("mean"), Column("highest second")),
        tuple(
            (
                name,
                unit,
                Number(number_key(NAME, f"{measure}_mean"), average(values), unit),
                Number(number_key(NAME, f"{measure}_max"), highest(values), unit),
            )
            for name, measure, values, unit in series
        ),
    )
    tables = [seconds]
    delays = tuple(
        (name, *latency_cells(latency, NAME, measure, {}))
        for name, measure, latency in (
            ("generator loop lag", "loop_lag", summary.loop_lag),
            ("start delay", "start_delay", summary.start_delay),
        )
        if latency
    )
    if delays:
        tables.append(Table("The generator's own delays, whole run", (Column("delay"), *LATENCY_COLUMNS), delays))
    if summary.records:
        tables.append(_records_table(summary.records))
    return Section(NAME, TITLE, QUESTION, _reading(summary), _HOW, measured=True, tables=tuple(tables))


def _records_table(records: tuple[ScenarioRecord, ...]) -> Table:
    def row(record: ScenarioRecord) -> tuple[str | Number, ...]:
        labels = {"scenario": record.name, **({"arm": record.arm} if record.arm else {})}
        return (
            f"{record.name}, {record.arm}" if record.arm else record.name,
            Number(number_key(NAME, "seconds", labels), record.seconds, "s"),
            Number(number_key(NAME, "started", labels), record.started),
            Number(number_key(NAME, "late", labels), record.late),
            Number(number_key(NAME, "dropped", labels), record.dropped, bad=record.dropped > 0),
            Number(number_key(NAME, "failed", labels), record.failed, bad=record.failed > 0),
        )

    columns = (
        Column("scenario"),
        Column("measured", "s"),
        Column("operations started"),
        Column("late by over 10 ms"),
        Column("dropped"),
        Column("failed"),
    )
    return Table("Operations as intended", columns, tuple(row(record) for record in _added_up(records)))


def _added_up(records: Iterable[ScenarioRecord]) -> list[ScenarioRecord]:
    """One record per scenario and arm: the blocks of an arm together."""
    found: dict[tuple[str, str | None], ScenarioRecord] = {}
    for record in records:
        key = (record.name, record.arm)
        before = found.get(key)
        if before is None:
            found[key] = record
            continue
        sums = {
            name: getattr(before, name) + getattr(record, name)
            for name in ("seconds", "started", "late", "dropped", "failed")
        }
        found[key] = structs.replace(before, **sums)
    return list(found.values())


def _reading(summary: HealthSummary) -> str:
    parts = []
    cpu = highest(summary.timeline.generator_cpu_percent)
    if cpu is not None:
        parts.append(f"in its busiest second the generator used {format_number(cpu)} % of a core")
    if summary.loop_lag is not None:
        parts.append(f"its event loop was {format_number(summary.loop_lag.ms_p99)} ms late at p99")
    if summary.started:
        share = format_number(summary.late / summary.started * 100)
        parts.append(f"{share} % of {format_number(summary.started)} scheduled operations began over 10 ms late")
    if summary.records:
        parts.append(f"{format_number(summary.dropped)} were dropped and {format_number(summary.failed)} failed")
    if not parts:
        return "Nothing was recorded of the generator's own health."
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."
