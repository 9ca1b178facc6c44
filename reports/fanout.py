"""How fast a message reaches a group and what it costs on the wire, by group size."""

from dataclasses import dataclass

from reports.intervals import Ratio, compare_blocks
from reports.latency import LATENCY_COLUMNS, Latency, latency_cells, latency_of, percentile_cell
from reports.measurements import Measurements, by_block, pooled
from reports.numbers import Cell, Column, Number, Table, format_number, label_order, number_key
from reports.realtime_frames import SOURCE, bytes_beyond_content
from reports.section import Section, growth_text, missing, ratio_text

NAME = "fanout"
BYTES_NAME = "bytes"
TITLE = "Delivery to a group"
QUESTION = "How long until a message has reached everyone?"
BYTES_TITLE = "Bytes per delivery"
BYTES_QUESTION = "What does one delivery cost on the wire?"

# Which recipient of a message, and the metric that holds its latency.
RECIPIENTS = {
    "first": "delivery_first_us",
    "median": "delivery_median_us",
    "p95": "delivery_p95_us",
    "last": "delivery_last_us",
}

RECIPIENT_TITLES = {
    "first": "first recipient",
    "median": "half of them",
    "p95": "95 % of them",
    "last": "last recipient",
}

_SAME_OVERHEAD = 0.05  # relative difference under which the overhead counts as independent of the group's size

_HOW = (
    "Latency runs from a message's intended send to the kernel's receive timestamp of its event at each recipient's "
    "socket; per message, the first, median, 95 % and last recipient are taken, and the figure shows the p50 and the "
    "p99 of each over all messages."
)
_BYTES_HOW = (
    "Bytes of each message event as it came off the socket, frame header included and TCP and IP headers excluded, "
    "beside the bytes of the message's own text in it; the mean over all deliveries. The second table is computed, not "
    "measured: the same messages in the frames that Supabase Realtime publishes for protocol version 1.0.0, JSON "
    f"({SOURCE}), with whatever is optional left out. A broadcast tells what this event tells, postgres_changes the "
    "inserted row."
)

# The frames of others, as bytes_beyond_content() names them, and how they are called here.
_OTHERS = {"broadcast": "Realtime broadcast", "postgres_changes": "Realtime postgres_changes"}


@dataclass(frozen=True)
class GroupDelivery:
    """Messages to groups of one size."""

    group_size: str
    deliveries: Latency  # per recipient
    observed: Latency  # as the generator's own code saw them
    recipients: dict[str, Latency]  # per message, by RECIPIENTS
    wire_bytes: float | None  # mean per delivery
    content_bytes: float | None  # mean per delivery
    wire_bytes_sum: float  # of all deliveries

    @property
    def overhead_bytes(self) -> float | None:
        """Bytes of a delivery beyond its content."""
        if self.wire_bytes is None or self.content_bytes is None:
            return None
        return self.wire_bytes - self.content_bytes


@dataclass(frozen=True)
class FanoutSummary:
    """Everything the scenario measured."""

    groups: tuple[GroupDelivery, ...] = ()
    growth: Ratio | None = None  # last recipient, largest group ÷ smallest
    wire_bytes: float | None = None  # mean over all deliveries

    @property
    def timed(self) -> tuple[GroupDelivery, ...]:
        """The group sizes with delivery times."""
        return tuple(group for group in self.groups if group.deliveries.count or group.recipients["last"].count)

    @property
    def weighed(self) -> tuple[GroupDelivery, ...]:
        """The group sizes with bytes."""
        return tuple(group for group in self.groups if group.wire_bytes is not None)


def summarise_fanout(measurements: Measurements) -> FanoutSummary:
    """The scenario's numbers; an empty summary when it left none."""
    metrics = ("delivery_us", "delivery_observed_us", "delivery_wire_bytes", "delivery_content_bytes")
    found = {
        metric: {size: series for (size,), series in measurements.group(NAME, metric, "group_size").items()}
        for metric in (*metrics, *RECIPIENTS.values())
    }
    sizes = sorted({size for groups in found.values() for size in groups}, key=label_order)
    last = found["delivery_last_us"]
    reached = [size for size in sizes if size in last]
    wire = pooled(one for series in found["delivery_wire_bytes"].values() for one in series)

    def of(metric: str, size: str) -> Latency:
        return latency_of(pooled(found[metric].get(size, [])))

    def group(size: str) -> GroupDelivery:
        weight = pooled(found["delivery_wire_bytes"].get(size, []))
        return GroupDelivery(
            group_size=size,
            deliveries=of("delivery_us", size),
            observed=of("delivery_observed_us", size),
            recipients={recipient: of(metric, size) for recipient, metric in RECIPIENTS.items()},
            wire_bytes=weight.mean,
            content_bytes=pooled(found["delivery_content_bytes"].get(size, [])).mean,
            wire_bytes_sum=weight.total,
        )

    return FanoutSummary(
        groups=tuple(group(size) for size in sizes),
        growth=compare_blocks(by_block(last[reached[0]]), by_block(last[reached[-1]])) if len(reached) > 1 else None,
        wire_bytes=wire.mean,
    )


def fanout_section(summary: FanoutSummary) -> Section:
    """The section on delivery times."""
    if not summary.timed:
        return missing(NAME, TITLE, QUESTION, "Not measured: this run holds no message that was delivered to a group.")
    recipients = Table(
        "Per message: how long until the first, half, 95 % and the last of its recipients have it",
        (
            Column("group size"),
            Column("recipient"),
            *LATENCY_COLUMNS,
        ),
        tuple(row for group in summary.timed for row in _recipient_rows(group)),
    )
    deliveries = Table(
        "Per delivery: every message to every recipient",
        (Column("group size"), *LATENCY_COLUMNS, Column("generator's code p50", "ms")),
        tuple(_delivery_row(group) for group in summary.timed),
    )
    return Section(NAME, TITLE, QUESTION, _reading(summary), _HOW, measured=True, tables=(recipients, deliveries))


