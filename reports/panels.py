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
            "churn_false_offline",
            "churn_watched",
            "churn_stale_at_rest",
        ),
    ),
}
