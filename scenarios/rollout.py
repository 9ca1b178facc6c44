"""Contract: the stages of a roll-out, and what both chats must hold at its end. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from scenarios.run_folder import LedgerTotals

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
    stages = [Stage("1 before")]
    for number, percentage in enumerate(percentages):
        stages.append(Stage(f"{number + 2} at {percentage} %", percentage, starts_migration=number == 0))
    if back_out != "none":
        stages.append(Stage(f"{len(stages) + 1} backed out", backs_out=True))
    return tuple(stages)


def completeness(scenario: str, chat: str, acknowledged: Collection[str], found: Iterable[str]) -> LedgerTotals:
    """Acknowledged messages, each of which a chat must show once, against what it shows."""
    copies = Counter(found)
    present = [copies[one] for one in acknowledged if copies[one]]
    return LedgerTotals(
        scenario=scenario,
        labels={"chat": chat},
        messages=len(acknowledged),
        expected=len(acknowledged),
        delivered=len(present),
        missing=len(acknowledged) - len(present),
        duplicate=sum(present) - len(present),
        reordered=0,
        late=0,
        leaked=0,
    )
