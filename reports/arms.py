"""Several servers compared by one scenario: ratios to the first of them, from paired blocks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from reports.distributions import Distribution
from reports.intervals import Interval, median_interval, paired_ratio
from reports.measurements import METRICS_OVER_TIME, Measurements, Series, by_block, pooled
from reports.numbers import Cell, Column, Number, Table, format_number, label_order, number_key
from reports.section import Section, and_list, interval_text, missing
from scenarios.metrics import METRICS
from scenarios.run_records import ScenarioRecord

NAME = "arms"
PERCENTS = (50, 95)
INDISTINGUISHABLE = "indistinguishable"

_HOW = (
    "All servers ran at the same time, each on its own copy of one data set, and were measured in turns: a fresh "
    "generator process per block and arm, in ABBA order, with the same seed within a block. A ratio is taken in every "
    "block; shown are their median and its distribution-free interval. A difference is one when an interval of at "
    "least 95 % leaves out 1, which takes six blocks or more."
)


@dataclass(frozen=True)
class Quotient:
    """A figure made of exact counts: a sum of some ÷ a sum of others."""

    name: str
    title: str
    unit: str
    above: str  # of scenarios.metrics.COUNTS
    below: str
    factor: float = 1.0
    above_labels: tuple[tuple[str, str], ...] = ()
    below_labels: tuple[tuple[str, str], ...] = ()


def _per_message(name: str, title: str, unit: str, above: str) -> Quotient:
    return Quotient(name, title, unit, above, "database_inserts", below_labels=(("table", "chat_messages"),))


def _per_delivery(name: str, title: str, unit: str, above: str) -> Quotient:
    return Quotient(name, title, unit, above, "fanout_deliveries")


QUOTIENTS = (
    _per_delivery("received_bytes_per_delivery", "bytes received per delivery", "B", "fanout_received_bytes"),
    _per_delivery("written_bytes_per_delivery", "bytes written per delivery", "B", "fanout_written_bytes"),
    _per_delivery("content_bytes_per_delivery", "of that, the message's own content", "B", "fanout_content_bytes"),
    _per_delivery("server_cpu_us_per_delivery", "server CPU per delivery", "µs", "fanout_server_cpu_us"),
    _per_message("wal_bytes_per_message", "WAL per stored message", "B", "database_wal_bytes"),
    _per_message("wal_records_per_message", "WAL records per stored message", "records", "database_wal_records"),
    _per_message("full_pages_per_message", "whole pages in the WAL per message", "pages", "database_full_pages"),
    Quotient("frames_per_change", "presence frames per change", "frames", "churn_frames", "churn_changes"),
    Quotient(
        "false_offline_percent",
        "shown offline though back in time",
        "%",
        "churn_false_offline",
        "churn_returns_in_grace",
        100.0,
    ),
    Quotient("stale_percent", "stale states at rest", "%", "churn_stale_at_rest", "churn_watched", 100.0),
    *(
        Quotient(
            f"hot_percent_{table}",
            f"HOT share of the updates of {table}",
            "%",
            "database_hot_updates",
            "database_updates",
            100.0,
            (("table", table),),
            (("table", table),),
        )
        for table in ("conversations", "conversation_participants")
    ),
)


@dataclass(frozen=True)
class ArmValue:
    """One figure of one arm, and how it compares with the baseline's."""

    value: float | None
    ratio: Interval | None = None  # to the baseline, from blocks; None for the baseline, and without enough blocks

    @property
    def verdict(self) -> str:
        """`lower`, `higher` or `indistinguishable`; empty where nothing is compared."""
        if self.ratio is None:
            return ""
        if self.ratio.sound and self.ratio.low > 1:
            return "higher"
        if self.ratio.sound and self.ratio.high < 1:
            return "lower"
        return INDISTINGUISHABLE


@dataclass(frozen=True)
class ArmRow:
    """One figure on every arm."""

    measure: str  # of the number's key
    title: str
    unit: str
    labels: dict[str, str]
    values: dict[str, ArmValue]  # by arm, the baseline first


