"""A gate's verdict as one page that opens offline, for those who follow a red light."""

from reports.gate.outputs import Outcome, lines_by_columns, reading, things_to_look_at
from reports.numbers import Column, Table
from reports.page import page_environment


def verdict_page(outcome: Outcome) -> str:
    """The whole document: verdict, what to look at, a table of each kind; everything is escaped."""
    tables = []
    for columns, lines in lines_by_columns(outcome).items():
        heads = tuple(Column(name) for name in ("metric", "verdict", *columns, "what it means"))
        rows = tuple((line.name, line.verdict, *line.cells, line.sentence) for line in lines)
        tables.append(Table(f"{len(rows)} {'objectives' if lines[0].kind == 'objective' else 'metrics'}", heads, rows))
    return (
        page_environment()
        .get_template("verdict.html")
        .render(outcome=outcome, reading=reading(outcome), to_look_at=things_to_look_at(outcome), tables=tables)
    )
