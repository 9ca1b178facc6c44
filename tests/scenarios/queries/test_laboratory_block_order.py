"""Tests of scenarios/queries/block_order.py."""

from hypothesis import given
from hypothesis import strategies as st

from scenarios.queries.block_order import shuffled, visits


def test_two_strategies_alternate_as_abba() -> None:
    """Turns go forward and back, one execution each."""
    assert visits("AB", 4) == [
        ("A", 0), ("B", 0), ("B", 1), ("A", 1), ("A", 2), ("B", 2), ("B", 3), ("A", 3),
    ]  # fmt: skip


@given(st.integers(1, 5), st.integers(1, 50))
def test_everyone_executes_the_same_numbers(strategies: int, executions: int) -> None:
    """Each strategy meets every execution number once, in order."""
    turns = visits(range(strategies), executions)
    for strategy in range(strategies):
        assert [number for item, number in turns if item == strategy] == list(range(executions))


@given(st.integers(2, 5), st.integers(1, 25))
def test_nobody_is_favoured_by_a_drift(strategies: int, pairs: int) -> None:
    """After an even number of executions the mean position of every strategy is the same."""
    turns = [item for item, _ in visits(range(strategies), 2 * pairs)]
    sums = {item: sum(place for place, turn in enumerate(turns) if turn == item) for item in range(strategies)}
    assert len(set(sums.values())) == 1


def test_order_depends_on_seed_and_block_alone() -> None:
    """The same seed and key give the same order, and blocks differ."""
    items = list(range(20))
    assert shuffled(items, 7, 1, "send") == shuffled(items, 7, 1, "send")
    assert shuffled(items, 7, 1, "send") != shuffled(items, 7, 2, "send")
    assert shuffled(items, 7, 1, "send") != shuffled(items, 8, 1, "send")
    assert sorted(shuffled(items, 7, 1)) == items
