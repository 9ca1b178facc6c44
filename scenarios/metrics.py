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
            "paging_page_us",
            "µs",
            "a page by one of the compared ways of paging: intended start → arrival of the response's last segment",
            ("paging", "weight", "depth"),
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
            "room_send_us",
            "µs",
            "intended send → arrival of its answer, with all senders in one conversation or each in one of many",
            ("conversations", "rate"),
        ),
        Metric("room_delivery_us", "µs", "the same sends → arrival at one listener", ("conversations", "rate")),
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
            "replica_request_us",
            "µs",
            "intended start → answer, of a read of one's own write: acknowledgement → answer",
            ("policy", "read_share", "request"),
        ),
        Metric("replica_lag_bytes", "B", "WAL that the replica has yet to replay, as the server says", ("policy",)),
        Metric("process_memory_kib", "KiB", "resident memory of a process, sampled", ("process",)),
        Metric("process_descriptors", "descriptors", "open file descriptors of a process, sampled", ("process",)),
        Metric(
            "churn_convergence_us",
            "µs",
            "change of presence → every watcher knows; of a lost connection: since the end of the grace period",
            ("cause", "watchers"),
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
    quotient_of: tuple[str, str] | None = None  # two counts with the same labels: taken once all processes have told


_COUNTS: tuple[Count, ...] = (
    Count("duet_capacity_per_second", "pairs/s", "what both arms of a duet manage together, measured closed-loop", ()),
    Count("duet_rate_per_second", "pairs/s", "pairs that a duet intends", ()),
    Count("duet_round_seconds", "s", "length of a round of a duet", ()),
    Count("duet_requests", "requests", "answered requests of a duet", ("operation", "arm")),
    Count("duet_response_bytes", "B", "bytes of their bodies", ("operation", "arm")),
    Count("duet_deliveries", "deliveries", "message events that reached recipients of a duet", ("arm",)),
    Count("duet_delivery_bytes", "B", "their bytes on the wire, frame header included", ("arm",)),
    Count("paging_pages", "pages", "pages of walks that one way of paging made", ("paging", "weight")),
    Count("paging_messages", "messages", "messages that those walks had to show", ("paging", "weight")),
    Count("paging_lost", "messages", "of those, messages that no page showed", ("paging", "weight")),
    Count("paging_repeated", "messages", "messages that a page showed again", ("paging", "weight")),
    Count("duet_asked", "requests", "requests of a duet, warm-up included", ("arm",)),
    Count("duet_failed", "requests", "those of its rounds that were answered with an error or not at all", ("arm",)),
    Count("duet_expected_deliveries", "deliveries", "recipients of the messages that its rounds stored", ("arm",)),
    Count("duet_statements", "statements", "executed by an arm's server in a block", ("statement", "arm")),
    Count("duet_buffers", "buffers", "pages that an arm's database was asked for in a block", ("arm",)),
    Count("duet_rows_written", "rows", "inserted and updated in an arm's database in a block", ("arm",)),
    Count("duet_cold_updates", "rows", "those of them whose update had to touch indexes", ("arm",)),
    Count("duet_messages_stored", "messages", "stored by an arm in a block, warm-up included", ("arm",)),
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
    Count("day_typing_starts", "commands", "messages of the day that were typed before they were sent"),
    Count("day_typing_events", "events", "typing events that reached whoever had the conversation open"),
    Count("receipt_marks", "marks", "marks as read that were answered", ("group_size",)),
    Count("receipt_events", "events", "receipts received, the reader's own connection included", ("group_size",)),
    Count(
        "receipts_per_mark",
        "events per mark",
        "receipts received per mark: the amplification",
        ("group_size",),
        quotient_of=("receipt_events", "receipt_marks"),
    ),
    Count("unread_checked", "counts", "unread counts held to their bounds while others wrote", ("conversations",)),
    Count("unread_mismatches", "counts", "of those, out of bounds", ("conversations",)),
    Count("unread_checked_at_rest", "counts", "unread counts checked when all was quiet", ("conversations",)),
    Count("unread_mismatches_at_rest", "counts", "of those, wrong", ("conversations",)),
    Count(
        "room_sends_per_second",
        "sends/s",
        "sends answered within the windows of an offered rate, per second of them",
        ("conversations", "rate"),
    ),
    Count("room_sends_per_second_max", "sends/s", "the most of those at any offered rate", ("conversations",)),
    Count("room_sends_ratio", "ratio", "sends per second in one conversation by those in many", ("rate",)),
    Count("typing_starts", "commands", "starts of typing, repeated ones included", ("typists", "audience")),
    Count("typing_events", "events", "typing events received", ("typists", "audience")),
    Count(
        "typing_events_per_start",
        "events per start",
        "typing events received per start: the amplification",
        ("typists", "audience"),
        quotient_of=("typing_events", "typing_starts"),
    ),
    Count("typing_echoes", "events", "typing events that came to their own typist", ("typists", "audience")),
    Count("typing_early", "events", "stops of silent typists before the expiry period", ("typists", "audience")),
    Count("typing_missing", "events", "stops of silent typists that never came", ("typists", "audience")),
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
    Count("noop_seconds", "s", "time in windows of one kind of work, of all processes together", ("work",)),
    Count(
        "noop_operations",
        "operations",
        "requests, messages, changes, receipts or begins of typing in those windows",
        ("work",),
    ),
    Count("noop_deliveries", "deliveries", "deliveries of those, but for requests", ("work",)),
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
    Count(
        "churn_frames_per_change",
        "frames per change",
        "presence events received per change: the amplification",
        quotient_of=("churn_frames", "churn_changes"),
    ),
    Count(
        "churn_false_offline_per_return",
        "frames per return",
        "offline shown too early, per return within the grace period",
        quotient_of=("churn_false_offline", "churn_returns_in_grace"),
    ),
    Count("churn_watched", "pairs", "pairs of a watcher and a user"),
    Count(
        "churn_stale_at_rest", "pairs", "of those, pairs whose last told state was not the server's, once all was quiet"
    ),
    Count("database_wal_bytes", "B", "WAL that the cluster wrote during the turn"),
    Count("database_wal_records", "records", "records in that WAL: each change of a table or an index is one"),
    Count("database_full_pages", "pages", "whole pages in that WAL: a page's first change after a checkpoint"),
    Count("database_inserts", "rows", "rows inserted into a table", ("table",)),
    Count("database_updates", "rows", "rows of a table updated", ("table",)),
    Count("database_hot_updates", "rows", "updates that were heap-only (HOT), without touching an index", ("table",)),
)
COUNTS = {count.name: count for count in _COUNTS}
