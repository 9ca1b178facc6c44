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
        counts=("day_actions", "day_actions_within_objective", "day_class_actions", "day_users"),
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
}