@dataclass(frozen=True)
class ArmComparison:
    """What a scenario found of its arms."""

    scenario: str
    arms: tuple[str, ...]  # the baseline first
    rows: tuple[ArmRow, ...]  # of percentiles
    exact: tuple[ArmRow, ...]  # of exact counts

    @property
    def section_name(self) -> str:
        """Of its section, figure and anchor."""
        return f"{NAME}-{self.scenario}"

    @property
    def different(self) -> list[tuple[ArmRow, str]]:
        """The rows and arms with a difference, the greatest first."""
        found = [
            (row, arm)
            for row in (*self.exact, *self.rows)
            for arm, value in row.values.items()
            if value.verdict not in {"", INDISTINGUISHABLE}
        ]
        return sorted(found, key=lambda item: -_distance(item[0].values[item[1]].ratio))

    @property
    def compared_count(self) -> int:
        """How many figures of arms were set against the baseline's."""
        return sum(value.ratio is not None for row in (*self.exact, *self.rows) for value in row.values.values())


def summarise_arms(measurements: Measurements) -> tuple[ArmComparison, ...]:
    """The comparisons of a run; none when every scenario measured one server."""
    return tuple(
        _comparison(measurements, scenario, names)
        for scenario in measurements.manifest.arms
        if (names := measurements.arms(scenario))
    )


def arms_section(comparison: ArmComparison) -> Section:
    """The section of one comparison."""
    name, title = comparison.section_name, f"{comparison.scenario}: {' against '.join(comparison.arms)}"
    question = "Which of the servers does better, and by how much?"
    if not comparison.rows and not comparison.exact:
        return missing(name, title, question, "Not measured: no metric was recorded on two arms.")
    tables = [
        Table(caption, _columns(comparison), tuple(_cells(comparison, row) for row in rows))
        for caption, rows in (
            ("Exact counts, all blocks together", comparison.exact),
            ("Percentiles, all blocks together, with the ratio to the first arm", comparison.rows),
        )
        if rows
    ]
    return Section(name, title, question, _reading(comparison), _HOW, measured=True, tables=tuple(tables))


def row_name(row: ArmRow) -> str:
    """`delivery p95 (group size 100)`, for people."""
    labels = [
        f"{name.replace('_', ' ')} {value}" if value[:1].isdigit() else value for name, value in row.labels.items()
    ]
    return f"{row.title} ({', '.join(labels)})" if labels else row.title


def _comparison(measurements: Measurements, scenario: str, arms: tuple[str, ...]) -> ArmComparison:
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, list[Series]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for series in measurements.series:
        arm = series.labels.get("arm")
        if series.scenario == scenario and arm in arms and series.metric in METRICS:
            labels = tuple(pair for pair in sorted(series.labels.items()) if pair[0] not in {"arm", "scenario"})
            groups[series.metric, labels][arm].append(series)
    order = {name: number for number, name in enumerate(METRICS)}
    rows = [
        row
        for (metric, labels), by_arm in sorted(
            groups.items(), key=lambda item: (order[item[0][0]], [label_order(value) for _, value in item[0][1]])
        )
        if arms[0] in by_arm
        and len(by_arm) > 1
        and (metric not in METRICS_OVER_TIME or metric == "server_cpu_permille")
        for row in _percentile_rows(metric, dict(labels), {arm: by_arm[arm] for arm in arms if arm in by_arm})
    ]
    records = [record for record in measurements.manifest.scenarios if record.name == scenario]
    exact = [row for quotient in QUOTIENTS if (row := _exact_row(quotient, records, arms)) is not None]
    return ArmComparison(scenario, arms, tuple(rows), tuple(exact))


def _percentile_rows(metric: str, labels: dict[str, str], by_arm: Mapping[str, list[Series]]) -> Iterable[ArmRow]:
    base_name = next(iter(by_arm))
    unit = METRICS[metric].unit
    scale, shown = (1000, "ms") if unit == "µs" else (1, unit)
    blocks: dict[str, dict[int, Distribution]] = {arm: by_block(series) for arm, series in by_arm.items()}
    title = metric.rsplit("_", 1)[0].replace("_", " ")
    for percent in PERCENTS:
        values = {}
        for arm, series in by_arm.items():
            value = pooled(series).percentile(percent)
            ratio = None if arm == base_name else paired_ratio(blocks[base_name], blocks[arm], percent)
            values[arm] = ArmValue(None if value is None else value / scale, ratio)
        yield ArmRow(f"{metric.rsplit('_', 1)[0]}_p{percent}", f"{title} p{percent}", shown, labels, values)


