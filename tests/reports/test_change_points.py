"""Where a series changed: against the plain definition, on noise, and on changes that are known."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.change_points import NUMBERS_MIN, PIECE_MIN, _strongest, change_points

NUMBERS = st.lists(st.floats(-100, 100), min_size=NUMBERS_MIN, max_size=16)


def plain_energy(left: list[float], right: list[float]) -> float:
    """The scaled energy distance by its definition (Székely and Rizzo), with unbiased means within."""

    def mean(one: list[float], other: list[float]) -> float:
        return sum(abs(a - b) for a, b in product(one, other)) / (len(one) * len(other))

    def within(one: list[float]) -> float:
        return mean(one, one) * len(one) / (len(one) - 1)

    weight = len(left) * len(right) / (len(left) + len(right))
    return weight * (2 * mean(left, right) - within(left) - within(right))


@given(NUMBERS)
def test_the_strongest_place_is_that_of_the_definition(values: list[float]) -> None:
    """Over all places and ends, to rounding."""
    strengths = [
        plain_energy(values[:place], values[place:end])
        for place in range(PIECE_MIN, len(values) - PIECE_MIN + 1)
        for end in range(place + PIECE_MIN, len(values) + 1)
    ]
    strength, place = _strongest(np.asarray(values))
    assert strength == pytest.approx(max(strengths), abs=1e-6)
    assert PIECE_MIN <= place <= len(values) - PIECE_MIN


@given(NUMBERS)
def test_units_and_offsets_do_not_matter(values: list[float]) -> None:
    """Places found stay where they are when whole numbers are scaled and moved, both without rounding."""
    whole = [float(round(value)) for value in values]
    scaled = [value * 4 + 1024 for value in whole]
    assert [one.place for one in change_points(scaled)] == [one.place for one in change_points(whole)]


def test_noise_has_few_changes() -> None:
    """At most 3 of 100 series of 20 independent numbers, whatever their distribution (1 is expected)."""
    random = np.random.default_rng(11)
    draws = (random.normal, random.exponential, random.standard_cauchy)
    found = sum(bool(change_points(draws[number % 3](size=20))) for number in range(100))
    assert found <= 3


def test_a_change_is_found_where_it_is() -> None:
    """+20 % with 4 % noise, after 12 of 24 numbers: one change and no other, within one place, in at least 18 of 20."""
    random = np.random.default_rng(12)
    hits = 0
    for _ in range(20):
        values = random.normal(0, 0.04, 24) + np.repeat([0, 0.18], 12)
        hits += [abs(one.place - 12) <= 1 for one in change_points(values)] == [True]
    assert hits >= 18


def test_several_changes_are_found() -> None:
    """Up and down again."""
    random = np.random.default_rng(13)
    values = random.normal(0, 0.04, 36) + np.repeat([0, 0.5, 0.1], 12)
    assert [one.place for one in change_points(values)] == [12, 24]


@pytest.mark.parametrize("count", range(NUMBERS_MIN))
def test_too_few_numbers_tell_nothing(count: int) -> None:
    """However far they lie apart."""
    assert change_points([0.0] * (count // 2) + [1000.0] * (count - count // 2)) == ()


def test_the_shortest_series_can_change() -> None:
    """Five and five that do not overlap; and it is always found, because the permutations are seeded."""
    assert [one.place for one in change_points([1, 1.1, 1.2, 1.1, 1, 9, 9.1, 9.2, 9.1, 9])] == [5]


def test_what_never_changes_has_no_change() -> None:
    """Equal numbers."""
    assert change_points([3.0] * 40) == ()
