"""Stages of a roll-out."""

import pytest

from scenarios.rollout import Stage, plan


def test_a_plan_starts_migrating_with_its_first_percentage() -> None:
    """Before, the percentages, the way back."""
    assert plan((0, 100), "roll_back") == (
        Stage("1: before"),
        Stage("2: 0 %", 0, starts_migration=True),
        Stage("3: 100 %", 100),
        Stage("4: back", backs_out=True),
    )
    assert [stage.label for stage in plan((0, 10, 50, 100), "none")][-1] == "5: 100 %"


@pytest.mark.parametrize("back_out", ["none", "abort"])
def test_labels_sort_as_stages_follow(back_out: str) -> None:
    """A report that sorts names shows time."""
    labels = [stage.label for stage in plan((0, 10, 50, 100), back_out)]  # type: ignore[arg-type]  # both are
    assert labels == sorted(labels)
