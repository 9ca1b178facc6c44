"""Runs that last longer than a token: users log in again, connections that end with theirs are resumed without loss."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from load_runs import counts, run
from ready_record import ready_record

from scenarios.run_folder import RunFolder

TOKEN_SECONDS = 4
RUN_SECONDS = 12  # three generations of tokens


@pytest.fixture
def served(start_chatbench: Callable[..., "subprocess.Popen[str]"], tiny_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a real server whose tokens are short-lived."""
    arguments = ["serve", "--database-url", tiny_url, "--http-port", 0, "--gateway-port", 0, "--json"]
    arguments += ["--set", f"token_lifetime_seconds={TOKEN_SECONDS}"]
    with start_chatbench(*arguments, folder=tmp_path) as process:
        yield ready_record(process)["http_url"]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_fanout_outlives_its_tokens(served: str, tmp_path: Path) -> None:
    """Every connection ends several times in the run, and the ledger stays clean: each delivery came exactly once."""
    options = ("--users", "12", "--group-sizes", "2,8", "--non-members", "2", "--rate", "20")
    _, said = run("fanout", served, tmp_path, *options, run_time=f"{RUN_SECONDS}s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    ledgers = RunFolder(tmp_path).read_ledger().ledgers
    assert record.seconds > 2 * TOKEN_SECONDS, said
    assert sum(totals.expected for totals in ledgers) > 100
    for totals in ledgers:
        assert totals.delivered == totals.expected, said
        assert (totals.missing, totals.duplicate, totals.reordered, totals.leaked) == (0, 0, 0, 0), said
    assert record.failed == 0, said
    assert any("ended with their token" in warning for warning in record.warnings)
    assert not any("ended unasked" in warning or "could not" in warning for warning in record.warnings)
    assert counts(tmp_path)["delivery_us"] == sum(totals.delivered for totals in ledgers)


def test_presence_outlives_its_tokens(served: str, tmp_path: Path) -> None:
    """Watchers who come back are told the states of now: nothing is missing, what they slept through is superseded."""
    options = ("--users", "9", "--watchers", "1,4", "--rate", "10")
    _, said = run("presence", served, tmp_path, *options, run_time=f"{RUN_SECONDS}s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    ledgers = RunFolder(tmp_path).read_ledger().ledgers
    assert record.seconds > 2 * TOKEN_SECONDS, said
    assert sum(totals.delivered for totals in ledgers) > 50
    for totals in ledgers:
        assert (totals.missing, totals.duplicate, totals.leaked) == (0, 0, 0), said
    assert record.failed == 0, said
    assert any("ended with their token" in warning for warning in record.warnings)


def test_pagination_outlives_its_tokens(served: str, tmp_path: Path) -> None:
    """Walks go on with renewed tokens: no page is refused, no message lost."""
    options = ("--users", "4", "--rate", "3", "--write-rate", "2")
    _, said = run("pagination", served, tmp_path, *options, run_time=f"{RUN_SECONDS}s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert record.seconds > TOKEN_SECONDS, said
    assert record.failed == 0, said
    assert {(totals.missing, totals.duplicate) for totals in RunFolder(tmp_path).read_ledger().ledgers} == {(0, 0)}
