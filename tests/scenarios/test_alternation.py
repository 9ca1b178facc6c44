from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from scenarios.alternation import TurnLog, alternating


@given(arms=st.lists(st.integers(), min_size=1, max_size=5, unique=True), seed=st.integers(), rounds=st.integers(1, 9))
def test_every_round_has_every_arm_once(arms: list[int], seed: int, rounds: int) -> None:
    """However often, and the same again for the same seed."""
    turns = list(islice(alternating(arms, seed), rounds * len(arms)))
    for number in range(rounds):
        assert sorted(turns[number * len(arms) : (number + 1) * len(arms)]) == sorted(arms)
    assert turns == list(islice(alternating(arms, seed), rounds * len(arms)))


def test_the_order_within_a_round_changes() -> None:
    """Either arm is first in about half of 100 rounds."""
    first = list(islice(alternating("ab", 1), 200))[::2]
    assert 25 < first.count("a") < 75


@given(begins=st.lists(st.integers(0, 50), min_size=1, unique=True), moment=st.integers(-1, 60))
def test_a_moment_belongs_to_the_turn_that_began_last(begins: list[int], moment: int) -> None:
    """By plain search; before the first turn, to none."""
    log: TurnLog[int] = TurnLog()
    for begin in sorted(begins):
        log.begin(begin, begin)
    assert log.arm_at(moment) == max((begin for begin in begins if begin <= moment), default=None)
