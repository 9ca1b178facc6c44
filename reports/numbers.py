"""Numbers and tables as the report shows them: every one carries the key under which it can be found again."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

NOT_MEASURED = "not measured"

_THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"


@dataclass(frozen=True)
class Number:
    """One measured value."""

    key: str  # section.measure.label=value,label=value
    value: float | int | None  # None: not measured
    unit: str = ""
    bad: bool = False  # should have been something else
    weak: bool = False  # from too few values to lean on
    digits: int | None = None  # after the point; None: three significant ones
    link: str | None = None  # to a file of the run folder that it comes from

    @property
    def text(self) -> str:
        """The value for people, without its unit."""
        return format_number(self.value, self.digits)


Cell = Number | str


@dataclass(frozen=True)
class Column:
    """The head of one column."""

    name: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the caption says what a row is."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Every number in it."""
        return tuple(cell for row in self.rows for cell in row if isinstance(cell, Number))


def number_key(section: str, measure: str, labels: Mapping[str, str] | None = None) -> str:
    """`section.measure.label=value,…` with the labels in order of their names."""
    text = ",".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted((labels or {}).items()))
    return f"{section}.{measure}.{text}" if text else f"{section}.{measure}"


def _quoted(text: str) -> str:
    """Keys stay unique whatever a label holds."""
    return text.replace("%", "%25").replace(",", "%2C").replace("=", "%3D")


def format_number(value: float | int | None, digits: int | None = None) -> str:
    """Three significant digits, or as many after the point as asked; whole numbers stay whole."""
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    if isinstance(value, int):
        return _group(str(value))
    if digits is None:
        digits = 0 if abs(value) >= 99.95 or value == 0 else 1 if abs(value) >= 9.995 else 2
        if value and abs(value) < 0.0995:
            digits = min(2 - math.floor(math.log10(abs(value))), 6)
    return _group(f"{value:.{digits}f}")


def quantity(value: float, unit: str) -> str:
    """`1.20 ms`; what has no unit and is whole is a count: `3`."""
    whole = not unit and float(value).is_integer()
    return f"{format_number(int(value) if whole else value)} {unit}".strip()


def _group(text: str) -> str:
    whole, point, fraction = text.partition(".")
    return re.sub(r"(?<=\d)(?=(\d{3})+$)", _THIN_SPACE, whole) + point + fraction


def milliseconds(microseconds: float | int | None) -> float | None:
    """µs → ms, the report's unit."""
    return None if microseconds is None else microseconds / 1000


def label_order(label: str) -> tuple[int, float, str]:
    """Sorts label texts by their first number, the others after them by name."""
    match = re.search(r"\d+(\.\d+)?", label)
    return (0, float(match.group()), label) if match else (1, 0.0, label)
