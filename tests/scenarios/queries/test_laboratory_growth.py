"""Tests of the pure parts of scenarios/queries/growth.py and walks.py."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.queries.growth import order_of
from scenarios.queries.walks import compared
from scenarios.study import Order, Rung

SIZES = (10, 40, 160, 640, 2_560)


def rungs(buffers: Callable[[int], float], rows: int = 10) -> list[Rung]:
    return [Rung(size=size, rows=rows, buffers=round(buffers(size))) for size in SIZES]


@pytest.mark.parametrize(
    ("buffers", "order"),
    [
        (lambda _size: 25, "flat"),
        (lambda size: 25 + size % 3, "flat"),
        (lambda size: 7 + size, "linear"),
        (lambda size: 3 * size / 10, "linear"),
        (lambda size: 40 * math.log2(size) - 120, "logarithmic"),
        (lambda size: 9_000 / size, "falling"),
    ],
)
def test_orders_are_told_apart(buffers: Callable[[int], float], order: Order) -> None:
    """Flat, falling, a logarithm and a line."""
    assert order_of(rungs(buffers)) == order


def test_only_full_pages_count() -> None:
    """A list that ends early costs less because it gives less."""
    short = [Rung(size=size, rows=size, buffers=size) for size in (1, 3, 6)]
    assert order_of([*short, *rungs(lambda _size: 25)]) == "flat"


def test_two_sizes_tell_nothing() -> None:
    """A line through two points fits every order."""
    assert order_of(rungs(lambda size: size)[:2]) == "unknown"
    assert order_of([]) == "unknown"


def test_lost_and_repeated_rows_are_counted() -> None:
    """Rows that came in meanwhile are neither."""
    count = compared([("a",), ("b",), ("c",)], [("new",), ("a",), ("a",), ("a",), ("c",)])
    assert (count.lost, count.repeated, count.example) == (1, 2, "(b)")


@given(st.lists(st.integers(0, 50), unique=True), st.lists(st.integers(0, 50)))
def test_a_walk_is_complete_when_every_row_came_once(expected: list[int], met: list[int]) -> None:
    """Lost is what is missing from the set, repeated what is above one."""
    count = compared([(row,) for row in expected], [(row,) for row in met])
    assert count.lost == len(set(expected) - set(met))
    assert count.repeated == len(met) - len(set(met))
    assert (count.example is None) == (not count.lost and not count.repeated)
