"""Slopes and ratios with their intervals."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.drift import Estimate, block_means, first_and_last_third, mean, ratio, slope


def test_a_line_has_its_slope_and_no_doubt() -> None:
    """Without scatter the interval is a point."""
    found = slope([(0, 1), (1, 3), (2, 5), (5, 11)])
    assert found is not None
    assert found.bounds() == pytest.approx({"estimate": 2, "low": 2, "high": 2})


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=30).filter(lambda values: len(set(values)) > 1))
def test_the_slope_is_that_of_scipy(values: list[int]) -> None:
    """Estimate and error of an independent implementation."""
    points = [(float(number), value) for number, value in enumerate(values)]
    found, expected = slope(points), stats.linregress(*zip(*points, strict=True))
    assert found is not None
    reach = stats.t.ppf(0.975, len(values) - 2) * expected.stderr
    assert found.value == pytest.approx(expected.slope, abs=1e-6)
    assert found.high - found.value == pytest.approx(reach, abs=1e-4)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 400 noisy lines and 400 noisy pairs of one seed, about 95 % of the intervals hold the true value."""
    random = Random(11)
    held = {"slope": 0, "ratio": 0}
    for _ in range(400):
        line = slope([(time, 3 * time + random.gauss(0, 5)) for time in range(9)])
        pair = ratio(
            [random.lognormvariate(0, 0.2) for _ in range(4)], [random.lognormvariate(0.5, 0.3) for _ in range(5)]
        )
        assert line is not None
        assert pair is not None
        held["slope"] += line.low <= 3 <= line.high
        held["ratio"] += pair.low <= math.exp(0.5) <= pair.high
    assert all(365 <= count <= 396 for count in held.values()), held


def test_a_ratio_is_known_by_heart() -> None:
    """Twice as much without scatter; the same both ways round."""
    assert ratio([2, 2], [4, 4]) == Estimate(2, 2, 2)
    there, back = ratio([1, 2], [3, 5]), ratio([3, 5], [1, 2])
    assert there is not None
    assert back is not None
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high)


def test_a_mean_is_that_of_a_t_test() -> None:
    """The interval of an independent implementation."""
    values = [1.0, 2.5, 4.0, 3.5]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = mean(values)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((2.75, expected.low, expected.high))
    assert mean([1.0]) is None


def test_too_little_says_nothing() -> None:
    """Two points have a line and no doubt about it; one value has no scatter."""
    assert slope([(0, 1), (1, 2)]) is None
    assert ratio([1], [2, 3]) is None


def test_blocks_are_means_of_what_they_hold() -> None:
    """A block without samples is none."""
    assert block_means([(0, 1), (1, 3), (5, 7)], 2) == [(0.5, 2), (5, 7)]


def test_thirds_leave_the_middle_out() -> None:
    """By block number, whatever the order in which they were filled."""
    assert first_and_last_third({3: 30.0, 0: 1.0, 1: 2.0, 6: 60.0, 5: 50.0, 4: 40.0, 2: 3.0}) == ([1, 2], [50, 60])
    assert first_and_last_third({0: 1.0, 1: 2.0}) == ([], [])
