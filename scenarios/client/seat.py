"""A process's place among those that make a load run together."""

import time
from dataclasses import dataclass
from typing import Any, Protocol

from scenarios.run_records import HistogramLine


class Record(Protocol):
    """Where a session leaves what it measures: the run folder, or whoever keeps it."""

    def second(self) -> int:
        """Whole seconds since the run began."""

    def begin(self) -> None:
        """Notes the beginning of the measured time."""

    def append(self, lines: list[HistogramLine]) -> None:
        """Takes histogram lines."""


@dataclass(frozen=True)
class Seat:
    """Which of a run's processes this is, and what it got from the one that keeps the run folder."""

    index: int = 0
    count: int = 1
    token: str = ""  # of the run; "": this process makes it
    record: "Record | None" = None  # None: this process keeps the run folder
    clock_offset_ns: int = 0  # this host's CLOCK_REALTIME less that of the run's
    is_generator: bool = True  # False: it plans and keeps books, and its own speed is no matter

    @property
    def name(self) -> str:
        """As histogram lines and verdicts call it."""
        return str(self.index + 1) if self.is_generator else "master"

    @property
    def keeps_the_run(self) -> bool:
        """Whether this process does what is done once for all."""
        return self.count == 1 or not self.is_generator

    def numbers(self, user_count: int, place: int | None = None) -> range:
        """Those of the run's users, from 0, who are users of this process, or of the one at `place`."""
        return range(self.index if place is None else place, user_count, self.count)


ALONE = Seat()


@dataclass(frozen=True)
class Meeting:
    """All processes of a run that still measure have come to the same point of it, and go on together."""

    begin_ns: int  # of what comes next: one moment everywhere, by this process's CLOCK_MONOTONIC
    values: list[Any]  # what each of them brought, in the order of their seats
    is_teller: bool = True  # whether it is this process that records what the values come to; one does


def meet_alone(value: Any = None) -> Meeting | None:
    """The meeting of a run in one process: at once."""
    return Meeting(time.monotonic_ns(), [value])
