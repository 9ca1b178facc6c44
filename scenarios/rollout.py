"""Contract: the stages of a roll-out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

BackOut = Literal["none", "roll_back", "abort"]


@dataclass(frozen=True)
class Stage:
    """A part of the run between two commands of the operator."""

    label: str  # numbered, so that names sort as stages follow
    percentage: int | None = None  # of users sent to the new chat; None: nothing is rolled out (yet, or any more)
    starts_migration: bool = False
    backs_out: bool = False


def plan(percentages: Sequence[int], back_out: BackOut) -> tuple[Stage, ...]:
    """Before, one stage per percentage (the migration starts with the first), and the way back if there is one."""
    stages = [Stage("1: before")]
    for number, percentage in enumerate(percentages):
        stages.append(Stage(f"{number + 2}: {percentage} %", percentage, starts_migration=number == 0))
    if back_out != "none":
        stages.append(Stage(f"{len(stages) + 1}: back", backs_out=True))
    return tuple(stages)
