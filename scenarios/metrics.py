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
        Metric("reconnect_us", "µs", "intended return after an outage → the gateway's ready", ("mode",)),
        Metric("connect_us", "µs", "actual begin of the TCP connection → the gateway's ready", ("mode",)),
        Metric(
            "resume_us", "µs", "intended return after an outage → arrival of the last message missed by then", ("mode",)
        ),
        Metric(
            "storm_recovery_us",
            "µs",
            "per storm: the first may return → everybody is back and has everything missed by then",
            ("mode",),
        ),
        Metric(
            "day_action_us",
            "µs",
            "one user's action: intended start → the answer to its last request",
            ("action", "hour"),
        ),
        Metric("receipt_us", "µs", "intended mark as read → its receipt at one other participant", ("group_size",)),
        Metric("receipt_last_us", "µs", "intended mark as read → every other participant knows", ("group_size",)),
        Metric(
            "typing_us",
            "µs",
            "intended begin of a burst of typing → one watcher knows, the server's throttling included",
            ("typists", "audience"),
        ),
        Metric(
            "typing_expiry_error_us",
            "µs",
            "a typist who falls silent: (last start + expiry period) → one watcher knows",
            ("typists", "audience"),
        ),
        Metric(
            "typing_delivery_us",
            "µs",
            "intended send → arrival at one recipient, in windows with and without typing",
            ("typing", "typists", "audience"),
        ),
        Metric(
            "migration_action_us",
            "µs",
            "one user's action while migrating: intended start (asking for the route included) → its answer",
            ("chat", "action", "stage"),
        ),
        Metric(
            "duet_request_us",
            "µs",
            "one arm's part of a pair of requests: intended start → arrival of the response's last segment",
            ("operation", "arm", "block", "round"),
        ),
        Metric(
            "duet_delivery_us",
            "µs",
            "one arm's part of a pair of messages: intended send → arrival at one recipient",
            ("arm", "block", "round"),
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
    Count("duet_capacity_per_second", "pairs/s", "what both arms of a duet manage together, measured closed-loop", ()),
    Count("duet_rate_per_second", "pairs/s", "pairs that a duet intends", ()),
    Count("duet_requests", "requests", "answered requests of a duet", ("operation", "arm")),
    Count("duet_response_bytes", "B", "bytes of their bodies", ("operation", "arm")),
    Count("duet_deliveries", "deliveries", "message events that reached recipients of a duet", ("arm",)),
    Count("duet_delivery_bytes", "B", "their bytes on the wire, frame header included", ("arm",)),
    Count("storms", "storms", "outages from which everybody came back", ("mode",)),
    Count("storm_connects", "connections", "users who came back, all storms together", ("mode",)),
    Count(
        "storm_connects_per_second",
        "connections/s",
        "users who came back by the time from when the first might until the last was ready",
        ("mode",),
    ),
    Count("storm_missed_messages", "deliveries", "messages missed by the time of return, of all users", ("mode",)),
    Count("day_actions", "actions", "actions begun in the compressed day", ("action", "hour")),
    Count(
        "day_actions_within_objective",
        "actions",
        "those that succeeded and took no longer than the objective",
        ("action", "hour"),
    ),
    Count("day_class_actions", "actions", "actions begun, by who did them", ("user_class",)),
    Count("day_users", "users", "users of the run", ("user_class",)),
    Count("receipt_marks", "marks", "marks as read that were answered", ("group_size",)),
    Count("receipt_events", "events", "receipts received, the reader's own connection included", ("group_size",)),
    Count("receipts_per_mark", "events per mark", "receipts received per mark: the amplification", ("group_size",)),
    Count("typing_starts", "commands", "starts of typing, repeated ones included", ("typists", "audience")),
    Count("typing_events", "events", "typing events received", ("typists", "audience")),
    Count(
        "typing_events_per_start",
        "events per start",
        "typing events received per start: the amplification",
        ("typists", "audience"),
    ),
    Count("typing_echoes", "events", "typing events that came to their own typist", ("typists", "audience")),
    Count("typing_early", "events", "stops of silent typists before the expiry period", ("typists", "audience")),
    Count("typing_missing", "events", "stops of silent typists that never came", ("typists", "audience")),
    Count("migration_stage_seconds", "s", "how long a stage of the roll-out lasted", ("stage",)),
    Count("migration_backfill_seconds", "s", "from the start of the migration until the backfill was complete"),
    Count("migration_copied", "rows", "what the backfill copied, or found to be there already", ("what",)),
    Count("migration_routes", "answers", "where the server sent users to", ("stage", "chat")),
    Count("migration_users", "users", "different users whom the server sent there", ("stage", "chat")),
    Count("migration_validator_mismatches", "users", "most who differed when last compared", ("stage",)),
    Count("migration_validated_users", "comparisons", "of users by the continuous validator"),
    Count("migration_verification_examined", "things", "what verify_migration() looked at in the end", ("check",)),
    Count("migration_verification_mismatches", "things", "what it found different", ("check",)),
    Count("database_wal_bytes", "B", "WAL that the cluster wrote during the turn"),
    Count("database_full_pages", "pages", "whole pages in that WAL: a page's first change after a checkpoint"),
    Count("database_inserts", "rows", "rows inserted into a table", ("table",)),
    Count("database_updates", "rows", "rows of a table updated", ("table",)),
    Count("database_hot_updates", "rows", "updates that were heap-only (HOT), without touching an index", ("table",)),
)
COUNTS = {count.name: count for count in _COUNTS}
