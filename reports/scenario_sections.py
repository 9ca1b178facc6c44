"""One section per scenario that is described in `panels.py`: percentiles over a label, and exact counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from reports.distributions import Distribution
from reports.intervals import Ratio, compare_blocks
from reports.latency import LATENCY_COLUMNS, Latency, latency_cells, latency_of
from reports.measurements import Measurements, Series, by_block, pooled
from reports.numbers import Cell, Column, Number, Table, format_number, label_order, number_key
from reports.panels import PANELS, Panel, ScenarioPanels
from reports.section import Section, growth_text, missing, ratio_text
from scenarios.metrics import COUNTS, METRICS
from scenarios.run_records import CountRecord

_MICROSECONDS = "µs"  # shown as ms, like every latency


@dataclass(frozen=True)
class Point:
    """What a panel shows at one value of its axis, on one of its curves."""

    axis: str
    curve: str  # empty when the panel has one curve only
    distribution: Distribution

    @cached_property
    def latency(self) -> Latency:
        """Its percentiles in ms, where the metric is a time."""
        return latency_of(self.distribution)


@dataclass(frozen=True)
class PanelSummary:
    """One panel's points, by curve and then along the axis."""

    panel: Panel
    points: tuple[Point, ...]
    growth: Ratio | None  # last value of the axis ÷ first, all curves together

    @property
    def unit(self) -> str:
        """As shown."""
        unit = METRICS[self.panel.metric].unit
        return "ms" if unit == _MICROSECONDS else unit

    @property
    def is_time(self) -> bool:
        """Whether its values are microseconds."""
        return METRICS[self.panel.metric].unit == _MICROSECONDS

    @property
    def axis(self) -> tuple[str, ...]:
        """The values along the x axis."""
        return tuple(sorted({point.axis for point in self.points}, key=label_order))

    @property
    def curves(self) -> tuple[str, ...]:
        """The curves' names."""
        return tuple(sorted({point.curve for point in self.points}, key=label_order))

    def at(self, axis: str, curve: str) -> Point | None:
        """The point there, if something was measured."""
        return next((point for point in self.points if (point.axis, point.curve) == (axis, curve)), None)


@dataclass(frozen=True)
class ScenarioSummary:
    """Everything a described scenario measured."""

    name: str
    described: ScenarioPanels
    panels: tuple[PanelSummary, ...]
    counts: tuple[CountRecord, ...]


def summarise_scenarios(measurements: Measurements) -> tuple[ScenarioSummary, ...]:
    """The scenarios of the run that `panels.py` describes, in its order."""
    ran = {record.name for record in measurements.manifest.scenarios}
    ran |= {series.scenario for series in measurements.series}
    return tuple(_summarise(measurements, name, described) for name, described in PANELS.items() if name in ran)


def scenario_section(summary: ScenarioSummary) -> Section:
    """The section of a report."""
    described = summary.described
    if not summary.panels and not summary.counts:
        return missing(summary.name, described.title, described.question, "Not measured: this run holds none of it.")
    tables = [_panel_table(summary.name, panel) for panel in summary.panels]
    if summary.counts:
        tables.append(_count_table(summary))
    return Section(
        summary.name,
        described.title,
        described.question,
        _reading(summary),
        described.how,
        measured=True,
        tables=tuple(tables),
    )


def _summarise(measurements: Measurements, name: str, described: ScenarioPanels) -> ScenarioSummary:
    order = {count: place for place, count in enumerate(described.counts)}
    shown = [count for count in measurements.counted(name) if count.name in order]
    shown.sort(key=lambda count: (order[count.name], [label_order(value) for value in count.labels.values()]))
    panels = [_panel(measurements, name, panel) for panel in described.panels]
    return ScenarioSummary(name, described, tuple(panel for panel in panels if panel.points), tuple(shown))


def _panel(measurements: Measurements, scenario: str, panel: Panel) -> PanelSummary:
    names = (panel.axis,) if panel.curve is None else (panel.axis, panel.curve)
    groups = measurements.group(scenario, panel.metric, *names, **dict(panel.where))
    points = [Point(values[0], "".join(values[1:]), pooled(series)) for values, series in groups.items()]
    points = [point for point in points if point.distribution.count]
    points.sort(key=lambda point: (label_order(point.curve), label_order(point.axis)))
    return PanelSummary(panel, tuple(points), _growth(groups))


