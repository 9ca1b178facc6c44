"""Tests of scenarios/queries/results.py."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from scenarios.queries.results import difference, is_ordered, masked

ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])))


@given(ROWS, st.randoms(use_true_random=False))
def test_order_counts_only_where_it_is_promised(rows: list[tuple[object, ...]], random: object) -> None:
    """The same rows in any order are the same result of a statement without ORDER BY."""
    other = list(rows)
    random.shuffle(other)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert difference(rows, other, ordered=False) is None
    assert (difference(rows, other, ordered=True) is None) == (rows == other)


@given(ROWS, st.integers(0, 3))
def test_a_lost_row_is_found(rows: list[tuple[object, ...]], place: int) -> None:
    """Whatever the rows, one more and one fewer are reported."""
    longer = [*rows[:place], (9, "lost"), *rows[place:]]
    assert difference(longer, rows, ordered=False) == "1 missing, such as (9, lost)"
    assert difference(rows, longer, ordered=False) == "1 that should not be there, such as (9, lost)"


def test_a_repeated_row_is_found() -> None:
    """Rows are counted, not only known."""
    assert difference([(1,)], [(1,), (1,)], ordered=False) == "1 that should not be there, such as (1)"


def test_another_order_says_where() -> None:
    """The first row out of place is named."""
    assert difference([(1,), (2,), (3,)], [(1,), (3,), (2,)], ordered=True) == (
        "the same rows in another order from row 2 on"
    )


def test_only_what_the_server_makes_up_is_masked() -> None:
    """Ids and times that were given stay comparable; generated ones do not."""
    given_id, made_id = UUID(int=1), UUID(int=2)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert masked([(given_id, made_id, 7, "text", now)], [given_id, "text"]) == [
        (given_id, "made by the server", 7, "text", "made by the server")
    ]


def test_order_by_is_seen_in_any_case() -> None:
    """ORDER BY over two lines in lower case is an order."""
    assert is_ordered("select 1 order\n  by 1")
    assert not is_ordered("SELECT ordered FROM border_by")
