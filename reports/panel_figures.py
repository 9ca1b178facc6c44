"""Draws what `panels.py` describes: one set of axes per panel."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from reports.figure_style import Drawing, category_axis, is_narrow, panel_legend, point_lines
from reports.latency import PERCENTS
from reports.scenario_sections import PanelSummary, ScenarioSummary, mean_of, value_of

_CURVE_PERCENTS = (95, 50)  # of each curve, where a panel has several

Lines = dict[str, list[tuple[float | None, bool]]]


def panel_drawing(summary: ScenarioSummary) -> Drawing | None:
    """The figure of a scenario; None when it has counts only."""
    if not summary.panels:
        return None

    def draw(every: Sequence[Axes]) -> None:
        for axes, panel in zip(every, summary.panels, strict=True):
            point_lines(axes, range(len(panel.axis)), _lines(panel))
            category_axis(axes, panel.axis, panel.panel.axis_title)
            axes.set_title(panel.panel.title)
            axes.set_ylabel(_value_title(panel))
            panel_legend(axes, columns=2 if is_narrow(axes) else 3)

    return Drawing(summary.name, len(summary.panels), draw)


def _value_title(panel: PanelSummary) -> str:
    kind = "latency" if panel.is_time else "mean" if panel.panel.statistic == "mean" else "value"
    return f"{kind} ({panel.unit})"


def _lines(panel: PanelSummary) -> Lines:
    if panel.panel.statistic == "mean":
        return {curve or "mean": _line(panel, curve, None) for curve in panel.curves}
    if panel.panel.curve is None:
        return {f"p{percent}": _line(panel, "", percent) for percent in sorted(PERCENTS, reverse=True)}
    return {
        f"{curve} p{percent}": _line(panel, curve, percent) for percent in _CURVE_PERCENTS for curve in panel.curves
    }


def _line(panel: PanelSummary, curve: str, percent: int | None) -> list[tuple[float | None, bool]]:
    """(value, weak) along the axis; the mean when no percentile is named."""
    line: list[tuple[float | None, bool]] = []
    for axis in panel.axis:
        point = panel.at(axis, curve)
        if point is None:
            line.append((None, False))
        elif percent is None:
            line.append((mean_of(panel, point), False))
        else:
            line.append((value_of(panel, point, percent), point.latency.weak(percent)))
    return line
