"""Distributions: merging, percentiles and damage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.distributions import EMPTY, Distribution, decode, merge
from scenarios import histograms

VALUES = st.lists(st.integers(1, histograms.HIGHEST), min_size=1, max_size=60)


def distribution_of(values: list[int]) -> Distribution:
    return decode(histograms.encode(histograms.histogram_of(values)))


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_merged_parts_equal_the_pooled_sample(parts: list[list[int]]) -> None:
    """Merging loses nothing: the same buckets and counts as one histogram of all values."""
    merged = merge(distribution_of(part) for part in parts)
    together = distribution_of([value for part in parts for value in part])
    assert merged.buckets.tolist() == together.buckets.tolist()
    assert merged.counts.tolist() == together.counts.tolist()


@given(VALUES, st.sampled_from([0.1, 25, 50, 90, 95, 99, 100]))
def test_a_percentile_lies_within_the_resolution_of_the_sample(values: list[int], percent: float) -> None:
    """Three significant digits: at most 0.1 % above the value at that rank."""
    rank = max(int(percent / 100 * len(values) + 0.5), 1)
    exact = sorted(values)[rank - 1]
    found = distribution_of(values).percentile(percent)
    assert found is not None
    assert exact <= found <= exact * 1.001


@given(VALUES, st.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_agree_with_the_histogram_library(values: list[int], percent: float) -> None:
    """What other HdrHistogram tools read from a payload is what the report shows."""
    histogram = histograms.histogram_of(values)
    assert distribution_of(values).percentile(percent) == histogram.get_value_at_percentile(percent)


@given(st.lists(st.integers(1, 2047), min_size=1, max_size=60))
def test_small_values_are_exact(values: list[int]) -> None:
    """Below 2 048 a histogram keeps every value."""
    found = distribution_of(values)
    assert found.count == len(values)
    assert found.maximum == max(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.total == sum(values)


@given(VALUES)
def test_the_mean_lies_within_the_resolution(values: list[int]) -> None:
    """Bucket middles are at most 0.05 % off."""
    assert distribution_of(values).mean == pytest.approx(np.mean(values), rel=0.001)


def test_no_values_have_no_percentiles() -> None:
    """Nothing is None, never zero."""
    assert (EMPTY.count, EMPTY.percentile(50), EMPTY.maximum, EMPTY.mean) == (0, None, None, None)
    assert merge([]).count == 0
    assert merge([EMPTY, EMPTY]).percentile(99) is None


@pytest.mark.parametrize("payload", ["", "no base64!", "aGVsbG8=", "HISTFAAAAAR42pNpmSzMwMDAAcQA"])
def test_a_damaged_payload_is_named(payload: str) -> None:
    """Whatever layer breaks, the error says that the payload is no histogram."""
    with pytest.raises(ValueError, match="no HdrHistogram"):
        decode(payload)


def test_a_histogram_of_another_shape_is_refused() -> None:
    """Histograms of other ranges would be read at wrong places."""
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - only this test makes foreign histograms

    foreign = HdrHistogram(1, 1000, 2)
    foreign.record_value(5)
    with pytest.raises(ValueError, match="spans 1 to 1000 at 2 digits"):
        decode(foreign.encode().decode("ascii"))
