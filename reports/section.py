"""One section of a report: a question, what the figure shows in one sentence, the numbers and their origin."""

from dataclasses import dataclass, replace

from reports.intervals import Interval, Judgement, Ratio
from reports.numbers import Cell, Number, Table, format_number


@dataclass(frozen=True)
class Section:
    """What a reader sees of one question."""

    name: str  # of its anchor and its figure
    title: str
    question: str
    reading: str  # one sentence, computed; for a section without data, why there is none
    how: str  # how it was measured, in one sentence
    measured: bool
    tables: tuple[Table, ...] = ()

    @property
    def weak(self) -> bool:
        """True when some of its numbers come from too few values."""
        return any(number.weak for table in self.tables for number in table.numbers)


def missing(name: str, title: str, question: str, reason: str) -> Section:
    """A section that has nothing to show, and says so."""
    return Section(name, title, question, reason, "", measured=False)


def of_arm(section: Section, arm: str, *, is_baseline: bool) -> Section:
    """The section as that of one of several servers: it says so, and so do the keys of its numbers."""

    def labelled(cell: Cell) -> Cell:
        if not isinstance(cell, Number):
            return cell
        return replace(cell, key=f"{cell.key}{',' if '=' in cell.key else '.'}arm={arm}")

    tables = tuple(
        replace(table, rows=tuple(tuple(labelled(cell) for cell in row) for row in table.rows))
        for table in section.tables
    )
    name = section.name if is_baseline else f"{section.name}-{arm}"
    return replace(section, name=name, title=f"{section.title}, arm “{arm}”", tables=tables)


def interval_text(interval: Interval) -> str:
    """`99 % interval 0.98–1.12`, by its own coverage."""
    return f"{whole_percent(interval.coverage)} % interval {format_number(interval.low)}–{format_number(interval.high)}"


def whole_percent(share: float) -> str:
    """A share as whole percent, rounded down: never more certain than it is."""
    return str(min(int(share * 100), 99))


def ratio_text(ratio: Ratio) -> str:
    """`1.05 × (99 % interval 0.98–1.12)`."""
    return f"{format_number(ratio.interval.estimate)} × ({interval_text(ratio.interval)})"


def growth_text(quantity: str, judgement: Judgement) -> str:
    """What a ratio allows to say of the growth of a quantity."""
    if judgement == "unsure":
        return f"it is unsure whether {quantity} grows"
    return f"{quantity} {({'flat': 'stays flat', 'higher': 'grows', 'lower': 'falls'})[judgement]}"


def and_list(parts: list[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
