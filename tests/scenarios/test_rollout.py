"""Stages of a roll-out, and what is lost in one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.rollout import Stage, completeness, plan


def test_a_plan_starts_migrating_with_its_first_percentage() -> None:
    """Before, the percentages, the way back."""
    assert plan((0, 100), "roll_back") == (
        Stage("1 before"),
        Stage("2 at 0 %", 0, starts_migration=True),
        Stage("3 at 100 %", 100),
        Stage("4 backed out", backs_out=True),
    )
    assert [stage.label for stage in plan((0, 10, 50, 100), "none")][-1] == "5 at 100 %"


@pytest.mark.parametrize("back_out", ["none", "abort"])
def test_labels_sort_as_stages_follow(back_out: str) -> None:
    """A report that sorts names shows time."""
    labels = [stage.label for stage in plan((0, 10, 50, 100), back_out)]  # type: ignore[arg-type]  # both are
    assert labels == sorted(labels)


@given(st.sets(st.text("abcdef", min_size=1), max_size=20), st.lists(st.text("abcdef", min_size=1), max_size=40))
def test_completeness_is_set_arithmetic(acknowledged: set[str], found: list[str]) -> None:
    """Missing is what nobody shows; a second copy is a duplicate; what was not sent in the run is not counted."""
    totals = completeness("migration", "old", acknowledged, found)
    assert totals.missing == len(acknowledged - set(found))
    assert totals.delivered == len(acknowledged & set(found))
    assert totals.duplicate == sum(max(0, found.count(one) - 1) for one in acknowledged)
    assert totals.expected == len(acknowledged)
