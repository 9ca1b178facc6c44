"""Tests of the laboratory as a suite of pytest-benchmark, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_sessions import environment_of_its_own

ROOT = Path(__file__).parents[3]


def run_pytest(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "scenarios/queries", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment_of_its_own())


@pytest.fixture(scope="module")
def document(cluster_url: str, bare_template: str, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the suite says of two strategies and two statements."""
    assert bare_template
    path = tmp_path_factory.mktemp("suite") / "benchmarks.json"
    what = ("-k", "(list_members and large) or (send_message and hot)", "--benchmark-json", path)
    size = ("--size", "tiny", "--blocks", 2, "--executions", 12, "--strategies", "none,roadmap")
    result = run_pytest("--benchmark-only", *size, *what, "--database-url", cluster_url)
    assert result.returncode == 0, result.stdout + result.stderr
    found: dict = json.loads(path.read_text())
    return found


def test_strategies_stand_side_by_side(document: dict) -> None:
    """A group per statement and class, with a benchmark per strategy that has every execution of every block."""
    groups: dict[str, list[dict]] = {}
    for one in document["benchmarks"]:
        groups.setdefault(one["group"], []).append(one)
    assert set(groups) == {"list_members (large)", "send_message (hot)"}
    for benchmarks in groups.values():
        assert {one["params"]["cell"][2] for one in benchmarks} == {"none", "roadmap"}
        assert {one["stats"]["rounds"] for one in benchmarks} <= {20, 22, 24}
        assert all(0 < one["stats"]["min"] <= one["stats"]["median"] < 5 for one in benchmarks)


def test_counters_plan_and_verdict_are_told(document: dict) -> None:
    """The roadmap's index on members saves buffers and shows in the plan; its others take HOT and cost WAL."""
    told = {(one["group"], one["params"]["cell"][2]): one["extra_info"] for one in document["benchmarks"]}
    none, roadmap = (told["list_members (large)", name] for name in ("none", "roadmap"))
    assert roadmap["buffers"] < none["buffers"]
    assert any("Index" in line and roadmap["indexes"][0] in line for line in roadmap["plan"])
    assert none["verdict"] == "baseline"
    assert roadmap["verdict"] in {"better", "worse", "same", "unsure"}
    none, roadmap = (told["send_message (hot)", name] for name in ("none", "roadmap"))
    assert roadmap["hot_share"] == 0 < none["hot_share"]
    assert roadmap["wal_bytes"] > none["wal_bytes"]


def test_nothing_is_measured_unless_it_is_asked_for(cluster_url: str) -> None:
    """Without --benchmark-only every benchmark is skipped."""
    result = run_pytest("-q", "-k", "find_user", "--database-url", cluster_url)
    assert result.returncode == 0, result.stdout
    assert "skipped" in result.stdout
    assert "passed" not in result.stdout
