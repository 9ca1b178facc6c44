"""The figure of servers side by side: bytes, latency and CPU of a delivery."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from reports.combinations import NAME, Combinations
from reports.figure_style import MARKERS, SERIES, Drawing, name_rows, shared_legend, shortened, value_axis


def combinations_drawing(found: Combinations) -> Drawing | None:
    """One row per server in every panel."""
    sizes = found.group_sizes
    bytes_of = {
        label: found.per_delivery[measure]
        for label, measure in (
            ("received", "received_bytes_per_delivery"),
            ("of that, content", "content_bytes_per_delivery"),
        )
        if measure in found.per_delivery
    }
    panels: list[tuple[str, Mapping[str, Mapping[str, float | None]]]] = [("bytes per delivery", bytes_of)]
    if "server_cpu_us_per_delivery" in found.per_delivery:
        cpu = found.per_delivery["server_cpu_us_per_delivery"]
        panels.append(("server CPU per delivery, µs", {"CPU, all group sizes": cpu}))
    for size in dict.fromkeys([*sizes[:1], *sizes[-1:]]):
        latency = {f"latency p{percent}": values for (one, percent), values in found.latency_ms.items() if one == size}
        panels.append((f"delivery latency, group of {size}, ms", latency))

    styles = {name: number for number, name in enumerate(dict.fromkeys(name for _, lines in panels for name in lines))}

    def draw(axes: Sequence[Axes]) -> None:
        for panel, (title, lines) in zip(axes, panels, strict=True):
            _rows(panel, found.arms, lines, styles)
            panel.set_title(title)
        shared_legend(axes, 3)

    return Drawing(NAME, len(panels), draw, panel_inches=0.9 + 0.34 * len(found.arms))


def _rows(
    axes: Axes, arms: Sequence[str], lines: Mapping[str, Mapping[str, float | None]], styles: Mapping[str, int]
) -> None:
    """One kind of marker per line, one row per server."""
    for name, values in lines.items():
        known = [(value, place) for place, arm in enumerate(arms) if (value := values.get(arm)) is not None]
        axes.plot(
            [value for value, _ in known],
            [place + 0.16 for _, place in known],
            linestyle="none",
            marker=MARKERS[styles[name] % len(MARKERS)],
            color=SERIES[styles[name] % len(SERIES)],
            label=name,
        )
    value_axis(axes, [value for values in lines.values() for value in values.values()], horizontal=True)
    name_rows(axes, [shortened(arm, 32) for arm in arms])
