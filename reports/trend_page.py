"""The page of a trend: one figure for all numbers, a table of each, in the report's own look."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.change_points import ALPHA
from reports.figure_notes import closed_loop_note
from reports.figure_style import INK, MUTED, SERIES, Drawing, images, value_axis
from reports.numbers import Cell, Column, Number, Table, number_key
from reports.page import page_environment, readable_time, svg_markup, write_page
from reports.trend import Trend, Trends

NAME = "trend"
PANELS_MAX = 16
_COLUMNS = (
    Column("run"),
    Column("started"),
    Column("commit"),
    Column("value"),
    Column("unit"),
    Column("what happened"),
)


def write_trend(trends: Trends, path: Path) -> None:
    """Writes the page; InputError when it cannot be written."""
    drawn = images(trend_drawing(trends))
    document = (
        page_environment()
        .get_template("trend.html")
        .render(
            trends=trends,
            alpha=ALPHA,
            wide=svg_markup(drawn.wide_svg),
            narrow=svg_markup(drawn.narrow_svg),
            undrawn=sum(not one.is_steady for one in trends.trends) - PANELS_MAX,
            readings=_by_reading(trends),
            tables=[(one, trend_table(one)) for one in trends.trends],
        )
    )
    write_page(path, document)


def _by_reading(trends: Trends) -> dict[str, list[int]]:
    """Places of the numbers of which the same is told."""
    found: dict[str, list[int]] = {}
    for place, one in enumerate(trends.trends):
        found.setdefault(one.reading, []).append(place)
    return found


def trend_table(trend: Trend) -> Table:
    """A row per run."""
    happened = {one.place: "; ".join(one.sentences) for one in trend.breaks}
    happened |= {one.place: f"changed (p = {one.p:.3f})" for one in trend.changes}
    rows: list[tuple[Cell, ...]] = []
    for place, point in enumerate(trend.points):
        number = Number(number_key(NAME, trend.name, {"run": point.run}), point.value, trend.unit)
        told = (point.run, readable_time(point.started_at), point.commit or "unknown")
        rows.append((*told, number, trend.unit, happened.get(place, "")))
    return Table(f"{len(rows)} runs, oldest first", _COLUMNS, tuple(rows))


def drawn_trends(trends: Trends) -> tuple[Trend, ...]:
    """Those that are not always the same, the changed ones first; no more than can be looked at."""
    return tuple(one for one in trends.trends if not one.is_steady)[:PANELS_MAX] or trends.trends[:1]


def trend_drawing(trends: Trends) -> Drawing:
    """A panel per number of `drawn_trends`: a point per run, medians, lines at breaks and changes."""
    drawn = drawn_trends(trends)

    def draw(panels: Sequence[Axes]) -> None:
        for axes, trend in zip(panels, drawn, strict=True):
            _draw(axes, trend)

    return Drawing(NAME, len(drawn), draw, panel_inches=2.5, note=closed_loop_note(trends.closed_loops))


def _draw(axes: Axes, trend: Trend) -> None:
    values = [point.value for point in trend.points]
    axes.plot(range(len(values)), values, linestyle="none", marker="o", color=SERIES[0], markersize=4, zorder=3)
    for start, end in trend.pieces:
        level = median(values[start:end])
        axes.plot([start - 0.4, end - 0.6], [level, level], color=SERIES[5], linewidth=1.6, zorder=2)
    for cut in trend.breaks:
        axes.axvline(cut.place - 0.5, color=MUTED, linewidth=1.2, linestyle="--")
    for change in trend.changes:
        axes.axvline(change.place - 0.5, color=SERIES[1], linewidth=1.8)
    value_axis(axes, values)
    axes.set_xlim(-0.6, len(values) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(visible=False, axis="x")
    axes.set_title(trend.name, color=INK)
    axes.set_ylabel(trend.unit or "count")
    axes.set_xlabel("runs, oldest first")
