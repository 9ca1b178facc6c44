"""`chatbench run replica`: a server per policy on one primary and its replica, which go with the run."""

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.postgres import EmbeddedPostgres
from scenarios.run_folder import RunFolder

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """Not pytest's own: those are closed to other users, and root's embedded PostgreSQL runs as another user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_each_policy_is_served_as_it_says(chatbench: Chatbench, empty_folder: Path) -> None:
    """Only `eventual` may be stale and reads nothing from the primary; nothing that was acknowledged is lost."""
    arguments = ("run", "replica", "--size", "tiny", "--seconds", 12, "--option", "window-seconds=0.4", "--json")
    document = json.loads(chatbench(*arguments, folder=empty_folder).stdout)
    folder = RunFolder(empty_folder / document["files"]["run"])
    manifest = folder.read_manifest()
    (record,) = manifest.scenarios
    assert all("generator" in reason for reason in manifest.reasons), manifest.reasons
    assert record.failed == 0, record.warnings
    served: dict[str, Counter[str]] = {}
    stale: Counter[str] = Counter()
    for count in record.counts:
        if count.name == "replica_reads":
            served.setdefault(count.labels["policy"], Counter())[count.labels["served_by"]] += int(count.value)
        elif count.name == "replica_stale_reads":
            stale[count.labels["policy"]] += int(count.value)
    assert set(served) == {"no replica", "primary", "wait", "eventual"}
    assert set(served["no replica"]) == {"primary"}
    assert served["primary"]["primary"] > 0
    assert served["primary"]["replica"] > 0
    assert served["wait"]["replica"] > served["wait"]["primary"]
    assert set(served["eventual"]) == {"replica"}
    assert stale["no replica"] == stale["primary"] == stale["wait"] == 0
    for totals in folder.read_ledger().ledgers:
        assert totals.expected > 0
        assert (totals.missing, totals.duplicate) == (0, 0)
    left = [process.pid for process in psutil.process_iter(["cmdline"]) if str(empty_folder) in str(process.info)]
    assert left == []


def test_a_given_database_has_no_embedded_replica(
    chatbench: Chatbench, postgres: EmbeddedPostgres, empty_folder: Path
) -> None:
    """One sentence with the way out, exit code 2."""
    url = postgres.url("postgres")
    result = chatbench("run", "replica", "--size", "tiny", "--database-url", url, folder=empty_folder)
    assert result.returncode == 2
    assert "leave out --database-url" in result.stderr
