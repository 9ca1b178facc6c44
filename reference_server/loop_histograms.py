"""Histograms of a single event loop, for Prometheus.

prometheus_client's take two locks per observation and search their buckets one by one. Between two waits for the
network nothing of that is in the processor's caches: a page of messages, which observes twice before it is answered,
spent a twentieth of its time there.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString


class LoopSeries:
    """The observations of one combination of labels."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last one: beyond every bound
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Counts one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class LoopHistogram:
    """A histogram whose series are observed and read by one thread."""

    def __init__(
        self, name: str, meaning: str, label_names: Sequence[str], buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._meaning, self._label_names, self._bounds = name, meaning, label_names, buckets
        self._series: dict[tuple[str, ...], LoopSeries] = {}
        registry.register(self)

    def labels(self, *values: str) -> LoopSeries:
        """The series of these labels' values, in the order of their names. Keep it: looking it up costs more."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = LoopSeries(self._bounds)
        return series

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """What there will be: the registry asks, to know the names."""
        return (self._family(),)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Everything observed so far."""
        family = self._family()
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for values, series in self._series.items():
            cumulative = accumulate(series.counts)
            family.add_metric(values, list(zip(bounds, map(float, cumulative), strict=True)), series.total)
        return (family,)

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._meaning, labels=self._label_names)
