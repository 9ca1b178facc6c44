"""Intervals of medians and ratios, and what they allow to say."""

import pytest

from reports.distributions import Distribution, decode
from reports.intervals import Interval, compare_blocks, judge, median_interval
from scenarios import histograms


def blocks(*latencies_us: int, count: int = 100) -> dict[int, Distribution]:
    return {
        number: decode(histograms.encode(histograms.histogram_of([latency] * count)))
        for number, latency in enumerate(latencies_us)
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], Interval(5.0, 5.0, 5.0, 0.0, 1)),
        ([1.0, 2.0, 3.0, 4.0, 5.0], Interval(3.0, 1.0, 5.0, 0.9375, 5)),
        ([6.0, 1.0, 2.0, 3.0, 4.0, 5.0], Interval(3.5, 1.0, 6.0, 0.96875, 6)),
        ([float(value) for value in range(1, 9)], Interval(4.5, 1.0, 8.0, 0.9921875, 8)),
        ([float(value) for value in range(1, 10)], Interval(5.0, 2.0, 8.0, 0.9609375, 9)),
    ],
)
def test_the_interval_of_a_median_is_its_narrowest_pair_of_order_statistics(
    values: list[float], expected: Interval
) -> None:
    """The coverages are those of a coin tossed once per value."""
    found = median_interval(values)
    assert (found.estimate, found.low, found.high, found.blocks) == (
        expected.estimate,
        expected.low,
        expected.high,
        expected.blocks,
    )
    assert found.coverage == pytest.approx(expected.coverage)


def test_five_blocks_are_too_few_and_six_enough() -> None:
    """Five values hold the median with 93.75 %, six with 96.9 %."""
    assert not median_interval([1.0] * 5).sound
    assert median_interval([1.0] * 6).sound


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.3, 1.9, "higher"),
        (0.4, 0.7, "lower"),
        (0.9, 1.15, "flat"),
        (1.0, 1.4, "unsure"),
        (0.5, 2.0, "unsure"),
        (1.2, 1.5, "unsure"),
    ],
)
def test_a_judgement_needs_the_whole_interval_on_one_side(low: float, high: float, expected: str) -> None:
    """An interval that reaches over a bound is unsure."""
    assert judge(Interval((low + high) / 2, low, high, 0.99, 8)) == expected


def test_an_interval_from_few_blocks_is_unsure() -> None:
    """However far from one it lies."""
    assert judge(Interval(9.0, 8.0, 10.0, 0.75, 3)) == "unsure"


def test_the_highest_percentile_that_the_blocks_carry_is_compared() -> None:
    """Five values must lie beyond it in every block: 500 for p99, 100 for p95, 10 for p50."""
    found = [
        compare_blocks(blocks(*[100] * 8, count=count), blocks(*[300] * 8, count=count)) for count in (500, 100, 10)
    ]
    assert [ratio.percent for ratio in found if ratio] == [99, 95, 50]
    assert {ratio.interval.estimate for ratio in found if ratio} == {3.0}
    assert {ratio.judgement for ratio in found if ratio} == {"higher"}


def test_blocks_with_too_few_values_are_not_compared() -> None:
    """Nine values carry no median ratio."""
    assert compare_blocks(blocks(100, count=9), blocks(100, count=9)) is None


def test_only_blocks_that_both_have_are_compared() -> None:
    """A block without a partner says nothing."""
    ratio = compare_blocks(blocks(*[100] * 8), blocks(*[200] * 6))
    assert ratio is not None
    assert (ratio.percent, ratio.interval.blocks, ratio.interval.estimate) == (95, 6, 2.0)


def test_too_few_blocks_are_not_compared() -> None:
    """Five blocks hold no ratio with 95 %."""
    assert compare_blocks(blocks(*[100] * 8), blocks(*[200] * 5)) is None
