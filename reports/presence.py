"""How fast a change of status reaches its watchers, and how many frames it sends."""

from dataclasses import dataclass

from reports.intervals import Ratio, compare_blocks
from reports.latency import LATENCY_COLUMNS, Latency, latency_cells, latency_of
from reports.measurements import Measurements, by_block, pooled
from reports.numbers import Cell, Column, Number, Table, format_number, label_order, number_key
from reports.section import Section, growth_text, missing, ratio_text

NAME = "presence"
TITLE = "Presence"
QUESTION = "How fast do watchers learn of a change, and how many frames does it take?"

_ONE_PER_WATCHER = 0.05  # relative difference under which amplification counts as one frame per watcher

_HOW = (
    "Convergence runs from the intended change of a user's status until every watcher has received it, by the kernel's "
    "receive timestamps; frames are presence events received by all watchers of a change, so one per watcher is the "
    "least that tells everyone of every change; fewer means that newer statuses replaced older ones on the way."
)


@dataclass(frozen=True)
class WatcherPresence:
    """Changes of users with one number of watchers."""

    watchers: str
    convergence: Latency
    deliveries: Latency
    frames_per_change: float | None  # mean
    wire_bytes: float | None  # mean per event

    @property
    def watcher_count(self) -> int | None:
        """The label as a number; None when it is a range or a name."""
        return int(self.watchers) if self.watchers.isascii() and self.watchers.isdigit() else None


@dataclass(frozen=True)
class PresenceSummary:
    """Everything the scenario measured."""

    groups: tuple[WatcherPresence, ...] = ()
    growth: Ratio | None = None  # convergence, most watchers ÷ fewest


def summarise_presence(measurements: Measurements) -> PresenceSummary:
    """The scenario's numbers; an empty summary when it left none."""
    metrics = ("presence_convergence_us", "presence_delivery_us", "presence_frames_per_change", "presence_wire_bytes")
    found = {
        metric: {label: series for (label,), series in measurements.group(NAME, metric, "watchers").items()}
        for metric in metrics
    }
    converged = sorted(found["presence_convergence_us"], key=label_order)
    convergence = found["presence_convergence_us"]

    def group(label: str) -> WatcherPresence:
        merged = {metric: pooled(found[metric].get(label, [])) for metric in metrics}
        return WatcherPresence(
            watchers=label,
            convergence=latency_of(merged["presence_convergence_us"]),
            deliveries=latency_of(merged["presence_delivery_us"]),
            frames_per_change=merged["presence_frames_per_change"].mean,
            wire_bytes=merged["presence_wire_bytes"].mean,
        )

    return PresenceSummary(
        groups=tuple(
            group(label) for label in sorted({one for groups in found.values() for one in groups}, key=label_order)
        ),
        growth=compare_blocks(by_block(convergence[converged[0]]), by_block(convergence[converged[-1]]))
        if len(converged) > 1
        else None,
    )


def presence_section(summary: PresenceSummary) -> Section:
    """The section of a report."""
    if not summary.groups:
        return missing(NAME, TITLE, QUESTION, "Not measured: this run holds no change of status that was followed.")
    convergence = Table(
        "Convergence: until every watcher knows",
        (Column("watchers"), *LATENCY_COLUMNS),
        tuple(
            (one.watchers, *latency_cells(one.convergence, NAME, "convergence", {"watchers": one.watchers}))
            for one in summary.groups
        ),
    )
    amplification = Table(
        "What one change sends",
        (
            Column("watchers"),
            Column("frames per change"),
            Column("one event", "B"),
            Column("event p50", "ms"),
            Column("event p95", "ms"),
        ),
        tuple(_amplification_row(one) for one in summary.groups),
    )
    tables = (convergence, amplification)
    return Section(NAME, TITLE, QUESTION, _reading(summary), _HOW, measured=True, tables=tables)


def _amplification_row(one: WatcherPresence) -> tuple[Cell, ...]:
    labels = {"watchers": one.watchers}
    return (
        one.watchers,
        Number(number_key(NAME, "frames_per_change", labels), one.frames_per_change, "frames"),
        Number(number_key(NAME, "wire_bytes", labels), one.wire_bytes, "B"),
        *latency_cells(one.deliveries, NAME, "delivery", labels)[1:3],
    )


def _reading(summary: PresenceSummary) -> str:
    converged = [one for one in summary.groups if one.convergence.count]
    if not converged:
        return f"No change was followed until every watcher knew; {_amplification_text(summary.groups[-1])}."
    most = converged[-1]
    high = most.convergence.highest_percent
    share = "Half" if high == 50 else f"{high} %"
    sentence = (
        f"{share} of the changes have reached all of {most.watchers} watchers within "
        f"{format_number(most.convergence.percentile(high))} ms"
    )
    if summary.growth is not None:
        growth = summary.growth
        sentence += (
            f"; from {converged[0].watchers} to {most.watchers} watchers "
            f"{growth_text(f'the p{growth.percent}', growth.judgement)}: {ratio_text(growth)}"
        )
    elif len(converged) > 1:
        fewest = converged[0]
        sentence += (
            f"; the p50 is {format_number(most.convergence.ms_p50)} ms, and "
            f"{format_number(fewest.convergence.ms_p50)} ms with {fewest.watchers} of them, from too few changes to be "
            "sure of a difference"
        )
    return f"{sentence}; {_amplification_text(most)}."


def _amplification_text(one: WatcherPresence) -> str:
    if one.frames_per_change is None:
        return "frames per change were not measured"
    frames = f"a change sends {format_number(one.frames_per_change)} frames to {one.watchers} watchers"
    if one.watcher_count is None:
        return frames
    if abs(one.frames_per_change - one.watcher_count) <= _ONE_PER_WATCHER * one.watcher_count:
        return f"{frames}, about one each"
    return f"{frames}, {'more' if one.frames_per_change > one.watcher_count else 'fewer'} than one each"
