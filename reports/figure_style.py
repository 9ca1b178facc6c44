"""How every figure looks: one palette for light and dark, two widths, and drawings without a window system.

A figure is drawn once per width in the light palette. On the page its colours become CSS variables, so that one drawing
reads in both themes; as a PNG it keeps the light palette.
"""

import io
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import blended_transform_factory

INK = "#1f2328"
MUTED = "#59636e"
GRID = "#dfe3e8"
BAND = "#f1f3f5"
PAPER = "#fffffe"

# Told apart with every common colour blindness (after Okabe and Ito), at 3:1 or more against white; markers and dashes
# differ as well.
SERIES = ("#0069b4", "#c2500a", "#00805f", "#9a4f8b", "#8a6d00", "#46505a")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", "-.", ":", "-", "--")

# What a drawing's colours are called on the page.
CSS_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    BAND: "--band",
    PAPER: "--paper",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)},
}

WIDE_INCHES = 9.4
NARROW_INCHES = 3.9  # about 280 pt: at a phone's 358 px, 9 pt text is 11 px high
PANEL_INCHES = 2.9
PNG_DOTS_PER_INCH = 144

_LOG_FROM = 30.0  # spread of values from which an axis turns logarithmic

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.linewidth": 0.8,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text: small, sharp, and in the page's font
    "text.parse_math": False,  # labels come from run folders: a dollar sign is a dollar sign
}


@dataclass(frozen=True)
class Drawing:
    """One figure: its panels are drawn by `draw` on as many axes as `panels`, first to last."""

    name: str
    panels: int
    draw: Callable[[Sequence[Axes]], None]
    wide_columns: int = 2
    share_y: bool = False
    panel_inches: float = PANEL_INCHES
    note: str = ""  # what whoever sees the figure alone must know of its numbers


@dataclass(frozen=True)
class Images:
    """One figure as it is shown: on a wide page, on a phone, and as a file of its own."""

    wide_svg: str
    narrow_svg: str
    png: bytes


def images(drawing: Drawing) -> Images:
    """The figure drawn: `<svg>` elements whose colours are CSS variables, and a PNG in the light palette."""
    with mpl.rc_context(_STYLE):
        wide = _draw(drawing, narrow=False)
        png = io.BytesIO()
        wide.savefig(png, format="png", dpi=PNG_DOTS_PER_INCH, metadata={"Software": None})
        wide_svg = _svg(wide, f"{drawing.name}-wide")
        return Images(wide_svg, _svg(_draw(drawing, narrow=True), f"{drawing.name}-narrow"), png.getvalue())


def _svg(figure: Figure, salt: str) -> str:
    """A drawn figure as an element; `salt` keeps the ids of several apart and the same each time."""
    figure.patch.set_visible(False)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_page(buffer.getvalue())


def _draw(drawing: Drawing, *, narrow: bool) -> Figure:
    columns = 1 if narrow else min(drawing.wide_columns, drawing.panels)
    rows = -(-drawing.panels // columns)
    size = (NARROW_INCHES if narrow else WIDE_INCHES, rows * drawing.panel_inches + 0.35)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08, hspace=0.05))
    axes = figure.subplots(rows, columns, squeeze=False, sharey=drawing.share_y)
    flat = [axis for row in axes for axis in row]
    drawing.draw(flat[: drawing.panels])
    if drawing.note:
        figure.supxlabel(textwrap.fill(drawing.note, 52 if narrow else 130), fontsize=8, x=0.01, ha="left", color=INK)
    for unused in flat[drawing.panels :]:
        unused.remove()
    # Laid out once: savefig would do it again for every format, and draw everything twice.
    FigureCanvasAgg(figure)
    layout = figure.get_layout_engine()
    assert layout is not None
    layout.execute(figure)
    figure.set_layout_engine("none")
    return figure


def shared_legend(axes: Sequence[Axes], columns: int) -> None:
    """One legend above all panels, of everything any of them names."""
    handles = {}
    for panel in axes:
        found, labels = panel.get_legend_handles_labels()
        handles.update(dict(zip(labels, found, strict=True)))
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=columns, borderaxespad=0)