def _growth(groups: Mapping[tuple[str, ...], list[Series]]) -> Ratio | None:
    axis = sorted({values[0] for values in groups}, key=label_order)
    if len(axis) < 2:
        return None

    def blocks(value: str) -> dict[int, Distribution]:
        return by_block([series for values, found in groups.items() if values[0] == value for series in found])

    return compare_blocks(blocks(axis[0]), blocks(axis[-1]))


def _panel_table(section: str, summary: PanelSummary) -> Table:
    panel = summary.panel
    has_curves = panel.curve is not None
    head = (Column(panel.axis_title), *((Column(_words(panel.curve or "")),) if has_curves else ()))
    value_columns: tuple[Column, ...]
    if summary.is_time and panel.statistic == "percentiles":
        value_columns = LATENCY_COLUMNS
    elif panel.statistic == "mean":
        value_columns = (Column("n"), Column("mean", summary.unit))
    else:
        value_columns = (Column("n"), *(Column(name, summary.unit) for name in ("p50", "p95", "p99", "max")))
    rows = tuple(
        (point.axis, *((point.curve,) if has_curves else ()), *_cells(section, summary, point))
        for point in summary.points
    )
    return Table(panel.title, (*head, *value_columns), rows)


def _cells(section: str, summary: PanelSummary, point: Point) -> tuple[Cell, ...]:
    panel = summary.panel
    labels = {**dict(panel.where), panel.axis: point.axis}
    if panel.curve is not None:
        labels[panel.curve] = point.curve
    measure = panel.metric.removesuffix("_us")
    distribution = point.distribution
    if panel.statistic == "mean":
        return (
            Number(number_key(section, f"{measure}_count", labels), distribution.count),
            Number(number_key(section, f"{measure}_mean", labels), mean_of(summary, point), summary.unit),
        )
    if summary.is_time:
        return latency_cells(point.latency, section, measure, labels)
    return (
        Number(number_key(section, f"{measure}_count", labels), distribution.count),
        *(
            Number(
                number_key(section, f"{measure}_p{percent}", labels),
                distribution.percentile(percent),
                summary.unit,
                weak=point.latency.weak(percent),
            )
            for percent in (50, 95, 99)
        ),
        Number(number_key(section, f"{measure}_max", labels), distribution.maximum, summary.unit),
    )


def mean_of(summary: PanelSummary, point: Point) -> float | None:
    """The mean as shown: times in ms."""
    mean = point.distribution.mean
    return mean / 1000 if mean is not None and summary.is_time else mean


def value_of(summary: PanelSummary, point: Point, percent: int) -> float | None:
    """One percentile as shown: times in ms."""
    return point.latency.percentile(percent) if summary.is_time else point.distribution.percentile(percent)


def _count_table(summary: ScenarioSummary) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for count in summary.counts:
        known = COUNTS[count.name]
        of = ", ".join(f"{_words(name)} {value}" for name, value in sorted(count.labels.items()))
        value = int(count.value) if float(count.value).is_integer() else count.value
        number = Number(number_key(summary.name, count.name, count.labels), value, known.unit)
        rows.append((_words(count.name), of or "all", number, known.unit, known.meaning))
    columns = (Column("count"), Column("of"), Column("value"), Column("unit"), Column("meaning"))
    return Table("Counted exactly", columns, tuple(rows))


def _reading(summary: ScenarioSummary) -> str:
    if not summary.panels:
        first = summary.counts[0]
        return f"Only counts were taken, the first of them {_words(first.name)}: {format_number(first.value)}."
    return f"{'; '.join(_panel_reading(panel) for panel in summary.panels)}."


def _panel_reading(summary: PanelSummary) -> str:
    title = summary.panel.title[0].lower() + summary.panel.title[1:]
    low, high = summary.axis[0], summary.axis[-1]
    curve = summary.curves[-1]
    point = summary.at(high, curve) or summary.points[-1]
    where = f"{_words(summary.panel.axis)} {point.axis}" + (f", {point.curve}" if point.curve else "")
    if summary.panel.statistic == "mean":
        mean = mean_of(summary, point)
        return f"{title}: {format_number(mean)} {summary.unit} on average at {where}"
    percent = point.latency.highest_percent
    sentence = f"{title}: p{percent} {format_number(value_of(summary, point, percent))} {summary.unit} at {where}"
    if summary.growth is None:
        return sentence
    growth = growth_text(f"the p{summary.growth.percent}", summary.growth.judgement)
    return f"{sentence}, and from {low} to {high} {growth}: {ratio_text(summary.growth)}"


def _words(name: str) -> str:
    return name.replace("_", " ")
