"""Every kind of arm, on real parts; an arm that dies half-way; an interrupt."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.postgres import EmbeddedPostgres
from scenarios.arms import Arm
from scenarios.place import own_arms
from scenarios.run_folder import RunFolder

ROOT = Path(__file__).parent.parent.parent
SHORT = ("--blocks", 1, "--rounds", 1, "--round-seconds", 1, "--rate", 40, "--json")
STRATEGY = "roadmap_membership"
WAIT_SECONDS = 120  # reached only by what fails

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]


def judged(result: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The document of a comparison that was too short to judge times, and measured whole."""
    assert result.returncode == 3, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["reasons"] == [] or all("generator" in reason for reason in document["reasons"])
    return document


def counters(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The counters by name."""
    return {one["name"]: one for one in document["counters"]}


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no checkout")
def test_a_git_ref_and_an_installed_version(chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Each makes its data set by its own code, and the sets are the same."""
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(checkout)], check=True, capture_output=True)
    url = ("--database-url", postgres.url("postgres"))
    document = judged(chatbench("ab", "HEAD", f"python:{sys.executable}", *SHORT, *url, folder=checkout))
    assert document["title"] == f"HEAD (base) against python:{sys.executable} (head)"
    (run,) = (checkout / "out" / "runs").iterdir()
    # On a busy machine the generator may be late, and its blocks replaced.
    assert [record.block for record in RunFolder(run).read_manifest().scenarios][:1] == [0]


