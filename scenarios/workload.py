"""Contract: a row of a scenario's workload table: a number and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scenarios.run_records import WorkloadRecord


@dataclass(frozen=True)
class Row:
    """One number of a workload, beside its source."""

    value: float | str
    unit: str
    source: str  # "measured: …", "cited: …" or "guess: …"


def workload_records(table: Mapping[str, Row], options: Mapping[str, Any]) -> list[WorkloadRecord]:
    """The table as a run with these options follows it: an option of a row's name replaces its number and source."""
    records = []
    for name, row in table.items():
        value = options.get(name, row.value)
        is_own = _text(value) == _text(row.value)
        source = row.source if is_own else f"given: this run's option; {_text(row.value)} when none is"
        records.append(WorkloadRecord(name=name, value=_text(value), unit=row.unit, source=source))
    return records


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"
