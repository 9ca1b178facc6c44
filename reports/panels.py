"""What the report shows of each scenario: data, drawn by `scenario_sections.py`.

To show another scenario, describe it here; no code is needed.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Panel:
    """One set of axes: a metric over the values of one label."""

    title: str
    metric: str  # of scenarios.metrics.METRICS
    axis: str  # the label that lies on the x axis; numbers in order, names as categories
    axis_title: str
    curve: str | None = None  # one line per value of this label, at p50 and p95; None: p50, p95 and p99 of the metric
    where: tuple[tuple[str, str], ...] = ()  # only series with these labels
    statistic: Literal["percentiles", "mean"] = "percentiles"


@dataclass(frozen=True)
class ScenarioPanels:
    """One scenario's section."""

    title: str
    question: str
    how: str  # how it was measured, in one sentence
    panels: tuple[Panel, ...]
    counts: tuple[str, ...] = ()  # of scenarios.metrics.COUNTS, in the order shown


PANELS: dict[str, ScenarioPanels] = {
    "connect_storm": ScenarioPanels(
        title="Connect storm",
        question="How fast is everyone back after all connections were lost at once?",
        how="All connections are aborted, messages go on being sent, then all users return and resume: in thundering "
        "storms all at once, in gentle ones each at a random moment of a window; every message is in the ledger.",
        panels=(
            Panel("Until the gateway is ready", "reconnect_us", "mode", "kind of storm"),
            Panel("Of that, the connection itself", "connect_us", "mode", "kind of storm"),
            Panel("Until the last missed message", "resume_us", "mode", "kind of storm"),
            Panel("Until everybody has everything", "storm_recovery_us", "mode", "kind of storm"),
        ),
        counts=("storms", "storm_connects", "storm_connects_per_second", "storm_missed_messages"),
    ),
    "mixed_day": ScenarioPanels(
        title="An ordinary day",
        question="Does an ordinary day hold its objective, hour by hour and action by action?",
        how=(
            "A day is compressed to seconds: its actions arrive open-loop at the rate of the hour, in the mix that is "
            "published for Mattermost, and each is timed from its intended start to the answer to its last request."
        ),
        panels=(
            Panel("Latency of each action", "day_action_us", "action", "action"),
            Panel("Latency over the day", "day_action_us", "hour", "hour of the day"),
            Panel("Delivery by size of the conversation", "delivery_us", "group_size", "members"),
        ),
        counts=(
            "day_actions",
            "day_actions_within_objective",
            "day_class_actions",
            "day_users",
            "day_typing_starts",
            "day_typing_events",
        ),
    ),
    "receipts": ScenarioPanels(
        title="Read receipts",
        question="How fast does “read” come back, and how many events does it cost?",
        how="Members mark one message further as read, open-loop; each receipt is timed from the intended mark to its "
        "arrival at every other participant.",
        panels=(
            Panel("Receipt at one participant", "receipt_us", "group_size", "members"),
            Panel("Until every participant knows", "receipt_last_us", "group_size", "members"),
        ),
        counts=("receipts_per_mark", "receipt_marks", "receipt_events"),
    ),
    "inbox": ScenarioPanels(
        title="Inbox",
        question="What do the list of conversations and its unread counts cost for light and heavy users?",
        how="Users with few and many conversations ask for the newest page of their list, open-loop, while others "
        "write to them; every unread count is held to what can be true at that moment, and at the end to what must be.",
        panels=(
            Panel(
                "List of conversations",
                "request_us",
                "weight",
                "conversations of the user",
                where=(("request", "get_conversations"),),
            ),
        ),
        counts=(
            "unread_checked",
            "unread_mismatches",
            "unread_checked_at_rest",
            "unread_mismatches_at_rest",
        ),
    ),
    "hot_conversation": ScenarioPanels(
        title="Hot conversation",
        question="Where is the ceiling of one busy conversation, against the same senders spread over many?",
        how="The same people send at rates that step up, all into one conversation or each into one of their own, in "
        "turns; all conversations have the same members.",
        panels=(
            Panel("Send answered", "room_send_us", "rate", "messages/s offered", curve="conversations"),
            Panel("Message delivered", "room_delivery_us", "rate", "messages/s offered", curve="conversations"),
        ),
        counts=("room_sends_per_second", "room_sends_ratio", "room_sends_per_second_max"),
    ),
    "typing_indicators": ScenarioPanels(
        title="Typing indicators",
        question="What do typing indicators add, and how exactly do they expire?",
        how="Windows with and without typing alternate in one run, with the same messages in both; in silences between "
        "them all typists say nothing more, and the server ends their typing.",
        panels=(
            Panel("Message delivery", "typing_delivery_us", "audience", "watchers of one typist", curve="typing"),
            Panel("Start of typing known", "typing_us", "audience", "watchers of one typist", curve="typists"),
            Panel("Expiry: observed − expected", "typing_expiry_error_us", "audience", "watchers of one typist"),
        ),
        counts=(
            "typing_events_per_start",
            "typing_starts",
            "typing_events",
            "typing_echoes",
            "typing_early",
            "typing_missing",
        ),
    ),
    "migration": ScenarioPanels(
        title="Migration",
        question="What do users feel while the older chat is migrated, and does anything get lost?",
        how=(
            "The roll-out is raised stage by stage while the backfill runs. Before each action users ask the server "
            "which chat to use, then read, list or send there; latency runs from the intended start to the answer. In "
            "the end every acknowledged message is looked for in both chats."
        ),
        panels=(
            Panel("Latency by stage, in either chat", "migration_action_us", "stage", "stage", curve="chat"),
            Panel("Latency of each action", "migration_action_us", "action", "action", curve="chat"),
        ),
        counts=(
            "migration_stage_seconds",
            "migration_backfill_seconds",
            "migration_copied",
            "migration_users",
            "migration_routes",
            "migration_validator_mismatches",
            "migration_validated_users",
            "migration_verification_examined",
            "migration_verification_mismatches",
        ),
    ),
    "replica": ScenarioPanels(
        title="Read replica",
        question="What does a read replica buy, and what does reading from it break?",
        how=(
            "One server without a replica and one per policy work on the same primary and take turns in short windows; "
            "each writes to conversations of its own. A page is stale when it lacks a message that was acknowledged "
            "before it was asked for."
        ),
        panels=(
            Panel(
                "Reading one's own write", "replica_request_us", "policy", "policy", where=(("request", "read_own"),)
            ),
            Panel("Reading", "replica_request_us", "policy", "policy", where=(("request", "read"),)),
            Panel("Writing", "replica_request_us", "policy", "policy", where=(("request", "send"),)),
            Panel("Lag of the replica", "replica_lag_bytes", "policy", "policy"),
        ),
        counts=("replica_reads", "replica_stale_reads", "replica_windows"),
    ),
    "soak": ScenarioPanels(
        title="Soak",
        question="Does the chat stay the same for hours: memory, descriptors, latency?",
        how=(
            "Messages fan out and connections come and go for hours, compressed to a run at a rate that is higher by "
            "as much. Slopes are fitted to the means of blocks after a settling time, per hour of the soak's own time."
        ),
        panels=(
            Panel("Resident memory over time", "process_memory_kib", "block", "block of time", curve="process"),
            Panel("Open descriptors over time", "process_descriptors", "block", "block of time", curve="process"),
            Panel("Delivery over time", "soak_delivery_us", "block", "block of time"),
        ),
        counts=("soak_slope_per_hour", "soak_level", "soak_latency_ratio", "soak_reconnects"),
    ),
    "noop": ScenarioPanels(
        title="The harness alone",
        question="What does the harness itself cost?",
        how=(
            "The same client code talks to a stand-in that answers at once. Windows of requests, of messages, of "
            "changes of presence, of receipts, of typing and of nothing alternate; what idling costs is taken off the "
            "others. Figures of other scenarios contain these."
        ),
        panels=(
            Panel("Requests", "request_us", "request", "request"),
            Panel("Delivery by size of the group", "delivery_us", "group_size", "members"),
            Panel("Delivery as the generator's code sees it", "delivery_observed_us", "group_size", "members"),
            Panel("Change of presence at a watcher", "presence_delivery_us", "watchers", "watchers"),
            Panel("Until every watcher knows", "presence_convergence_us", "watchers", "watchers"),
            Panel("Receipt at another participant", "receipt_us", "group_size", "members"),
            Panel("Typing at a watcher", "typing_us", "audience", "watchers"),
            Panel("Lateness of starts", "start_delay_us", "operation", "operation"),
        ),
        counts=("noop_cpu_us", "noop_cpu_permille", "noop_operations", "noop_deliveries", "noop_seconds"),
    ),
    "index_load": ScenarioPanels(
        title="Indexes under mixed load",
        question="Does an index strategy still pay when reads and writes come mixed?",
        how="Lists, pages, sends and marks as read arrive open-loop in a published mix, on every strategy in turns.",
        panels=(
            Panel("Each request", "request_us", "request", "request"),
            Panel(
                "Lists of conversations",
                "request_us",
                "weight",
                "conversations of the user",
                where=(("request", "get_conversations"),),
            ),
        ),
        counts=("database_wal_bytes", "database_inserts", "database_updates", "database_hot_updates"),
    ),
    "presence_churn": ScenarioPanels(
        title="Coming and going",
        question="What does coming and going cost, and are watchers shown the truth?",
        how="Users set statuses, lose connections and return within the grace period or after it, open-loop; what each "
        "watcher is told is held against what was true.",
        panels=(
            Panel(
                "Until every watcher knows", "churn_convergence_us", "watchers", "watchers of the user", curve="cause"
            ),
        ),
        counts=(
            "churn_changes",
            "churn_losses",
            "churn_returns_in_grace",
            "churn_returns_late",
            "churn_frames",
            "churn_converged",
            "churn_superseded",
            "churn_frames_per_change",
            "churn_false_offline",
            "churn_false_offline_per_return",
            "churn_watched",
            "churn_stale_at_rest",
        ),
    ),
}