def _exact_row(quotient: Quotient, records: list[ScenarioRecord], arms: tuple[str, ...]) -> ArmRow | None:
    parts: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
    for record in records:
        above = _total(record, quotient.above, quotient.above_labels)
        below = _total(record, quotient.below, quotient.below_labels)
        if record.arm in arms and record.block is not None and above is not None and below:
            parts[record.arm][record.block] = (above * quotient.factor, below)
    if any(arm not in parts for arm in arms):
        return None
    values = {}
    for arm in arms:
        ratios = [
            (above / below) / (base_above / base_below)
            for block, (above, below) in parts[arm].items()
            for base_above, base_below in [parts[arms[0]].get(block, (0.0, 1.0))]
            if base_above
        ]
        total = sum(above for above, _ in parts[arm].values()) / sum(below for _, below in parts[arm].values())
        compared = arm != arms[0] and len(ratios) > 1
        values[arm] = ArmValue(total, median_interval(ratios) if compared else None)
    return ArmRow(quotient.name, quotient.title, quotient.unit, {}, values)


def _total(record: ScenarioRecord, name: str, labels: tuple[tuple[str, str], ...]) -> float | None:
    """The sum of a count's values with these labels; None in a record that counted nothing of the kind.

    A record that has counted updates and no HOT ones has none of these: counts of zero are left out.
    """
    family = name.split("_", 1)[0]
    if not any(count.name.startswith(f"{family}_") for count in record.counts):
        return None
    wanted = set(labels)
    return sum(count.value for count in record.counts if count.name == name and wanted <= set(count.labels.items()))


def _columns(comparison: ArmComparison) -> tuple[Column, ...]:
    columns = [Column("figure"), Column("unit"), Column(comparison.arms[0])]
    for arm in comparison.arms[1:]:
        columns += [Column(arm), Column("ratio", "×"), Column("from", "×"), Column("to", "×"), Column("verdict")]
    return tuple(columns)


def _cells(comparison: ArmComparison, row: ArmRow) -> tuple[Cell, ...]:
    cells: list[Cell] = [row_name(row), row.unit]
    for arm in comparison.arms:
        labels = {**row.labels, "scenario": comparison.scenario, "arm": arm}
        found = row.values.get(arm, ArmValue(None))
        cells.append(Number(number_key(NAME, row.measure, labels), found.value, row.unit))
        if arm == comparison.arms[0]:
            continue
        ratio = found.ratio
        for measure in ("estimate", "low", "high"):
            key = number_key(NAME, f"{row.measure}_ratio_{measure}", labels)
            cells.append(Number(key, getattr(ratio, measure) if ratio else None, "×", weak=ratio is None))
        cells.append(found.verdict or "too few values")
    return tuple(cells)


def _reading(comparison: ArmComparison) -> str:
    different, count = comparison.different, comparison.compared_count
    base = comparison.arms[0]
    if not count:
        return f"No figure has enough values in two blocks to be compared with “{base}”."
    if not different:
        return f"All {count} compared figures are {INDISTINGUISHABLE} from those of “{base}”."
    told = []
    for row, arm in different[:3]:
        ratio = row.values[arm].ratio
        assert ratio is not None, "a difference comes from a ratio"
        told.append(f"“{arm}” has {format_number(ratio.estimate)} × its {row_name(row)} ({interval_text(ratio)})")
    return (
        f"Against “{base}”, {len(different)} of {count} compared figures differ, the others are {INDISTINGUISHABLE}; "
        f"most of all, {and_list(told)}."
    )


def _distance(ratio: Interval | None) -> float:
    """How far a ratio is from 1, in either direction alike."""
    if ratio is None or ratio.estimate <= 0 or not isfinite(ratio.estimate):
        return float("inf")
    return max(ratio.estimate, 1 / ratio.estimate)
