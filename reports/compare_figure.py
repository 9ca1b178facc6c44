"""The figure of a comparison: by what factor the numbers that changed most lie apart."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from reports.compare import RunComparison
from reports.differences import DRIFT
from reports.figure_style import BAND, INK, MARKERS, SERIES, Drawing, is_narrow, name_rows, shortened, tick_text

NAME = "changes"
_ROWS = 12
_SPREAD_MIN = 2.0  # the axis shows at least ½ … 2


def changes_drawing(comparison: RunComparison) -> Drawing | None:
    """One point per number, B ÷ A, beside the band within which times of identical code lie; None without any."""
    rows = [(one, one.ratio) for one in comparison.notable if one.ratio is not None and one.ratio > 0][:_ROWS]
    if not rows:
        return None

    def draw(panels: Sequence[Axes]) -> None:
        axes = panels[0]
        furthest = max(_SPREAD_MIN, *(max(ratio, 1 / ratio) for _, ratio in rows)) * 1.15
        axes.axvspan(1 / (1 + DRIFT), 1 + DRIFT, color=BAND, linewidth=0, zorder=0)
        axes.axvline(1, color=INK, linewidth=1.2, linestyle="--")
        for place, (_, ratio) in enumerate(rows):
            more = ratio > 1
            colour, marker = (SERIES[1], MARKERS[1]) if more else (SERIES[2], MARKERS[0])
            axes.plot([1, ratio], [place + 0.17] * 2, color=colour, linewidth=1.4, zorder=2)
            axes.plot([ratio], [place + 0.17], color=colour, marker=marker, linestyle="none", zorder=3)
        axes.set_xscale("log")
        axes.set_xlim(1 / furthest, furthest)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        name_rows(axes, [shortened(one.short_name, 48) if is_narrow(axes) else one.name for one, _ in rows])
        axes.set_title(f"B ÷ A; band: times drift by {DRIFT * 100:.0f} %")
        axes.set_xlabel("B ÷ A (×), logarithmic")

    return Drawing(NAME, 1, draw, panel_inches=0.9 + 0.42 * len(rows))
