"""Contract: every metric that a run folder may hold, with its unit and meaning.

Histograms hold integers in the unit that ends the metric's name; reports convert at their edge. Latencies are
microseconds in HdrHistograms of 1 µs … 10 min at 3 significant digits (0.1 % of the value).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measured quantity."""

    name: str
    unit: str
    meaning: str
    labels: tuple[str, ...]  # beside `scenario`, which every line carries


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "request_us",
            "µs",
            "HTTP request: intended start → arrival of the response's last segment",
            ("request", "weight", "depth"),
        ),
        Metric(
            "service_us",
            "µs",
            "HTTP request: actual send → arrival of the response's last segment",
            ("request", "weight", "depth"),
        ),
        Metric(
            "delivery_us",
            "µs",
            "intended send → arrival of the message event at one recipient",
            ("group_size",),
        ),
        Metric(
            "delivery_observed_us",
            "µs",
            "intended send → the generator's code has read the event: delivery plus the generator's own delay",
            ("group_size",),
        ),
        Metric("delivery_first_us", "µs", "per message: intended send → its first recipient", ("group_size",)),
        Metric("delivery_median_us", "µs", "per message: intended send → half of its recipients", ("group_size",)),
        Metric("delivery_p95_us", "µs", "per message: intended send → 95 % of its recipients", ("group_size",)),
        Metric("delivery_last_us", "µs", "per message: intended send → its last recipient", ("group_size",)),
        Metric(
            "delivery_wire_bytes",
            "B",
            "bytes of one message event on the wire, frame header included",
            ("group_size",),
        ),
        Metric("delivery_content_bytes", "B", "bytes of the message's own content in that event", ("group_size",)),
        Metric("presence_delivery_us", "µs", "intended status change → one watcher knows", ("watchers",)),
        Metric("presence_convergence_us", "µs", "intended status change → every watcher knows", ("watchers",)),
        Metric(
            "presence_frames_per_change",
            "frames",
            "presence events received by all watchers per status change",
            ("watchers",),
        ),
        Metric(
            "presence_wire_bytes",
            "B",
            "bytes of one presence event on the wire, frame header included",
            ("watchers",),
        ),
        Metric(
            "churn_convergence_us",
            "µs",
            "change of presence → every watcher knows; of a lost connection: since the end of the grace period",
            ("cause", "watchers"),
        ),
        Metric("start_delay_us", "µs", "actual − intended start of an operation", ("operation",)),
        Metric("generator_loop_lag_us", "µs", "how late a 10 ms timer of the generator's event loop fires", ()),
        Metric("generator_cpu_permille", "‰", "CPU of the generator process, of one core", ()),
        Metric("server_cpu_permille", "‰", "CPU of the chat server's process, of one core", ()),
    )
}


@dataclass(frozen=True)
class Count:
    """One quantity that is counted exactly, once per scenario and set of labels."""

    name: str
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()


_COUNTS: tuple[Count, ...] = (
    Count("fanout_deliveries", "deliveries", "message events that came, each at one recipient"),
    Count("fanout_content_bytes", "B", "bytes of the messages' own contents in them"),
    Count("fanout_received_bytes", "B", "bytes of them on the wire, counted at the recipients' sockets"),
    Count("fanout_written_events", "events", "message events that the server has counted as written"),
    Count("fanout_written_bytes", "B", "bytes of those, counted by the server"),
    Count("fanout_server_cpu_us", "µs", "CPU of the chat server's process during the measured time"),
    Count("churn_changes", "changes", "changes of presence that watchers were to learn: updates and returns"),
    Count("churn_losses", "losses", "connections lost"),
    Count(
        "churn_returns_in_grace", "returns", "of those, back within the grace period: nobody was to be shown offline"
    ),
    Count("churn_returns_late", "returns", "of those, back after it"),
    Count("churn_skipped", "flaps", "intended of users who were away at the time, and left out"),
    Count("churn_frames", "frames", "presence events received by watchers"),
    Count("churn_converged", "changes", "changes and losses that every watcher came to know"),
    Count("churn_superseded", "changes", "changes that another one of the same user overtook"),
    Count("churn_false_offline", "frames", "offline shown of somebody who had not been away for the grace period"),
    Count("churn_watched", "pairs", "pairs of a watcher and a user"),
    Count(
        "churn_stale_at_rest", "pairs", "of those, pairs whose last told state was not the server's, once all was quiet"
    ),
    Count("page_walk_rows", "rows", "messages that walks of a way of paging should have shown", ("variant",)),
    Count("page_walk_lost", "rows", "of those, never shown", ("variant",)),
    Count("page_walk_repeated", "rows", "shown again", ("variant",)),
    Count("database_wal_bytes", "B", "WAL that the cluster wrote during the turn"),
    Count("database_wal_records", "records", "records in that WAL: each change of a table or an index is one"),
    Count("database_full_pages", "pages", "whole pages in that WAL: a page's first change after a checkpoint"),
    Count("database_inserts", "rows", "rows inserted into a table", ("table",)),
    Count("database_updates", "rows", "rows of a table updated", ("table",)),
    Count("database_hot_updates", "rows", "updates that were heap-only (HOT), without touching an index", ("table",)),
)
COUNTS = {count.name: count for count in _COUNTS}
