"""Coming and going, on real servers: one that keeps its grace period, and one that does not."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from fixtures.postgres import EmbeddedPostgres
from scenarios.run_folder import RunFolder

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]


def test_who_is_shown_offline_too_early_is_found(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """A server with the grace that it promises shows nobody so; one that is hasty does, and both are right at rest."""
    result = chatbench(
        "run", "presence_churn", "--size", "tiny", "--users", 20, "--blocks", 1, "--seconds", 6, "-o", "watchers=1,4",
        "--arm", "right:presence_grace_seconds=4,grace-seconds=4",
        "--arm", "hasty:presence_grace_seconds=0.1,grace-seconds=4",
        "--database-url", postgres.url("postgres"), folder=tmp_path,
    )  # fmt: skip
    (path,) = (tmp_path / "out" / "runs").iterdir()
    folder = RunFolder(path)
    counts = {
        record.arm: {count.name: count.value for count in record.counts} for record in folder.read_manifest().scenarios
    }
    right, hasty = counts["right"], counts["hasty"]
    assert right["churn_returns_in_grace"] > 0, result.stderr
    assert right["churn_false_offline"] == 0
    assert hasty["churn_false_offline"] > 0
    for arm, counted in counts.items():
        assert counted["churn_watched"] == (20 - 4) / 2 * (1 + 4)
        assert counted["churn_stale_at_rest"] == 0
        converged = sum(
            line.count
            for line in folder.read_histograms()
            if line.metric == "churn_convergence_us" and line.labels["arm"] == arm
        )
        assert converged == counted["churn_converged"] > 0
