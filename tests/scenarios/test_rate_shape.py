import math
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import InputError
from scenarios.rate_shape import Piece, RateShape, parse_shape
from scenarios.schedules import ARRIVALS, fixed_arrivals, poisson_arrivals

NS = 1_000_000_000
factors = st.floats(0, 8) | st.just(0.0)
pieces = st.builds(Piece, st.floats(0.05, 20), factors, factors)
shapes = st.lists(pieces, min_size=1, max_size=5).map(lambda some: RateShape(tuple(some)))


def until(offsets: object, seconds: float) -> list[int]:
    return list(takewhile(lambda offset: offset < seconds * NS, offsets))  # type: ignore[call-overload]


@given(shape=shapes, rate=st.floats(0.5, 200), seed=st.integers(0, 10**6))
def test_an_even_pace_counts_the_integral(shape: RateShape, rate: float, seed: int) -> None:
    """Fixed arrivals until any piece's end are the integral of the rate until there, to the one that is on its way."""
    for number in range(1, len(shape.pieces) + 1):
        seconds = sum(piece.seconds for piece in shape.pieces[:number])
        offered = len(until(shape.moved(fixed_arrivals(rate, seed)), seconds))
        assert abs(offered - rate * shape.integral(seconds)) <= 1 + 1e-6


@given(shape=shapes, seed=st.integers(0, 10**6))
def test_poisson_arrivals_are_those_of_the_constant_rate_moved(shape: RateShape, seed: int) -> None:
    """The time change is exact: until any time there are as many as the constant rate has until the integral."""
    rate = 50.0
    seconds = shape.seconds
    offered = until(shape.moved(poisson_arrivals(rate, seed)), seconds)
    plain = until(poisson_arrivals(rate, seed), shape.integral(seconds))
    # An arrival on the very border may round to either side.
    assert abs(len(offered) - len(plain)) <= 1
    for moved_ns, plain_ns in zip(offered, plain, strict=False):
        assert math.isclose(shape.integral(moved_ns / NS), plain_ns / NS, rel_tol=1e-6, abs_tol=1e-6)


@pytest.mark.parametrize("kind", ARRIVALS)
@given(shape=shapes, seed=st.integers(0, 10**6))
def test_arrivals_ascend_and_hang_on_the_seed_alone(kind: str, shape: RateShape, seed: int) -> None:
    """Two readings of a shaped schedule are the same, in order of time."""
    first = list(islice(shape.moved(ARRIVALS[kind](20, seed)), 300))
    assert first == list(islice(shape.moved(ARRIVALS[kind](20, seed)), 300))
    assert all(before <= after for before, after in pairwise(first))


def test_poisson_counts_scatter_around_the_integral() -> None:
    """Over many seeds, arrivals on a ramp have the integral as their mean and variance, within five standard errors."""
    shape = parse_shape("4s@0..2,1s@5")
    expected = 10 * shape.integral(5)
    counts = [len(until(shape.moved(poisson_arrivals(10, seed)), 5)) for seed in range(2000)]
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / len(counts)
    assert expected == pytest.approx(90)
    assert abs(mean - expected) < 5 * math.sqrt(expected / len(counts))
    assert abs(variance - expected) < 5 * expected * math.sqrt(2 / len(counts))


def test_nothing_arrives_where_the_factor_is_nothing() -> None:
    """A pause is empty, and a shape that ends at 0 ends the schedule."""
    offsets = list(parse_shape("1s@1,2s@0,1s@2,1s@0").moved(fixed_arrivals(10, 1)))
    assert len(offsets) == 30
    assert not [offset for offset in offsets if NS < offset < 3 * NS]
    assert max(offsets) <= 4 * NS


def test_after_the_last_piece_its_factor_stays() -> None:
    """A run longer than its shape goes on as the shape ended."""
    assert parse_shape("1s@3,1s@1..0.5").integral(12) == pytest.approx(3 + 0.75 + 10 * 0.5)
    assert RateShape().integral(7) == 7


def test_the_text_form() -> None:
    """Steps, ramps and spikes as one writes them."""
    shape = parse_shape("10s@0.5, 20s@0.5..2,5s@4")
    assert shape.pieces == (Piece(10, 0.5, 0.5), Piece(20, 0.5, 2), Piece(5, 4, 4))
    assert parse_shape("") == RateShape()


@pytest.mark.parametrize("text", ["10s", "10@1", "0s@1", "5s@-1", "5s@1..", "5s@1...2", "xs@1", "1s@1,,1s@2", "1s@0"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    """With the piece and the form to write it in."""
    with pytest.raises(InputError, match=r"no piece; write seconds@factor|without any load"):
        parse_shape(text)
