"""The figure of a comparison: ratios to the first arm with their intervals, most different first."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from reports.arms import ArmComparison, ArmRow, row_name
from reports.figure_style import INK, MARKERS, SERIES, Drawing, name_rows, shared_legend, shortened, value_axis
from reports.intervals import Interval

ROWS_MAX = 16  # the table holds them all


def arms_drawing(comparison: ArmComparison) -> Drawing | None:
    """None when nothing could be compared."""
    rows = figure_rows(comparison)
    if not rows:
        return None
    others = comparison.arms[1:]

    def draw(panels: Sequence[Axes]) -> None:
        axes = panels[0]
        ends = [1.0]
        for number, arm in enumerate(others):
            shift = (number - (len(others) - 1) / 2) * min(0.4 / len(others), 0.18)
            found = [(place + shift + 0.14, ratio) for place, row in enumerate(rows) if (ratio := _ratio(row, arm))]
            colour = SERIES[number % len(SERIES)]
            for place, ratio in found:
                axes.plot([ratio.low, ratio.high], [place, place], color=colour, linewidth=1.4)
                ends += [ratio.low, ratio.high]
            axes.plot(
                [ratio.estimate for _, ratio in found],
                [place for place, _ in found],
                linestyle="none",
                marker=MARKERS[number % len(MARKERS)],
                color=colour,
                label=shortened(arm, 30),
            )
        value_axis(axes, ends, horizontal=True)
        axes.axvline(1.0, color=INK, linewidth=1.0, linestyle="--", label=f"as “{shortened(comparison.arms[0], 24)}”")
        name_rows(axes, [shortened(row_name(row), 56) for row in rows])
        axes.set_xlabel("ratio to the first arm (×), with interval")
        shared_legend(panels, 3)

    return Drawing(comparison.section_name, 1, draw, panel_inches=1.0 + 0.46 * len(rows))


def figure_rows(comparison: ArmComparison) -> list[ArmRow]:
    """The rows of the figure: those with a difference first, then the others, as many as read well."""
    different = [row for row, _ in comparison.different]
    rows = [*different, *comparison.exact, *comparison.rows]
    once: list[ArmRow] = []
    for row in rows:
        if row not in once and any(_ratio(row, arm) for arm in comparison.arms[1:]):
            once.append(row)
    return once[:ROWS_MAX]


def _ratio(row: ArmRow, arm: str) -> Interval | None:
    value = row.values.get(arm)
    return value.ratio if value is not None else None