def panel_legend(axes: Axes, columns: int) -> None:
    """A legend of its own inside a panel, with room made for it."""
    handles, labels = axes.get_legend_handles_labels()
    rows = -(-len(labels) // columns)
    headroom(axes, 1.08 + 0.1 * rows)
    axes.legend(handles, labels, loc="upper left", ncols=columns, fontsize=8)


def point_lines(axes: Axes, places: Sequence[int], lines: dict[str, list[tuple[float | None, bool]]]) -> None:
    """One line per name through (value, weak) points; weak ones are hollow."""
    for number, (name, points) in enumerate(lines.items()):
        known = [(place, value, weak) for place, (value, weak) in zip(places, points, strict=True) if value is not None]
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        x, y = [place for place, _, _ in known], [value for _, value, _ in known]
        dashes = DASHES[number % len(DASHES)]
        axes.plot(x, y, color=colour, linestyle=dashes, marker=marker, label=name, zorder=3)
        hollow = [(place, value) for place, value, weak in known if weak]
        if hollow:
            axes.plot(
                [place for place, _ in hollow],
                [value for _, value in hollow],
                linestyle="none",
                marker=marker,
                markeredgecolor=colour,
                markerfacecolor=PAPER,
                zorder=4,
            )
    value_axis(axes, [value for points in lines.values() for value, _ in points])


def value_axis(axes: Axes, values: Sequence[float | None], *, horizontal: bool = False) -> None:
    """Scales an axis to its values: from zero, or logarithmic where they are far apart."""
    known = [value for value in values if value is not None]
    positive = [value for value in known if value > 0]
    axis = axes.xaxis if horizontal else axes.yaxis
    set_scale = axes.set_xscale if horizontal else axes.set_yscale
    set_limits = axes.set_xlim if horizontal else axes.set_ylim
    if positive and len(positive) == len(known) and max(positive) / min(positive) > _LOG_FROM:
        set_scale("log")
        crowded = max(positive) / min(positive) > 3000
        axis.set_major_locator(LogLocator(subs=(1.0,) if crowded else (1.0, 3.0), numticks=12))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
        set_limits(min(positive) / 1.6, max(positive) * 1.6)
    else:
        set_limits(0, max(known, default=0) * 1.12 or 1)
        axis.set_major_locator(MaxNLocator(5, min_n_ticks=3))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


def headroom(axes: Axes, factor: float = 1.2) -> None:
    """Room above everything for a legend of one line."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (factor if axes.get_yscale() == "linear" else (high / low) ** (factor - 1)))


def category_axis(axes: Axes, labels: Sequence[str], title: str) -> None:
    """One place per label along the x axis, evenly spaced."""
    axes.set_xticks(range(len(labels)), [shortened(label) for label in labels])
    axes.set_xlim(-0.35, len(labels) - 0.65)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(title)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Each row's name above its points, where a phone has room for it."""
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=True, axis="x")
    across = blended_transform_factory(axes.transAxes, axes.transData)
    for place, name in enumerate(names):
        axes.axhline(place - 0.5, color=MUTED, linewidth=0.4, alpha=0.6)
        axes.text(0.012, place - 0.32, name, transform=across, va="center", fontsize=8.5, color=INK, zorder=5)


def shortened(label: str, characters: int = 12) -> str:
    """The label, cut where it would leave no room for the drawing."""
    return label if len(label) <= characters else f"{label[: characters - 1]}…"


def tick_text(value: float) -> str:
    """A tick without needless zeros: 0.1, 30, 2k, 1.5M."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:.6g}"


def is_narrow(axes: Axes) -> bool:
    """Whether this is the drawing for a phone."""
    return figure_inches(axes) < 5


def figure_inches(axes: Axes) -> float:
    """The width of the whole figure."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(figure.get_size_inches()[0])


def _for_page(document: str) -> str:
    """Only the element, without ids that would repeat on a page, sized by the page, coloured by its variables."""
    element = document[document.index("<svg") :]
    used = set(re.findall(r"(?:#|url\(#)([\w.-]+)", element))
    element = re.sub(r' id="([\w.-]+)"', lambda match: match.group() if match.group(1) in used else "", element)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1)
    element = re.sub(r"font-family: [^;\"]*;? ?", "", element)
    element = re.sub(r"font: ((?:bold |\d+ )?[\d.]+px) [^;\"]*", _font, element)
    for colour, variable in CSS_VARIABLES.items():
        element = element.replace(colour, f"var({variable})")
    return element.strip()


def _font(match: re.Match[str]) -> str:
    weight, _, size = match.group(1).rpartition(" ")
    return f"font-size: {size}" + (f"; font-weight: {weight}" if weight else "")
