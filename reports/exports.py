"""The report of a run in other forms: Markdown to read, CSV and Parquet to compute with, figures alone.

All of them say what the page says: they are made of the same summary.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fixtures.errors import InputError
from reports.headline import RunVerdict
from reports.numbers import NOT_MEASURED, Cell, Number, Table
from reports.report import summarise, write_figures
from reports.summary import RunSummary

if TYPE_CHECKING:
    import pandas

Format = Literal["md", "png", "csv", "parquet"]

# One row per number of the report.
COLUMNS = ("run_id", "key", "section", "measure", "labels", "value", "unit", "weak")


@dataclass(frozen=True)
class Export:
    """What was written, and whether to believe it."""

    files: tuple[Path, ...]
    verdict: RunVerdict


def export(run_folder: Path, form: Format) -> Export:
    """Writes a run's report into its folder in that form; InputError when it cannot be read or written."""
    summary = summarise(run_folder)
    if form == "png":
        return Export(write_figures(run_folder, summary), summary.verdict)
    path = run_folder / ("report.md" if form == "md" else f"numbers.{form}")
    content = {"md": markdown_report, "csv": numbers_csv, "parquet": numbers_parquet}[form](summary)
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path} ({error.strerror}); free space or make the folder writable") from error
    return Export((path,), summary.verdict)


def numbers_csv(summary: RunSummary) -> bytes:
    """A line per number under COLUMNS; what was not measured has no value."""
    return _frame(summary).to_csv(index=False, lineterminator="\n").encode()


def numbers_parquet(summary: RunSummary) -> bytes:
    """The same rows; values are 64-bit floats."""
    return _frame(summary).to_parquet(index=False)


def markdown_report(summary: RunSummary) -> bytes:
    """Verdict, the numbers that matter, what surprised, and every measured section with its tables."""
    manifest, verdict = summary.manifest, summary.verdict
    lines = [f"# {manifest.title}: {verdict.verdict}", "", f"{manifest.run_id}, commit {manifest.commit or 'unknown'}"]
    lines += ["", *(f"- {_escaped(reason)}" for reason in verdict.reasons)] if verdict.reasons else []
    lines += ["", "## The numbers that matter", "", "| number | value | of |", "|---|--:|---|"]
    lines += [
        f"| {_escaped(one.title)} | {_cell(one.number)} {one.number.unit if one.number.value is not None else ''} "
        f"| {_escaped(one.detail)} |"
        for one in summary.headlines
    ]
    told = (*summary.surprises, *(notice.line for notice in summary.notices))
    if told:
        lines += ["", "## What surprised", "", *(f"- {_escaped(sentence)}" for sentence in told)]
    if summary.ledger_table is not None:
        lines += ["", "## Expected against observed", *_table(summary.ledger_table)]
    for section in summary.sections:
        lines += ["", f"## {_escaped(section.title)}", "", _escaped(section.reading)]
        for table in section.tables:
            lines += _table(table)
        lines += ["", f"How it was measured: {_escaped(section.how)}"] if section.how else []
    return ("\n".join(lines) + "\n").encode()


def _frame(summary: RunSummary) -> "pandas.DataFrame":
    import pandas  # noqa: PLC0415 - slow to load, and no other form needs it

    rows = [
        (summary.manifest.run_id, key, *(*key.split(".", 2), "")[:3], number.value, number.unit, number.weak)
        for key, number in summary.numbers.items()
    ]
    return pandas.DataFrame(rows, columns=list(COLUMNS)).astype({"value": "float64"})


def _table(table: Table) -> list[str]:
    heads = [_escaped(f"{column.name} ({column.unit})" if column.unit else column.name) for column in table.columns]
    first = table.rows[0] if table.rows else tuple(heads)
    sides = ["--:" if isinstance(cell, Number) else "---" for cell in first]
    rows = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in table.rows]
    return ["", f"{_escaped(table.caption)}:", "", f"| {' | '.join(heads)} |", f"|{'|'.join(sides)}|", *rows]


def _cell(cell: Cell) -> str:
    if not isinstance(cell, Number):
        return _escaped(cell)
    return NOT_MEASURED if cell.value is None else f"{'~' if cell.weak else ''}{cell.text}"


def _escaped(text: str) -> str:
    """Text within Markdown: neither table nor markup."""
    for sign in "\\|<*_`[":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")
