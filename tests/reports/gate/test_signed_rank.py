"""The exact signed-rank test against enumeration, against scipy, and against its own interval."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from reports.gate.signed_rank import critical_sum, differences_needed, estimate, greater_p, smallest_p

distinct = st.lists(st.integers(-10_000, 10_000).filter(bool), min_size=1, max_size=12, unique_by=abs)
tied = st.lists(st.integers(-3, 3), min_size=1, max_size=9)


def enumerated_p(values: list[int]) -> float:
    """By trying every sign pattern."""
    kept = [value for value in values if value]
    if not kept:
        return 1.0
    ranks = rankdata([abs(value) for value in kept])
    observed = sum(rank for rank, value in zip(ranks, kept, strict=True) if value > 0)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product((0, 1), repeat=len(kept))
    ]
    return sum(one >= observed - 1e-9 for one in sums) / len(sums)


@given(tied)
def test_ties_and_zeros_are_counted_exactly(values: list[int]) -> None:
    """The probability is the share of sign patterns with a sum as large."""
    assert greater_p(values) == pytest.approx(enumerated_p(values))


@given(distinct)
def test_it_agrees_with_scipy_without_ties(values: list[int]) -> None:
    """Its exact method gives the same probability."""
    assert greater_p(values) == pytest.approx(wilcoxon(values, alternative="greater", method="exact").pvalue)


@given(st.integers(1, 40))
def test_the_smallest_probability_is_that_of_one_pattern(count: int) -> None:
    """All differences positive."""
    assert greater_p([1 + number for number in range(count)]) == pytest.approx(smallest_p(count))
    assert differences_needed(smallest_p(count)) == count
    assert differences_needed(smallest_p(count) * 0.99) == count + 1


@given(st.integers(1, 15), st.floats(0.001, 0.2))
def test_the_critical_sum_is_the_first_that_reaches(count: int, p: float) -> None:
    """A rank sum of one less does not."""
    critical = critical_sum(count, p)
    if critical is None:
        assert smallest_p(count) > p
        return
    assert p_of_sum(count, critical) <= p
    assert critical == 0 or p_of_sum(count, critical - 1) > p


def p_of_sum(count: int, wanted: int) -> float:
    """The probability of a rank sum of `count` untied values, through values that have it."""
    values, left = [], wanted
    for rank in range(count, 0, -1):
        values.append(rank if left >= rank else -rank)
        left -= rank if left >= rank else 0
    assert left == 0
    return greater_p(values)


@given(st.lists(st.integers(-500, 500), min_size=8, max_size=14, unique=True), st.integers(-600, 600))
def test_the_interval_holds_what_the_test_would_not_reject(values: list[int], shift: int) -> None:
    """A location is inside exactly when neither one-sided test rejects it."""
    found = estimate(values, 0.95)
    moved = [value - shift - 0.25 for value in values]  # never zero
    if len({abs(one) for one in moved}) < len(moved):
        return  # the interval is of untied differences
    rejected = min(greater_p(moved), greater_p([-one for one in moved])) <= 0.025
    assert rejected != (found.low < shift + 0.25 < found.high)
    assert found.coverage >= 0.95
    assert found.low <= found.value <= found.high


def test_too_few_differences_say_so() -> None:
    """Four of them cannot give 99 %: the whole range, and the coverage that it has."""
    found = estimate([1.0, 2.0, 4.0, 8.0], 0.99)
    assert (found.low, found.high) == (1.0, 8.0)
    assert found.coverage == pytest.approx(1 - 2 / 16)
