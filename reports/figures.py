"""The figures of a run, each drawn from the summary alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from reports import capacity, fanout, health, pagination, paging, presence, server, strategies
from reports.arms_figure import arms_drawing
from reports.capacity_figure import capacity_drawing
from reports.combinations import NAME as COMBINATIONS
from reports.combinations_figure import combinations_drawing
from reports.fanout import RECIPIENT_TITLES, RECIPIENTS, FanoutSummary
from reports.figure_notes import closed_loop_note, closed_loop_scenarios
from reports.figure_style import (
    INK,
    MARKERS,
    PAPER,
    SERIES,
    Drawing,
    category_axis,
    headroom,
    is_narrow,
    name_rows,
    point_lines,
    shared_legend,
    shortened,
    value_axis,
)
from reports.gate.section import NAME as GATE
from reports.gate.section import gate_drawing
from reports.health import HealthSummary
from reports.latency import PERCENTS, Latency
from reports.numbers import format_number
from reports.pagination import PaginationSummary
from reports.paging_figure import paging_drawing
from reports.panel_figures import panel_drawing
from reports.presence import PresenceSummary
from reports.server_figure import server_drawing
from reports.strategies import StrategiesSummary, StrategyCell
from reports.summary import RunSummary
from reports.time_axis import time_drawing

STRATEGY_ROWS = 10  # pairs of statement and class in the figure; the table holds them all


def drawings(summary: RunSummary) -> dict[str, Drawing]:
    """The figures that have something to show, by section name."""
    makers: dict[str, Callable[[], Drawing | None]] = {
        pagination.NAME: lambda: _pagination(summary.pagination),
        paging.NAME: lambda: paging_drawing(summary.paging),
        fanout.NAME: lambda: _fanout(summary.fanout),
        fanout.BYTES_NAME: lambda: _bytes(summary.fanout),
        presence.NAME: lambda: _presence(summary.presence),
        strategies.NAME: lambda: _strategies(summary.strategies),
        capacity.NAME: lambda: capacity_drawing(summary.capacity),
        server.NAME: lambda: server_drawing(summary.server),
        health.NAME: lambda: _health(summary.health),
        **{one.name: partial(panel_drawing, one) for one in summary.scenarios},
    }
    gate = summary.gate
    if gate is not None:
        makers[GATE] = lambda: gate_drawing(gate)
    combinations = summary.combinations
    if combinations is not None:
        makers[COMBINATIONS] = lambda: combinations_drawing(combinations)
    for comparison in summary.arms:
        makers[comparison.section_name] = lambda comparison=comparison: arms_drawing(comparison)  # type: ignore[misc]
    drawn = [section.name for section in summary.sections if section.measured and section.name in makers]
    made = {name: makers[name]() for name in drawn}
    notes = _notes(summary)
    return {name: replace(drawing, note=notes.get(name, "")) for name, drawing in made.items() if drawing is not None}


def _notes(summary: RunSummary) -> dict[str, str]:
    """Figures of closed-loop users, who leave out of their latencies what would have been asked meanwhile: by name."""
    closed = closed_loop_scenarios([summary.manifest])
    shown_by = {
        pagination.NAME: {"pagination"},
        paging.NAME: {"pagination"},
        fanout.NAME: {"fanout"},
        fanout.BYTES_NAME: {"fanout"},
        COMBINATIONS: {"fanout"},
        presence.NAME: {"presence"},
        **dict.fromkeys((capacity.NAME, server.NAME, health.NAME), closed),
        **{one.name: {one.name} for one in summary.scenarios},
        **{one.section_name: {one.scenario} for one in summary.arms},
    }
    return {name: closed_loop_note(scenarios & closed) for name, scenarios in shown_by.items() if scenarios & closed}


def _percentile_lines(latencies: Sequence[Latency]) -> dict[str, list[tuple[float | None, bool]]]:
    """Highest first, as the lines lie."""
    return {
        f"p{percent}": [(latency.percentile(percent), latency.weak(percent)) for latency in latencies]
        for percent in sorted(PERCENTS, reverse=True)
    }


def _pagination(summary: PaginationSummary) -> Drawing:
    depths = summary.depths

    def draw(panels: Sequence[Axes]) -> None:
        for axes, weight in zip(panels, summary.weights, strict=True):
            pages = [page for page in summary.pages if page.weight == weight]
            places = [depths.index(page.depth) for page in pages]
            point_lines(axes, places, _percentile_lines([page.latency for page in pages]))
            category_axis(axes, depths, "page, counted from the newest")
            axes.set_title(f"{shortened(weight)} conversations")
            axes.set_ylabel("latency (ms)")
        every = [page.latency.percentile(percent) for page in summary.pages for percent in PERCENTS]
        for axes in panels:
            value_axis(axes, every)
        shared_legend(panels, len(PERCENTS))

    return Drawing(pagination.NAME, len(summary.weights), draw, wide_columns=3)


def _fanout(summary: FanoutSummary) -> Drawing | None:
    groups = [group for group in summary.timed if group.recipients["last"].count]
    if not groups:
        return None

    def draw(panels: Sequence[Axes]) -> None:
        titles = {50: "a typical message (p50)", 99: "a slow message (p99)"}
        for axes, (percent, title) in zip(panels, titles.items(), strict=True):
            lines = {
                RECIPIENT_TITLES[recipient]: [
                    (group.recipients[recipient].percentile(percent), group.recipients[recipient].weak(percent))
                    for group in groups
                ]
                for recipient in reversed(RECIPIENTS)
            }
            point_lines(axes, range(len(groups)), lines)
            category_axis(axes, [group.group_size for group in groups], "group size (members)")
            axes.set_title(title)
            axes.set_ylabel("delivery latency (ms)")
        shared_legend(panels, 2 if is_narrow(panels[0]) else 4)

    return Drawing(fanout.NAME, 2, draw)


def _bytes(summary: FanoutSummary) -> Drawing:
    groups = summary.weighed
    wire = [group.wire_bytes or 0.0 for group in groups]
    content = [min(group.content_bytes or 0.0, total) for group, total in zip(groups, wire, strict=True)]

    def draw(panels: Sequence[Axes]) -> None:
        axes = panels[0]
        places = range(len(groups))
        rest = [total - part for total, part in zip(wire, content, strict=True)]
        axes.barh(places, content, color=SERIES[0], height=0.6, label="message content")
        axes.barh(
            places,
            rest,
            left=content,
            color=SERIES[1],
            height=0.6,
            label="everything else",
            hatch="///",
            edgecolor=PAPER,
            linewidth=0,
        )
        for place, total in zip(places, wire, strict=True):
            axes.annotate(
                f"{format_number(total)} B",
                (total, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        axes.set_yticks(places, [shortened(group.group_size) for group in groups])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, max(wire) * (1.3 if is_narrow(axes) else 1.12) or 1)
        axes.set_ylabel("group size (members)")
        axes.set_xlabel("bytes per delivery, mean (B)")
        shared_legend(panels, 2)

    return Drawing(fanout.BYTES_NAME, 1, draw, panel_inches=1.1 + 0.42 * len(groups))


def _presence(summary: PresenceSummary) -> Drawing:
    groups = summary.groups
    labels = [one.watchers for one in groups]

    def draw(panels: Sequence[Axes]) -> None:
        convergence, amplification = panels
        point_lines(convergence, range(len(groups)), _percentile_lines([one.convergence for one in groups]))
        convergence.set_title("convergence: every watcher knows")
        convergence.set_ylabel("since the change (ms)")
        headroom(convergence)
        convergence.legend(ncols=3, loc="upper left", handlelength=1.6, columnspacing=1)
        frames = [one.frames_per_change for one in groups]
        amplification.bar(
            range(len(groups)), [value or 0.0 for value in frames], color=SERIES[3], width=0.55, label="measured"
        )
        for place, value in enumerate(frames):
            top = max(value or 0.0, float(groups[place].watcher_count or 0))
            amplification.annotate(
                "not measured" if value is None else format_number(value),
                (place, top),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
            )
        ideal = [(place, one.watcher_count) for place, one in enumerate(groups) if one.watcher_count is not None]
        for place, count in ideal:
            amplification.plot(
                [place - 0.38, place + 0.38],
                [count, count],
                color=INK,
                linewidth=1.4,
                linestyle="--",
                label="one per watcher" if place == ideal[0][0] else "_",
            )
        value_axis(amplification, [*(value or 0.0 for value in frames), *(float(count) for _, count in ideal)])
        amplification.set_title("amplification: frames one change sends")
        amplification.set_ylabel("frames per change, mean")
        headroom(amplification)
        amplification.legend(ncols=2, loc="upper left", handlelength=1.6, columnspacing=1)
        for axes in panels:
            category_axis(axes, labels, "watchers of the user")
            axes.set_xlim(-0.6, len(groups) - 0.4)

    return Drawing(presence.NAME, 2, draw)


def strategy_rows(summary: StrategiesSummary) -> list[tuple[tuple[str, str], dict[str, StrategyCell]]]:
    """The pairs of statement and class of the figure: those where strategies differ most, most different first."""

    def spread(cells: dict[str, StrategyCell]) -> float:
        buffers = [max(cell.buffers, 1.0) for cell in cells.values()]
        return max(buffers) / min(buffers)

    rows = sorted(summary.by_question.items(), key=lambda item: (-spread(item[1]), item[0]))
    return rows[:STRATEGY_ROWS]


def _strategies(summary: StrategiesSummary) -> Drawing:
    rows = strategy_rows(summary)
    names = summary.strategies

    def draw(panels: Sequence[Axes]) -> None:
        buffers, latency = panels
        for number, strategy in enumerate(names):
            style: Any = {"color": SERIES[number % len(SERIES)], "marker": MARKERS[number % len(MARKERS)]}
            shift = (number - (len(names) - 1) / 2) * min(0.46 / max(len(names) - 1, 1), 0.18) + 0.17
            found = [(place + shift, cells[strategy]) for place, (_, cells) in enumerate(rows) if strategy in cells]
            buffers.plot(
                [cell.buffers for _, cell in found],
                [place for place, _ in found],
                linestyle="none",
                label=shortened(strategy, 30),
                **style,
            )
            timed = [(place, cell.latency_ms) for place, cell in found if cell.latency_ms]
            for place, interval in timed:
                latency.plot([interval.low, interval.high], [place, place], color=style["color"], linewidth=1.4)
            latency.plot(
                [interval.estimate for _, interval in timed], [place for place, _ in timed], linestyle="none", **style
            )
        cells = [cell for _, found in rows for cell in found.values()]
        value_axis(buffers, [cell.buffers for cell in cells], horizontal=True)
        ends = [end for cell in cells if cell.latency_ms for end in (cell.latency_ms.low, cell.latency_ms.high)]
        value_axis(latency, ends, horizontal=True)
        buffers.set_title("buffers touched (exact)")
        buffers.set_xlabel("buffers per execution")
        latency.set_title("latency, median of block medians")
        latency.set_xlabel("latency (ms), with interval")
        for axes in panels:
            name_rows(
                axes, [shortened(f"{statement} · {parameter_class}", 44) for (statement, parameter_class), _ in rows]
            )
        shared_legend(panels, 1 if is_narrow(buffers) else min(len(names), 4))

    return Drawing(strategies.NAME, 2, draw, panel_inches=0.9 + 0.58 * len(rows))


def _health(summary: HealthSummary) -> Drawing:
    timeline = summary.timeline
    content = (
        ("operations", "begun per second", {"operations": timeline.operations}),
        ("deliveries", "received per second", {"deliveries": timeline.deliveries}),
        (
            "generator delays, p99 of each second",
            "delay (ms)",
            {"event-loop lag": timeline.loop_lag_ms_p99, "start delay": timeline.start_delay_ms_p99},
        ),
        (
            "CPU",
            "% of one core",
            {"load generator": timeline.generator_cpu_percent, "chat server": timeline.server_cpu_percent},
        ),
    )

    return time_drawing(health.NAME, content, timeline.seconds, summary.spans)
