"""Panels over the seconds of a run: lines with gaps, and bands for the scenarios."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from reports.figure_style import (
    BAND,
    DASHES,
    MARKERS,
    MUTED,
    SERIES,
    Drawing,
    figure_inches,
    headroom,
    is_narrow,
    value_axis,
)
from reports.health import Span

_CHARACTER_INCHES = 0.072  # of 8 pt text, to see whether a label fits


# Of one panel: its title, the unit, and its lines by name, one value per second.
TimePanel = tuple[str, str, dict[str, tuple[float | None, ...]]]


def time_drawing(name: str, content: Sequence[TimePanel], seconds: Sequence[int], spans: Sequence[Span]) -> Drawing:
    """A figure of panels over the same seconds."""

    def draw(panels: Sequence[Axes]) -> None:
        for axes, (title, unit, lines) in zip(panels, content, strict=True):
            over_time(axes, seconds, lines)
            axes.set_title(title)
            axes.set_ylabel(unit)
            axes.set_xlabel("seconds since the run began")
            mark_spans(axes, spans)

    return Drawing(name, len(content), draw, panel_inches=2.5)


def over_time(axes: Axes, seconds: Sequence[int], lines: dict[str, tuple[float | None, ...]]) -> None:
    """One line per name through one value per second, with gaps where nothing was measured."""
    known = {name: values for name, values in lines.items() if any(value is not None for value in values)}
    if not known:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=MUTED)
        axes.set_yticks([])
    for number, (name, values) in enumerate(known.items()):
        heights = [float("nan") if value is None else value for value in values]
        axes.plot(seconds, heights, color=SERIES[number], linestyle=DASHES[number], label=name, linewidth=1.5)
        alone = [place for place in range(len(values)) if _stands_alone(values, place)]
        axes.plot(
            [seconds[place] for place in alone],
            [heights[place] for place in alone],
            color=SERIES[number],
            linestyle="none",
            marker=MARKERS[number],
            markersize=4,
        )
    every = [value for values in known.values() for value in values if value is not None]
    if every:
        value_axis(axes, [0, *every])
        headroom(axes, 1.27)
    axes.set_xlim(seconds[0] - 0.5, seconds[-1] + 0.5)
    if len(known) > 1:
        axes.legend(ncols=2, loc="upper left", bbox_to_anchor=(-0.01, 0.93), handlelength=1.6, columnspacing=1)


def _stands_alone(values: Sequence[float | None], place: int) -> bool:
    """True for a value without neighbours, which a line would not show."""
    beside = [values[other] for other in (place - 1, place + 1) if 0 <= other < len(values)]
    return values[place] is not None and all(value is None for value in beside)


def mark_spans(axes: Axes, spans: Sequence[Span]) -> None:
    """Bands behind the scenarios' seconds, named where the name fits."""
    left, right = axes.get_xlim()
    width = figure_inches(axes) * (0.85 if is_narrow(axes) else 0.42)
    for number, span in enumerate(spans):
        if number % 2 == 0:
            axes.axvspan(span.start - 0.5, span.end - 0.5, color=BAND, linewidth=0, zorder=0)
        start, end = max(span.start - 0.5, left), min(span.end - 0.5, right)
        if (end - start) / (right - left) * width > len(span.scenario) * _CHARACTER_INCHES:
            across = blended_transform_factory(axes.transData, axes.transAxes)
            axes.text(
                (start + end) / 2,
                0.985,
                span.scenario,
                transform=across,
                ha="center",
                va="top",
                fontsize=8,
                color=MUTED,
            )
    axes.set_xlim(left, right)
