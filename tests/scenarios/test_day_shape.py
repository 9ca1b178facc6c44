"""A day's rate and its exact inversion."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.day_shape import DayShape, day_arrivals, hour_label
from scenarios.schedules import fixed_arrivals, poisson_arrivals

TRIANGLE = DayShape(((0.0, 0.0), (12.0, 1.0), (24.0, 0.0)))


@st.composite
def shapes(draw: st.DrawFn) -> DayShape:
    """Any day with some activity."""
    inner = draw(st.lists(st.integers(1, 95), unique=True, max_size=8))
    hours = [0.0, *sorted(hour / 4 for hour in inner), 24.0]
    rates = draw(st.lists(st.integers(0, 20), min_size=len(hours), max_size=len(hours)).filter(any))
    return DayShape(tuple((hour, float(rate)) for hour, rate in zip(hours, rates, strict=True)))


def test_a_triangle_is_known_by_heart() -> None:
    """Rate, share and inverse of a day that rises to noon and falls."""
    assert (TRIANGLE.rate(0), TRIANGLE.rate(6), TRIANGLE.rate(12), TRIANGLE.rate(24)) == (0, 1, 2, 0)
    assert TRIANGLE.share_until(6) == 0.125
    assert TRIANGLE.share_until(12) == 0.5
    assert (TRIANGLE.hour_of(0), TRIANGLE.hour_of(0.125), TRIANGLE.hour_of(0.5)) == (0, 6, 12)
    assert TRIANGLE.hour_of(0.875) == pytest.approx(18)
    assert TRIANGLE.hour_of(1) == 24


@given(shapes(), st.floats(0, 1))
def test_the_inverse_is_one(shape: DayShape, share: float) -> None:
    """At the hour found, the day has seen exactly the share asked for."""
    assert shape.share_until(shape.hour_of(share)) == pytest.approx(share, abs=1e-9)


@given(shapes(), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_the_inverse_keeps_the_order(shape: DayShape, shares: list[float]) -> None:
    """Later events come later."""
    hours = [shape.hour_of(share) for share in sorted(shares)]
    assert all(one <= other for one, other in pairwise(hours))
    assert all(0 <= hour <= 24 for hour in hours)


@given(shapes(), st.floats(0.001, 23.999))
def test_the_rate_is_the_slope_of_the_share(shape: DayShape, hour: float) -> None:
    """What is added within a moment is the rate there times the moment, on each side of a bend."""
    width = 1e-4
    left, right = max(0.0, hour - width), min(24.0, hour + width)
    slope = (shape.share_until(right) - shape.share_until(left)) / (right - left) * 24
    low, high = sorted((shape.rate(left), shape.rate(right)))
    middle = shape.rate(hour)
    assert min(low, middle) - 0.02 <= slope <= max(high, middle) + 0.02


def test_a_fixed_schedule_has_as_many_events_as_asked_for() -> None:
    """100 events fall as the triangle says: an eighth before six o'clock, half before noon."""
    offsets = [offset / 1e9 for offset in day_arrivals(TRIANGLE, fixed_arrivals(1.0, 5), 100, 24.0)]
    assert len(offsets) == 100
    assert sum(offset < 6 for offset in offsets) in {12, 13}
    assert sum(offset < 12 for offset in offsets) == 50
    assert offsets == sorted(offsets)


def test_a_flat_day_changes_nothing_but_the_length() -> None:
    """Under a constant rate, arrivals are the unit process, stretched."""
    flat = DayShape(((0.0, 3.0), (24.0, 3.0)))
    unit = list(islice(poisson_arrivals(1.0, "seed"), 50))
    stretched = list(islice(day_arrivals(flat, poisson_arrivals(1.0, "seed"), 1000, 10.0), 50))
    assert stretched == pytest.approx([offset / 100 for offset in unit], abs=2)


@pytest.mark.parametrize(
    ("offset", "label"), [(0, "00"), (9.99, "11"), (10, "12"), (19.99, "23"), (25, "23"), (-1, "00")]
)
def test_an_offset_has_its_hour(offset: float, label: str) -> None:
    """20 seconds are 24 hours."""
    assert hour_label(offset, 20) == label
