"""Windows that alternate between arms."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scenarios.windows import Windows


def test_two_arms_alternate_as_abba() -> None:
    """Forward, then reverse."""
    windows = Windows(("A", "B"), 0.5, 1)
    one, other = windows.order
    assert [windows.arm(moment / 4) for moment in range(9)] == [one, one, other, other, other, other, one, one, one]
    assert [windows.block(moment) for moment in (0, 0.99, 1, 2.5)] == [0, 0, 1, 2]
    assert windows.arm(-0.1) == one


@given(st.integers(1, 9), st.integers(0, 100), st.integers(0, 20))
def test_each_arm_has_one_window_in_a_block(arm_count: int, seed: int, block: int) -> None:
    """No arm is measured more often than another, and the seed alone decides the order."""
    windows = Windows(range(arm_count), 1.0, seed)
    moments = [block * windows.block_seconds + number + 0.5 for number in range(arm_count)]
    assert Counter(map(windows.arm, moments)) == Counter(range(arm_count))
    assert {windows.block(moment) for moment in moments} == {block}
    assert Windows(range(arm_count), 1.0, seed).order == windows.order
