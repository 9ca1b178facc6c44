"""A process's place among those that make a load run together."""

from dataclasses import dataclass
from typing import Protocol

from scenarios.run_folder import HistogramLine


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


ALONE = Seat()
