"""Distributions read from HdrHistogram payloads: sparse, exactly mergeable, with percentiles.

The histograms of a run hold 1 µs … 10 min at 3 significant digits. Only their filled buckets are kept here: a second
of deliveries fills a few hundred of 21 504, so ten million deliveries fit in a few megabytes.
"""

import binascii
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from numpy.typing import NDArray

from scenarios import histograms

_SUB_BUCKETS_HALF = 1024  # half of 2048, the smallest power of two that resolves 3 digits
_BUCKET_COUNT = histograms.new_histogram().counts_len

_octaves = np.maximum(np.arange(_BUCKET_COUNT) // _SUB_BUCKETS_HALF - 1, 0)
_sub_buckets = np.arange(_BUCKET_COUNT) - _octaves * _SUB_BUCKETS_HALF
_LOWEST_EQUIVALENT = _sub_buckets << _octaves
_HIGHEST_EQUIVALENT = _LOWEST_EQUIVALENT + (1 << _octaves) - 1
_MIDDLE_EQUIVALENT = _LOWEST_EQUIVALENT + ((1 << _octaves) >> 1)

# What hdrh raises on damaged payloads, by layer: base64, zlib, header, counters.
_DAMAGE = (
    binascii.Error,
    zlib.error,
    HdrCookieException,
    HdrLengthException,
    HdrHistogramSettingsException,
    IndexError,
    MemoryError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Distribution:
    """The filled buckets of one merged histogram, in rising order."""

    buckets: Integers
    counts: Integers

    @cached_property
    def count(self) -> int:
        """How many values were recorded."""
        return int(self.counts.sum())

    @cached_property
    def _cumulative(self) -> Integers:
        return np.cumsum(self.counts)

    def percentile(self, percent: float) -> int | None:
        """The highest value equivalent to the percentile, as HdrHistogram defines it; None without values."""
        if not self.count:
            return None
        rank = max(int(percent / 100 * self.count + 0.5), 1)
        return int(_HIGHEST_EQUIVALENT[self.buckets[np.searchsorted(self._cumulative, rank)]])

    @property
    def maximum(self) -> int | None:
        """The highest value equivalent to the largest one; None without values."""
        return int(_HIGHEST_EQUIVALENT[self.buckets[-1]]) if self.count else None

    @property
    def mean(self) -> float | None:
        """The mean by bucket middles: exact below 2 048, within 0.05 % above; None without values."""
        if not self.count:
            return None
        return float((_MIDDLE_EQUIVALENT[self.buckets] * self.counts).sum() / self.count)

    @property
    def total(self) -> float:
        """The sum of all values, as exact as the mean."""
        return float((_MIDDLE_EQUIVALENT[self.buckets] * self.counts).sum())


_NONE = np.zeros(0, dtype=np.int64)
EMPTY = Distribution(_NONE, _NONE)


def decode(payload: str) -> Distribution:
    """The distribution in a V2 compressed base64 payload; ValueError says what is wrong with it."""
    try:
        histogram = histograms.decode(payload)
    except _DAMAGE as error:
        raise ValueError("its payload is no HdrHistogram in V2 compressed base64 form") from error
    shape = (histogram.lowest_trackable_value, histogram.highest_trackable_value, histogram.significant_figures)
    if shape != (histograms.LOWEST, histograms.HIGHEST, histograms.SIGNIFICANT_DIGITS):
        raise ValueError(
            f"its histogram spans {shape[0]} to {shape[1]} at {shape[2]} digits instead of "
            f"{histograms.LOWEST} to {histograms.HIGHEST} at {histograms.SIGNIFICANT_DIGITS}"
        )
    counts = np.frombuffer(histogram.counts, dtype=np.int64)
    buckets = np.flatnonzero(counts)
    return Distribution(buckets, counts[buckets])


def merge(parts: Iterable[Distribution]) -> Distribution:
    """All values of all parts: exactly what one histogram of them would hold."""
    filled = [part for part in parts if part.count]
    if len(filled) < 2:
        return filled[0] if filled else EMPTY
    buckets = np.concatenate([part.buckets for part in filled])
    counts = np.zeros(int(buckets.max()) + 1, dtype=np.int64)
    np.add.at(counts, buckets, np.concatenate([part.counts for part in filled]))
    merged = np.flatnonzero(counts)
    return Distribution(merged, counts[merged])
