"""Contract: a row of a scenario's workload table: a number and where it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One number of a workload, beside its source."""

    value: float | str
    unit: str
    source: str  # "measured: …", "cited: …" or "guess: …"