def test_two_strategies_are_told_apart_by_counters(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """One second is too short for times; without indexes a request asks for many times the pages."""
    url = ("--database-url", postgres.url("postgres"))
    result = chatbench("ab", f"strategy:{STRATEGY}", "strategy:none", *SHORT, *url, folder=tmp_path)
    document = judged(result)
    assert f"strategy differs: {STRATEGY} in base, none in head" in document["remarks"]
    found = counters(document)
    assert found["buffers_per_request"]["verdict"] == "REGRESSED"
    assert found["rows_written_per_message"]["verdict"] == "PASS"
    assert found["cold_updates_per_message"]["verdict"] == "IMPROVED"
    assert found["wal_records_per_message"]["verdict"] == "IMPROVED"  # no entries of indexes
    assert found["statements_per_request"]["base"] > 1


def test_rounds_are_as_long_as_enough_operations_take(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Where the rate is measured: half a second is asked for, and every metric still gets its 200."""
    few = ("--blocks", 1, "--rounds", 1, "--round-seconds", 0.5, "--json", "--database-url", postgres.url("postgres"))
    document = judged(chatbench("ab", ".", ".", *few, folder=tmp_path))
    assert all("operations in one round" not in one["sentence"] for one in document["metrics"])
    assert all("run at least" in one["sentence"] for one in document["metrics"])  # one round is too few all the same


def test_two_urls_of_servers_that_run(chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Their databases are not ours to look into; what they say themselves is compared."""
    cluster_url = postgres.url("postgres")
    arms = [Arm(name, "small", STRATEGY) for name in ("one", "two")]
    opened = own_arms(
        cluster_url, arms, seed=1, login_key="chatbench", log_folder=tmp_path, progress=lambda _step, _share: None
    )
    with opened as places:
        urls = [places[name].target.http_url for name in ("one", "two")]
        document = judged(chatbench("ab", *urls, *SHORT, "--database-url", cluster_url, folder=tmp_path))
    assert document["title"] == f"{urls[0]} (base) against {urls[1]} (head)"
    assert "statements_per_request" in counters(document)
    assert not {"buffers_per_request", "wal_records_per_message"} & counters(document).keys()


def test_two_data_sets_are_not_compared(chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Exit code 2, with the way out; no run is left of it."""
    cluster_url = postgres.url("postgres")
    arms = [Arm(size, size, STRATEGY) for size in ("small", "tiny")]
    opened = own_arms(
        cluster_url, arms, seed=1, login_key="chatbench", log_folder=tmp_path, progress=lambda _step, _share: None
    )
    with opened as places:
        urls = [places[name].target.http_url for name in ("small", "tiny")]
        result = chatbench("ab", *urls, *SHORT, "--database-url", cluster_url, folder=tmp_path)
    assert result.returncode == 2, result.stdout
    assert "the servers hold different data sets" in result.stderr
    assert "seed both with the same size and seed" in result.stderr
    assert not list((tmp_path / "out" / "runs").glob("*"))


def _child(process: "subprocess.Popen[str]", *words: str, number: int = 0) -> psutil.Process:
    """The n-th child whose command holds these words, once it is there."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        found = sorted((one for one in children if _says(one, words)), key=lambda one: one.create_time())
        if len(found) > number:
            return found[number]
    raise AssertionError(f"no {words} among the children")


def _says(process: psutil.Process, words: tuple[str, ...]) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    return all(word in command for word in words)


@pytest.fixture
def long_comparison(
    start_chatbench: Callable[..., "subprocess.Popen[str]"], postgres: EmbeddedPostgres, tmp_path: Path
) -> "subprocess.Popen[str]":
    """A comparison of which something is measured already."""
    url = ("--database-url", postgres.url("postgres"))
    long = ("--blocks", 3, "--rounds", 30, "--round-seconds", 1, "--rate", 40, "--json")
    process = start_chatbench("ab", ".", ".", *long, *url, folder=tmp_path)
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while not any((tmp_path / "out" / "runs").glob("*/histograms.jsonl")):
        assert time.monotonic() < deadline, "nothing is measured"
        assert process.poll() is None, process.communicate()
        pause.wait(0.05)
    return process


def test_an_arm_that_dies_half_way_is_no_pass(long_comparison: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """Exit code 3, which arm and when; what was measured stays, and nothing more is measured."""
    _child(long_comparison, "reference_server", number=1).kill()
    output, complaints = long_comparison.communicate(timeout=WAIT_SECONDS)
    assert long_comparison.returncode == 3, complaints
    document = json.loads(output)
    assert document["verdict"] == "INVALID"
    assert any(reason.startswith("head ended in block 1") for reason in document["reasons"])
    (run,) = (tmp_path / "out" / "runs").iterdir()
    assert len(RunFolder(run).read_manifest().scenarios) == 1


def test_a_block_whose_generator_was_late_is_replaced(
    start_chatbench: Callable[..., "subprocess.Popen[str]"], postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """By a fresh one, whose rounds count in its stead; the verdict's page and its remarks tell why."""
    url = ("--database-url", postgres.url("postgres"))
    process = start_chatbench(
        "ab", ".", ".", "--blocks", 1, "--rounds", 3, "--round-seconds", 2, "--rate", 40, *url, folder=tmp_path
    )
    generator, pause = _child(process, "locust"), threading.Event()
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(b'"block"' in one.read_bytes() for one in (tmp_path / "out" / "runs").glob("*/run.json")):
        assert time.monotonic() < deadline, "no block has begun"
        pause.wait(0.02)
    generator.send_signal(signal.SIGSTOP)
    pause.wait(2)  # the lateness itself: of a third of the starts
    generator.send_signal(signal.SIGCONT)
    output, complaints = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 3, complaints  # three rounds are too few to judge
    assert "duet (pair, block 1) was replaced by a fresh block: generator " in output
    (run,) = (tmp_path / "out" / "runs").iterdir()
    first, second, *_ = RunFolder(run).read_manifest().scenarios
    assert (first.replaced, first.reasons) == (True, [])
    assert second.block == 1


def test_an_interrupt_keeps_what_was_measured(long_comparison: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """Exit code 3 and a document that says so."""
    long_comparison.send_signal(signal.SIGINT)
    output, complaints = long_comparison.communicate(timeout=WAIT_SECONDS)
    assert long_comparison.returncode == 3, complaints
    assert any("cut short" in reason for reason in json.loads(output)["reasons"])
    (run,) = (tmp_path / "out" / "runs").iterdir()
    assert RunFolder(run).read_manifest().cut_short
