"""Draws the ways of paging: one set of axes per weight of conversation, one line per way."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from reports.figure_style import Drawing, category_axis, point_lines, shared_legend, shortened, value_axis
from reports.paging import NAME, PageCost, PagingSummary

_PERCENTS = (95, 50)  # of each way, highest first, as the lines lie


def paging_drawing(summary: PagingSummary) -> Drawing | None:
    """The figure; None when only one way was measured."""
    if not summary.costs:
        return None

    def draw(panels: Sequence[Axes]) -> None:
        for axes, weight in zip(panels, summary.weights, strict=True):
            lines = {
                f"{way} p{percent}": [_point(summary.at(way, weight, depth), percent) for depth in summary.depths]
                for percent in _PERCENTS
                for way in summary.ways
            }
            point_lines(axes, range(len(summary.depths)), lines)
            category_axis(axes, summary.depths, "page, counted from the newest")
            axes.set_title(f"{shortened(weight)} conversations")
            axes.set_ylabel("latency (ms)")
        every = [cost.latency.percentile(percent) for cost in summary.costs for percent in _PERCENTS]
        for axes in panels:
            value_axis(axes, every)
        shared_legend(panels, len(summary.ways))

    return Drawing(NAME, len(summary.weights), draw, wide_columns=3)


def _point(cost: PageCost | None, percent: int) -> tuple[float | None, bool]:
    return (None, False) if cost is None else (cost.latency.percentile(percent), cost.latency.weak(percent))
