"""The page of two runs side by side: one file that opens offline, in the report's own look."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from reports.compare import CAVEAT, ComparedNumber, RunComparison, change_text, of_side, value_text
from reports.compare_figure import NAME, changes_drawing
from reports.differences import Difference
from reports.figure_notes import closed_loop_note
from reports.figure_style import Images, images
from reports.numbers import Cell, Column, Table
from reports.page import page_environment, readable_time, svg_markup, write_page

_COLUMNS = (Column("figure"), Column("of"), Column("unit"), Column("A"), Column("B"), Column("change"))
_DIFFERENCES = (Column("what"), Column("name"), Column("A"), Column("B"))


def write_comparison(comparison: RunComparison, path: Path) -> None:
    """Writes the page; InputError when it cannot be written."""
    drawing = changes_drawing(comparison)
    note = closed_loop_note({name for side in comparison.sides for name in side.closed_loops})
    figures = {} if drawing is None else {NAME: images(replace(drawing, note=note))}
    write_page(path, render_comparison(comparison, figures))


def render_comparison(comparison: RunComparison, figures: Mapping[str, Images]) -> str:
    """The whole document; everything that came from the run folders is escaped."""
    return (
        page_environment()
        .get_template("comparison.html")
        .render(
            comparison=comparison,
            caveat=CAVEAT,
            change_text=change_text,
            started={side.letter: readable_time(side.started_at) for side in comparison.sides},
            headlines=[
                (title, *_numbers(one), change_text(one), detail) for title, one, detail in comparison.headlines
            ],
            wide={name: svg_markup(figure.wide_svg) for name, figure in figures.items()},
            narrow={name: svg_markup(figure.narrow_svg) for name, figure in figures.items()},
            alternative=_alternative(comparison),
            differences=_differences(comparison.differences),
            notable=Table("What changed most", _COLUMNS, tuple(_row(one, full=True) for one in comparison.notable)),
            tables=[
                (section, Table(f"All {len(numbers)} numbers", _COLUMNS, tuple(_row(one) for one in numbers)))
                for section, numbers in comparison.sections
            ],
        )
    )


def _numbers(one: ComparedNumber) -> tuple[Cell, Cell]:
    key, unit = one.number.key, one.number.unit
    return of_side(one.base, key, unit, "A"), of_side(one.head, key, unit, "B")


def _row(one: ComparedNumber, *, full: bool = False) -> tuple[Cell, ...]:
    """`full` names the section as well; its numbers stand elsewhere on the page, so they are texts here."""
    measure = one.measure.replace("_", " ")
    if full:
        section = one.section.replace("_", " ")
        shown: tuple[Cell, Cell] = (value_text(one.base), value_text(one.head))
        return (f"{section}: {measure}", one.labels, one.number.unit, *shown, change_text(one))
    return (measure, one.labels, one.number.unit, *_numbers(one), change_text(one))


def _differences(found: tuple[Difference, ...]) -> Table:
    rows = tuple((one.subject, one.name, one.base, one.head) for one in found)
    return Table("What differs beside the numbers", _DIFFERENCES, rows)


def _alternative(comparison: RunComparison) -> str:
    told = "; ".join(f"{one.name} {change_text(one)}" for one in comparison.notable[:3])
    return f"Figure: B divided by A of what changed most. {told}. The numbers are in the table below."
