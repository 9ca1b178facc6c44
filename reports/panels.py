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
        counts=("day_actions", "day_actions_within_objective", "day_class_actions", "day_users"),
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
            "The same client code talks to a stand-in that answers at once. Windows of requests, of messages and of "
            "nothing alternate; what idling costs is taken off the others. Figures of other scenarios contain these."
        ),
        panels=(
            Panel("Requests", "request_us", "request", "request"),
            Panel("Delivery by size of the group", "delivery_us", "group_size", "members"),
            Panel("Delivery as the generator's code sees it", "delivery_observed_us", "group_size", "members"),
            Panel("Lateness of starts", "start_delay_us", "operation", "operation"),
        ),
        counts=("noop_cpu_us", "noop_cpu_permille", "noop_operations", "noop_deliveries", "noop_seconds"),
    ),
}
