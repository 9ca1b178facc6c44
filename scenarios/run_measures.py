"""The numbers of a run by name, for objectives: a metric's statistic in a unit, or a count of the books.

delivery_ms_p99                   any metric of scenarios/metrics.py, in a unit of its kind, at a percentile
delivery_ms_p99.group_size=100    the same under one label's value
generator_cpu_percent_mean        `mean` and `max` as well
missing, late, failed, …          the sums of the ledgers and of the scenarios' records
bytes_per_delivery                what one delivery costs on the wire, in the mean
query_buffers_max, wrong_results, …   of the query laboratory: scenarios/query_measures.py

Pure but for reading the run folder.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

from fixtures.errors import InputError
from scenarios.histograms import new_histogram, percentile
from scenarios.metrics import METRICS
from scenarios.query_measures import QUERY_LABELS, QUERY_MEASURES, query_value
from scenarios.run_folder import RunFolder
from scenarios.run_records import LedgerTotals, QueryLine, ScenarioRecord

# A unit that ends a metric's name → the units in which it can be asked for, and their factors.
_UNITS = {"us": {"us": 1.0, "ms": 1e-3, "s": 1e-6}, "permille": {"permille": 1.0, "percent": 0.1}}
_STATISTIC = re.compile(r"(?P<name>.+)_(?P<statistic>p(?P<percent>\d{1,2}(?:\.\d+)?)|mean|max)")
_WIRE_BYTES = frozenset({"delivery_wire_bytes", "presence_wire_bytes"})
_LEDGER_COUNTS = ("messages", "expected", "delivered", "missing", "duplicate", "reordered", "late", "leaked")
_RECORD_COUNTS = ("started", "dropped", "failed")
_SHOWN_UNITS = {"us": "µs", "permille": "‰", "percent": "%", "bytes": "B", "kib": "KiB", "ms": "ms", "s": "s"}
_PLAIN = ("bytes_per_delivery", "failed_percent", *_LEDGER_COUNTS, *_RECORD_COUNTS)


@dataclass(frozen=True)
class Measure:
    """One number that a run may hold."""

    name: str
    metrics: frozenset[str] = frozenset()  # histograms it is taken from; empty: it is a count
    factor: float = 1.0  # from the metrics' unit to the asked one
    statistic: str = ""  # "p99", "mean" or "max"
    labels: tuple[tuple[str, str], ...] = ()  # only lines with these

    @property
    def percent(self) -> float | None:
        """99.9 of "p99.9"; None when the statistic is no percentile."""
        return float(self.statistic[1:]) if self.statistic.startswith("p") and self.metrics else None

    @property
    def unit(self) -> str:
        """For people, by its name; empty for plain counts."""
        if self.name.startswith("bytes_per_delivery"):
            return "B"
        words = self.name.partition("=")[0].rpartition(".")[0] if "=" in self.name else self.name
        stem = words.removesuffix(f"_{self.statistic}") if self.metrics else re.sub("_(max|min)$", "", words)
        return _SHOWN_UNITS.get(stem.rpartition("_")[2], "")

    @property
    def is_of_queries(self) -> bool:
        """True for numbers of the query laboratory."""
        return self.statistic in QUERY_MEASURES

    def within(self, labels: Mapping[str, str]) -> bool:
        """Whether something with these labels counts for it."""
        return all(labels.get(name) == value for name, value in self.labels)


def _askable() -> dict[str, tuple[str, float]]:
    """Name with unit and without statistic → metric, factor."""
    found = {}
    for metric in METRICS:
        base, _, unit = metric.rpartition("_")
        units = {f"{base}_{other}": factor for other, factor in _UNITS.get(unit, {}).items()} or {metric: 1.0}
        found.update({name: (metric, factor) for name, factor in units.items()})
    return found


_ASKABLE = _askable()


def known_measures() -> tuple[str, ...]:
    """What can be asked for, as patterns: pNN stands for any percentile; µs metrics by their milliseconds."""
    preferred = {
        metric: name for name, (metric, _) in _ASKABLE.items() if not name.endswith(("_us", "_s", "_permille"))
    }
    return (*_PLAIN, *QUERY_MEASURES, *(f"{name}_pNN|mean|max" for name in preferred.values()))


def parse_measure(name: str) -> Measure:
    """The measure of a name; InputError naming those there are."""
    base, _, label_text = name.partition(".") if "=" in name else (name, "", "")
    # A percentile such as p99.9 holds a point itself.
    fraction = re.match(r"(\d+)\.(?=.*=)", label_text)
    if fraction:
        base, label_text = f"{base}.{fraction[1]}", label_text[fraction.end() :]
    labels = tuple(sorted(_label(part, name) for part in label_text.split(","))) if label_text else ()
    if base == "bytes_per_delivery":
        return Measure(name, _WIRE_BYTES, statistic="mean", labels=labels)
    if base in QUERY_MEASURES:
        _check_labels(name, labels, QUERY_LABELS)
        return Measure(name, labels=labels, statistic=base)
    if base in _PLAIN:
        return Measure(name, labels=labels, statistic=base)
    match = _STATISTIC.fullmatch(base)
    if match is None or match["name"] not in _ASKABLE:
        raise InputError(f"no number of a run is named {name!r}; known are: {', '.join(known_measures())}")
    metric, factor = _ASKABLE[match["name"]]
    _check_labels(name, labels, METRICS[metric].labels)
    return Measure(name, frozenset({metric}), factor, match["statistic"], labels)


def measure_values(folder: RunFolder, measures: Iterable[Measure]) -> dict[str, float | None]:
    """The value of each measure in a run folder, by its name; None for what the run did not measure."""
    asked = list(measures)
    histograms = {measure.name: new_histogram() for measure in asked if measure.metrics}
    if histograms:
        for line in folder.read_histograms():
            for measure in asked:
                if line.metric in measure.metrics and measure.within(line.labels):
                    histograms[measure.name].decode_and_add(line.payload.encode("ascii"))
    records, ledgers = folder.read_manifest().scenarios, folder.read_ledger().ledgers
    lines = list(folder.read_queries()) if any(measure.is_of_queries for measure in asked) else []
    return {
        measure.name: _statistic(histograms[measure.name], measure)
        if measure.metrics
        else counted(measure, records, ledgers, lines)
        for measure in asked
    }


def _statistic(histogram: HdrHistogram, measure: Measure) -> float | None:
    if not histogram.get_total_count():
        return None
    if measure.statistic == "mean":
        value: float | None = histogram.get_mean_value()
    elif measure.percent is None:
        value = histogram.get_max_value()
    else:
        value = percentile(histogram, measure.percent)
    return None if value is None else value * measure.factor


def counted(
    measure: Measure,
    records: Iterable[ScenarioRecord],
    ledgers: Iterable[LedgerTotals],
    lines: Iterable[QueryLine] = (),
) -> float | None:
    """The value of a measure that is a count; None when nobody counted."""
    if measure.is_of_queries:
        return query_value(measure.statistic, dict(measure.labels), records, lines)
    if measure.statistic in _LEDGER_COUNTS:
        found = [ledger for ledger in ledgers if measure.within({"scenario": ledger.scenario, **ledger.labels})]
        return float(sum(getattr(ledger, measure.statistic) for ledger in found)) if found else None
    chosen = [record for record in records if measure.within({"scenario": record.name})]
    if measure.statistic == "failed_percent":
        started = sum(record.started for record in chosen)
        return 100 * sum(record.failed for record in chosen) / started if started else None
    return float(sum(getattr(record, measure.statistic) for record in chosen)) if chosen else None


def _label(part: str, name: str) -> tuple[str, str]:
    label, separator, value = part.partition("=")
    if not separator or not label:
        raise InputError(f"{name!r} names no label in {part!r}; write it as MEASURE.label=value,label=value")
    return label.strip(), value.strip()


def _check_labels(name: str, labels: Iterable[tuple[str, str]], known: Collection[str]) -> None:
    for label, _ in labels:
        if label not in known and label != "scenario":
            raise InputError(f"{name!r}: there is no label {label!r}; choose from {', '.join(('scenario', *known))}")
