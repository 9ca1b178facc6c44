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
            "day_action_us",
            "µs",
            "one user's action: intended start → the answer to its last request",
            ("action", "hour"),
        ),
        Metric(
            "migration_action_us",
            "µs",
            "one user's action while migrating: intended start (asking for the route included) → its answer",
            ("chat", "action", "stage"),
        ),
        Metric(
            "replica_request_us",
            "µs",
            "intended start → answer, of a read of one's own write: acknowledgement → answer",
            ("policy", "read_share", "request"),
        ),
        Metric("replica_lag_bytes", "B", "WAL that the replica has yet to replay, as the server says", ("policy",)),
        Metric("process_memory_kib", "KiB", "resident memory of a process, sampled", ("process", "block")),
        Metric("process_descriptors", "descriptors", "open descriptors of a process, sampled", ("process", "block")),
        Metric("soak_delivery_us", "µs", "intended send → arrival at one recipient, by block of time", ("block",)),
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
    Count("day_actions", "actions", "actions begun in the compressed day", ("action", "hour")),
    Count(
        "day_actions_within_objective",
        "actions",
        "those that succeeded and took no longer than the objective",
        ("action", "hour"),
    ),
    Count("day_class_actions", "actions", "actions begun, by who did them", ("user_class",)),
    Count("day_users", "users", "users of the run", ("user_class",)),
    Count("replica_windows", "windows", "turns of a server that were begun", ("policy", "read_share")),
    Count(
        "replica_reads",
        "pages",
        "pages read, by the database that served them; `own` right after one's own write",
        ("policy", "read_share", "request", "served_by"),
    ),
    Count(
        "replica_stale_reads",
        "pages",
        "those that lack a message which was acknowledged before they were asked for",
        ("policy", "read_share", "request", "served_by"),
    ),
    Count("soak_reconnects", "connections", "lost and come back with resume, or not", ("outcome",)),
    Count("soak_level", "KiB or descriptors", "mean after the settling time", ("process", "what")),
    Count(
        "soak_slope_per_hour",
        "KiB or descriptors per hour",
        "change per hour of the soak's own time, with its 95 % interval, after the settling time",
        ("process", "what", "bound"),
    ),
    Count(
        "soak_latency_ratio",
        "times",
        "delivery latency of the last third of the blocks ÷ that of the first, with its 95 % interval",
        ("percentile", "bound"),
    ),
    Count("noop_seconds", "s", "time in windows of one kind of work", ("work",)),
    Count("noop_operations", "operations", "requests or messages in those windows", ("work",)),
    Count("noop_deliveries", "deliveries", "deliveries of those messages", ("work",)),
    Count("noop_cpu_permille", "‰", "CPU of the generator in those windows, of one core", ("work",)),
    Count(
        "noop_cpu_us",
        "µs",
        "CPU of the generator for one unit, with its 95 % interval over windows; what idling costs is taken off",
        ("unit", "bound"),
    ),
    Count("migration_stage_seconds", "s", "how long a stage of the roll-out lasted", ("stage",)),
    Count("migration_backfill_seconds", "s", "from the start of the migration until the backfill was complete"),
    Count("migration_copied", "rows", "what the backfill copied, or found to be there already", ("what",)),
    Count("migration_routes", "answers", "where the server sent users to", ("stage", "chat")),
    Count("migration_users", "users", "different users whom the server sent there", ("stage", "chat")),
    Count("migration_validator_mismatches", "users", "most who differed when last compared", ("stage",)),
    Count("migration_validated_users", "comparisons", "of users by the continuous validator"),
    Count("migration_verification_examined", "things", "what verify_migration() looked at in the end", ("check",)),
    Count("migration_verification_mismatches", "things", "what it found different", ("check",)),
)
COUNTS = {count.name: count for count in _COUNTS}
