"""Latency percentiles in milliseconds, and which of them their sample can carry."""

import math
from dataclasses import dataclass

from reports.distributions import Distribution
from reports.numbers import Cell, Column, Number, milliseconds, number_key

PERCENTS = (50, 95, 99)

_VALUES_BEYOND = 5  # fewer values beyond a percentile and one outlier moves it: shown as weak


@dataclass(frozen=True)
class Latency:
    """The shape of one latency distribution."""

    count: int
    ms_p50: float | None
    ms_p95: float | None
    ms_p99: float | None
    ms_max: float | None

    def percentile(self, percent: int) -> float | None:
        """One of PERCENTS."""
        return {50: self.ms_p50, 95: self.ms_p95, 99: self.ms_p99}[percent]

    def weak(self, percent: int) -> bool:
        """True when fewer than five values lie beyond the percentile."""
        return self.count < values_needed(percent)

    @property
    def highest_percent(self) -> int:
        """The highest of PERCENTS that is not weak; 50 when all are."""
        return max((percent for percent in PERCENTS if not self.weak(percent)), default=50)


def values_needed(percent: float) -> int:
    """How many values a percentile needs so that five lie beyond it."""
    return math.ceil(_VALUES_BEYOND * 100 / (100 - percent))


def latency_of(distribution: Distribution) -> Latency:
    """The percentiles of a distribution of microseconds."""
    p50, p95, p99 = (milliseconds(distribution.percentile(percent)) for percent in PERCENTS)
    return Latency(distribution.count, p50, p95, p99, milliseconds(distribution.maximum))


LATENCY_COLUMNS = (
    Column("n"),
    Column("p50", "ms"),
    Column("p95", "ms"),
    Column("p99", "ms"),
    Column("max", "ms"),
)


def latency_cells(latency: Latency, section: str, measure: str, labels: dict[str, str]) -> tuple[Cell, ...]:
    """The cells under LATENCY_COLUMNS; keys are `<measure>_count`, `<measure>_ms_p50` and so on."""
    return (
        Number(number_key(section, f"{measure}_count", labels), latency.count),
        *(percentile_cell(latency, percent, section, measure, labels) for percent in PERCENTS),
        Number(number_key(section, f"{measure}_ms_max", labels), latency.ms_max, "ms"),
    )


def percentile_cell(latency: Latency, percent: int, section: str, measure: str, labels: dict[str, str]) -> Number:
    """One percentile as `<measure>_ms_p<percent>`."""
    return Number(
        number_key(section, f"{measure}_ms_p{percent}", labels),
        latency.percentile(percent),
        "ms",
        weak=latency.weak(percent),
    )