def bytes_section(summary: FanoutSummary) -> Section:
    """The section on bandwidth."""
    if not summary.weighed:
        return missing(BYTES_NAME, BYTES_TITLE, BYTES_QUESTION, "Not measured: this run weighed no delivery.")
    table = Table(
        "Mean bytes of one delivery",
        (
            Column("group size"),
            Column("on the wire", "B"),
            Column("content", "B"),
            Column("beyond content", "B"),
            Column("all deliveries", "MB"),
        ),
        tuple(_bytes_row(group) for group in summary.weighed),
    )
    tables = (table, *_comparison(summary))
    reading = _bytes_reading(summary)
    return Section(BYTES_NAME, BYTES_TITLE, BYTES_QUESTION, reading, _BYTES_HOW, measured=True, tables=tables)


def _recipient_rows(group: GroupDelivery) -> list[tuple[Cell, ...]]:
    labels = {"group_size": group.group_size}
    return [
        (group.group_size, title, *latency_cells(group.recipients[name], NAME, f"delivery_{name}", labels))
        for name, title in RECIPIENT_TITLES.items()
    ]


def _delivery_row(group: GroupDelivery) -> tuple[Cell, ...]:
    labels = {"group_size": group.group_size}
    observed = percentile_cell(group.observed, 50, NAME, "delivery_observed", labels)
    return (group.group_size, *latency_cells(group.deliveries, NAME, "delivery", labels), observed)


def _bytes_row(group: GroupDelivery) -> tuple[Cell, ...]:
    labels = {"group_size": group.group_size}
    values = (
        ("wire_bytes", group.wire_bytes, "B", None),
        ("content_bytes", group.content_bytes, "B", None),
        ("overhead_bytes", group.overhead_bytes, "B", None),
        ("wire_megabytes", group.wire_bytes_sum / 1e6, "MB", 3),
    )
    return (
        group.group_size,
        *(
            Number(number_key(BYTES_NAME, name, labels), value, unit, digits=digits)
            for name, value, unit, digits in values
        ),
    )


def _comparison(summary: FanoutSummary) -> tuple[Table, ...]:
    """The same messages in Supabase Realtime's frames; none when the content was not weighed."""
    known = [group for group in summary.weighed if group.content_bytes is not None]
    if not known:
        return ()
    overheads = bytes_beyond_content()
    columns = (Column("this gateway", "B"), *(Column(_OTHERS[name], "B") for name in overheads))
    return (
        Table(
            "The same delivery in the frames of Supabase Realtime (computed)",
            (Column("group size"), *columns),
            tuple(_comparison_row(group, overheads) for group in known),
        ),
    )


def _comparison_row(group: GroupDelivery, overheads: dict[str, int]) -> tuple[Cell, ...]:
    labels = {"group_size": group.group_size}
    others = {f"realtime_{name}_bytes": (group.content_bytes or 0.0) + more for name, more in overheads.items()}
    values = {"gateway_bytes": group.wire_bytes, **others}
    return (
        group.group_size,
        *(Number(number_key(BYTES_NAME, name, labels), value, "B") for name, value in values.items()),
    )


def _reading(summary: FanoutSummary) -> str:
    reached = [group for group in summary.timed if group.recipients["last"].count]
    if not reached:
        return "Deliveries were timed one by one; no message was followed to its last recipient."
    largest = reached[-1]
    last = largest.recipients["last"]
    high = last.highest_percent
    slow = f" and {high} % of them within {format_number(last.percentile(high))} ms" if high > 50 else ""
    sentence = (
        f"Half of the messages have reached the last member of a group of {largest.group_size} within "
        f"{format_number(last.ms_p50)} ms{slow}"
    )
    if len(reached) == 1:
        return f"{sentence}; only one group size was measured."
    smallest = reached[0].group_size
    if summary.growth is None:
        p50 = format_number(reached[0].recipients["last"].ms_p50)
        return f"{sentence}; in groups of {smallest} within {p50} ms, from too few messages to be sure of a difference."
    growth = summary.growth
    return (
        f"{sentence}; from {smallest} to {largest.group_size} members "
        f"{growth_text(f'the p{growth.percent} of the last recipient', growth.judgement)}: {ratio_text(growth)}."
    )


def _bytes_reading(summary: FanoutSummary) -> str:
    known = [group for group in summary.weighed if group.overhead_bytes is not None]
    if not known:
        mean = format_number(summary.wire_bytes)
        return f"A delivery costs {mean} B on the wire; how much of it is content was not measured."
    overheads = [group.overhead_bytes or 0.0 for group in known]
    low, high = min(overheads), max(overheads)
    if len(known) == 1:
        return (
            f"A delivery costs {format_number(known[0].wire_bytes)} B on the wire, "
            f"{format_number(low)} B beyond its content; only one group size was measured."
        )
    if high - low <= _SAME_OVERHEAD * high:
        return f"A delivery costs {_span(low, high)} B beyond its content, whatever the group's size."
    least, most = known[overheads.index(low)], known[overheads.index(high)]
    return (
        f"Beyond its content a delivery costs least in groups of {least.group_size} ({format_number(low)} B) "
        f"and most in groups of {most.group_size} ({format_number(high)} B)."
    )


def _span(low: float, high: float) -> str:
    below, above = format_number(low), format_number(high)
    return below if below == above else f"{below} to {above}"
