"""The numbers of the query laboratory by name, for objectives: of its dearest cell, or counted.

query_buffers_max.statement=list_messages    pages touched by the dearest parameter class and strategy, by EXPLAIN
query_wal_bytes_max, query_hot_percent_min   WAL of one execution, and the share of updates that were HOT
wrong_results                                cells that gave other rows than the truth

A cell is a statement with a class of parameters under a strategy, by the server's own policies; its number is the
median of its blocks. `.statement=…,strategy=…,parameter_class=…` narrows it. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from scenarios.run_records import QueryLine, ScenarioRecord
from scenarios.study import SCENARIO, WRONG_RESULTS

QUERY_LABELS = ("strategy", "statement", "parameter_class")
_CELL_LABELS = ("statement", "parameter_class", "strategy")  # in the order of the record's wrong results


@dataclass(frozen=True)
class _Figure:
    of: Callable[[QueryLine], float | None]
    worst: Callable[[Iterable[float]], float]


_FIGURES = {
    "query_buffers_max": _Figure(lambda line: line.buffers_hit + line.buffers_read, max),
    "query_wal_bytes_max": _Figure(lambda line: line.wal_bytes, max),
    "query_hot_percent_min": _Figure(lambda line: None if line.hot_share is None else 100 * line.hot_share, min),
}
QUERY_MEASURES = (*_FIGURES, WRONG_RESULTS)


def query_value(
    name: str, labels: Mapping[str, str], records: Iterable[ScenarioRecord], lines: Iterable[QueryLine]
) -> float | None:
    """The value of one of QUERY_MEASURES; None when the laboratory did not measure it."""
    if name == WRONG_RESULTS:
        return _wrong_results(labels, records, lines)
    figure = _FIGURES[name]
    cells: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for line in lines:
        value = figure.of(line)
        if line.policy is None and value is not None and _within(labels, _labels(line)):
            cells[line.strategy, line.statement, line.parameter_class].append(value)
    return float(figure.worst(median(values) for values in cells.values())) if cells else None


def _wrong_results(
    labels: Mapping[str, str], records: Iterable[ScenarioRecord], lines: Iterable[QueryLine]
) -> float | None:
    """How many cells were wrong; None when there is none that was compared: one that is right has lines."""
    record = next((one for one in records if one.name == SCENARIO and WRONG_RESULTS in one.options), None)
    if record is None:
        return None
    cells = [dict(zip(_CELL_LABELS, cell, strict=False)) for cell in record.options[WRONG_RESULTS]]
    wrong = sum(_within(labels, found) for found in cells)
    is_compared = wrong or any(line.policy is None and _within(labels, _labels(line)) for line in lines)
    return float(wrong) if is_compared else None


def _labels(line: QueryLine) -> dict[str, str]:
    return {name: getattr(line, name) for name in _CELL_LABELS}


def _within(labels: Mapping[str, str], found: Mapping[str, str]) -> bool:
    return all(found.get(name) == value for name, value in labels.items() if name != "scenario")
