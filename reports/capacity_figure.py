"""The figure of a search for the capacity: load against the number that the objective is about."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from reports.capacity import NAME, CapacitySummary
from reports.figure_style import BAND, INK, PAPER, SERIES, Drawing, headroom, shared_legend, value_axis

# Outcome → legend, colour, marker, filled.
_STYLES = {
    "kept": ("kept", SERIES[2], "o", True),
    "missed": ("missed", SERIES[1], "s", True),
    "generator": ("generator gave way", SERIES[5], "D", False),
}


def capacity_drawing(summary: CapacitySummary) -> Drawing | None:
    """One point per step, the objective's line, the estimate and its interval; None without a measured step."""
    objective = summary.objective
    points = [
        (step.load, value, step.outcome)
        for step in summary.steps
        if (value := step.values.get(objective.measure)) is not None
    ]
    if not points:
        return None
    result = summary.result

    def draw(panels: Sequence[Axes]) -> None:
        axes = panels[0]
        for outcome, (legend, colour, marker, is_filled) in _STYLES.items():
            found = [(load, value) for load, value, one in points if one == outcome]
            if found:
                axes.plot(
                    [load for load, _ in found],
                    [value for _, value in found],
                    linestyle="none",
                    marker=marker,
                    markeredgecolor=colour,
                    markerfacecolor=colour if is_filled else PAPER,
                    label=legend,
                    zorder=4,
                )
        value_axis(axes, [load for load, _, _ in points], horizontal=True)
        value_axis(axes, [objective.bound, *(value for _, value, _ in points)])
        headroom(axes, 1.05)
        axes.axhline(objective.bound, color=INK, linewidth=1.2, linestyle="--", label=objective.text)
        if result.low is not None and result.high is not None:
            axes.axvspan(result.low, result.high, color=BAND, linewidth=0, zorder=0)
        if result.kind == "found" and result.load is not None:
            axes.axvline(result.load, color=SERIES[0], linewidth=1.4, linestyle="-.", label="capacity, with interval")
        axes.set_xlabel(summary.load_meaning)
        axes.set_ylabel(objective.measure)
        shared_legend(panels, 2)

    return Drawing(NAME, 1, draw, panel_inches=3.6)
