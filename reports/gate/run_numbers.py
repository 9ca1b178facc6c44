"""One number of a stored run by name, with the pieces of its time that show how steady it was."""

from dataclasses import dataclass

from reports.distributions import Distribution
from reports.intervals import Interval, median_interval
from reports.latency import values_needed
from reports.measurements import Measurements, Series, by_block, pooled
from scenarios.run_measures import Measure, counted


@dataclass(frozen=True)
class RunNumber:
    """The value of a measure in one run, in the measure's unit."""

    measure: Measure
    value: float | None  # None: not measured
    blocks: tuple[float, ...] = ()  # of the blocks of its scenario's time that can support it; none for counts
    values: int = 0  # it is taken from
    values_needed: int = 0  # so that a percentile has five beyond it; 0 for counts, means and maxima

    @property
    def supported(self) -> bool:
        """Whether there are enough values for such a percentile."""
        return self.values >= self.values_needed

    @property
    def interval(self) -> Interval | None:
        """Where the median of blocks lies; None without two of them."""
        return median_interval(self.blocks) if len(self.blocks) > 1 else None


def run_number(measurements: Measurements, measure: Measure) -> RunNumber:
    """The number of that name."""
    if not measure.metrics:
        value = counted(measure, measurements.manifest.scenarios, measurements.ledger.ledgers, measurements.queries)
        return RunNumber(measure, value)
    series = series_of(measurements, measure)
    needed = 0 if measure.percent is None else values_needed(measure.percent)
    whole = pooled(series)
    blocks = [_statistic(part, measure) for part in by_block(series).values() if part.count >= needed]
    found = tuple(value for value in blocks if value is not None)
    return RunNumber(measure, _statistic(whole, measure), found, whole.count, needed)


def series_of(measurements: Measurements, measure: Measure) -> list[Series]:
    """The series that a measure is taken from."""
    return [one for one in measurements.series if one.metric in measure.metrics and measure.within(one.labels)]


def _statistic(distribution: Distribution, measure: Measure) -> float | None:
    if measure.percent is not None:
        value: float | None = distribution.percentile(measure.percent)
    else:
        value = distribution.mean if measure.statistic == "mean" else distribution.maximum
    return None if value is None else value * measure.factor
