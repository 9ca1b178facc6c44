"""The Locust files as users run them: real processes, against a server that misbehaves as scripted."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from load_runs import FANOUT, channel, counts, free_port, ledgers, python, run, start, truth

from scenarios.catalogue import COMMON_OPTIONS, SCENARIOS
from scenarios.run_folder import RunFolder
from scenarios.run_records import RunManifest


def test_fanout_counts_every_injected_fault_exactly(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Loss, duplicates, reordering, late frames and leaks: the ledger equals what the server really did."""
    server = scripted_server(
        drop_every=7, double_every=11, hold_every=13, leak_every=10, delay_every=41, delay_seconds=0.9
    )
    # Far above what an injected delay or a busy machine adds, and below the injected one.
    _, said = run("fanout", server.url, tmp_path, *FANOUT, "--deadline-ms", "600", "--rate", "30")
    found = truth(server, lambda members: str(len(members)))
    told = ledgers(tmp_path, "group_size")
    assert set(told) == {"2", "5", "12"}, said
    for size, counter in found.items():
        if size in told:
            totals = told[size]
            assert Counter({name: getattr(totals, name) for name in counter}) == counter, (size, said)
            assert totals.expected > 0
    for fault in ("missing", "duplicate", "reordered", "leaked"):
        assert sum(getattr(totals, fault) for totals in told.values()) > 0
    assert sum(totals.late for totals in told.values()) == server.get("/log")["delayed"]
    assert "came to non-members" in said


def test_fanout_times_every_delivery(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Without faults the books are even, and each delivery is in each of its histograms."""
    code, said = run("fanout", scripted_server().url, tmp_path, *FANOUT, cwd=tmp_path)
    manifest = RunFolder(tmp_path).read_manifest()
    told = ledgers(tmp_path, "group_size").values()
    delivered = sum(totals.delivered for totals in told)
    messages = sum(totals.messages for totals in told)
    recorded = counts(tmp_path)
    assert delivered == sum(totals.expected for totals in told) > 0, said
    for metric in ("delivery_us", "delivery_observed_us", "delivery_wire_bytes", "delivery_content_bytes"):
        assert recorded[metric] == delivered
    for metric in ("delivery_first_us", "delivery_median_us", "delivery_p95_us", "delivery_last_us", "request_us"):
        assert recorded[metric] == messages
    assert recorded["start_delay_us"] == manifest.scenarios[0].started == messages
    assert recorded["generator_loop_lag_us"] > 0
    assert code == (3 if manifest.verdict == "INVALID" else 0)
    assert manifest.finished_at is not None
    assert manifest.scenarios[0].options["group_sizes"] == "2,5,12"
    workload = {row.name: row for row in manifest.scenarios[0].workload}
    assert (workload["group_sizes"].value, workload["rate"].unit) == ("2,5,12", "messages/s")
    assert workload["group_sizes"].source.startswith("given: ")
    assert workload["rate"].source.startswith("guess")


@pytest.mark.parametrize("processes", [(), ("--processes", "2")])
def test_a_preparation_beyond_the_run_time_ends_in_a_sentence(
    scripted_server: Callable[..., Any], tmp_path: Path, processes: tuple[str, ...]
) -> None:
    """Exit code 3: Locust's timer of --run-time has run since before the preparation, and nothing was measured."""
    server = scripted_server(preparing_seconds=60)
    more = (*processes, *channel(free_port())) if processes else ()
    code, said = run("fanout", server.url, tmp_path, *FANOUT, *more, run_time="2s")
    assert code == 3, said
    assert said.count("chatbench: nothing was measured: the run ended") == 1
    assert "use a --run-time (chatbench: --seconds) above 2 s" in said
    assert "Traceback" not in said


def test_the_measured_time_begins_after_the_preparation(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """However long it took, no operation was meant to start during it."""
    code, said = run("fanout", scripted_server(preparing_seconds=3).url, tmp_path, *FANOUT, run_time="7s")
    manifest = RunFolder(tmp_path).read_manifest()
    (record,) = manifest.scenarios
    assert 0 < record.seconds < 4.5, said
    assert record.late < record.started
    assert code == (3 if manifest.verdict == "INVALID" else 0)


def test_a_shape_moves_the_starts_of_an_open_loop(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Without load for a second, then with three times the rate: recorded, and as many starts as the integral says."""
    options = ("--rate", "20", "--arrivals", "fixed", "--shape", "1s@0,1s@3,1s@0", "--group-sizes", "2")
    _, said = run("fanout", scripted_server().url, tmp_path, *FANOUT, *options, run_time="5s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert record.options["shape"] == "1s@0,1s@3,1s@0"
    assert record.started == 60, said


def test_presence_counts_superseded_changes(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """What a newer status overtook is superseded, what nothing followed is missing, as the server's log says."""
    server = scripted_server(drop_every=9)
    options = ("--users", "15", "--watchers", "1,4", "--rate", "60", "--drain-seconds", "1")
    _, said = run("presence", server.url, tmp_path, *options)
    told = server.get("/log")
    newest: dict[tuple[str, str], int] = {}
    for watcher, user, version in told["log"]:
        newest[watcher, user] = max(version, newest.get((watcher, user), 0))
    versions = Counter(user for user, _ in told["acknowledged"])
    books = ledgers(tmp_path, "watchers")
    assert set(books) == {"1", "4"}, said
    assert sum(totals.messages for totals in books.values()) == len(told["acknowledged"])
    assert sum(totals.delivered for totals in books.values()) == len(told["log"])
    known = sum(newest.values())
    assert sum(totals.superseded for totals in books.values()) == known - len(told["log"]) > 0
    assert sum(totals.missing for totals in books.values()) == sum(totals.expected for totals in books.values()) - known
    assert sum(versions.values()) > 0
    assert counts(tmp_path)["presence_delivery_us"] == len(told["log"])


def test_pagination_finds_the_lost_row(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """A row that pages never show is counted as lost each time a walk passes it; all else is there once."""
    server = scripted_server(lose_seq=2990)
    _, said = run("pagination", server.url, tmp_path, "--users", "6", "--rate", "10", "--page-size", "20")
    books = ledgers(tmp_path, "weight")
    assert books["heavy"].missing > 0, said
    assert {books["heavy"].duplicate, books["median"].missing, books["median"].duplicate} == {0}
    depths = {
        line.labels["depth"]
        for line in RunFolder(tmp_path).read_histograms()
        if line.metric == "request_us" and line.labels["request"] == "get_messages"
    }
    assert {"1", "2-9"} <= depths
    assert depths & {"10-99", "100-999"}  # some walks begin deep
    assert "paging lost" in said


def test_a_server_that_dies_makes_the_run_invalid_and_keeps_what_was_measured(
    scripted_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Exit code 3, one reason that names the server, and the deliveries until then."""
    server = scripted_server(die_after=30)
    code, said = run("fanout", server.url, tmp_path, *FANOUT, run_time="30s")
    manifest = RunFolder(tmp_path).read_manifest()
    assert code == 3
    assert manifest.verdict == "INVALID"
    assert any("stopped answering" in reason for reason in manifest.reasons)
    assert counts(tmp_path)["delivery_us"] > 0
    assert "Traceback" not in said
    assert said.count("\n") < 60


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_ended_by_a_signal_still_writes(
    scripted_server: Callable[..., Any], tmp_path: Path, how: signal.Signals
) -> None:
    """Ctrl-C in the middle: books closed, histograms flushed, marked as cut short."""
    server = scripted_server()
    with start("fanout", server.url, tmp_path, *FANOUT, "--progress", run_time="60s") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("chatbench-progress") and '"second": 2' in line:
                break
        process.send_signal(how)
        said = process.stderr.read()
    manifest = RunFolder(tmp_path).read_manifest()
    assert manifest.cut_short, said
    assert manifest.finished_at is not None
    assert sum(totals.delivered for totals in ledgers(tmp_path, "group_size").values()) > 0
    assert counts(tmp_path)["delivery_us"] > 0
    assert process.returncode in {0, 3}


def test_scenarios_share_a_run_folder(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """A tour: each scenario adds its record, its ledgers and its lines, on the run's own clock."""
    server = scripted_server()
    run("fanout", server.url, tmp_path, *FANOUT, run_time="2s")
    run("pagination", server.url, tmp_path, "--users", "4", run_time="2s")
    folder = RunFolder(tmp_path)
    manifest: RunManifest = folder.read_manifest()
    assert [one.name for one in manifest.scenarios] == ["fanout", "pagination"]
    fanout, pagination = manifest.scenarios
    assert pagination.started_second > fanout.started_second
    seconds = {line.second for line in folder.read_histograms() if line.labels["scenario"] == "pagination"}
    assert min(seconds) >= pagination.started_second
    assert {totals.scenario for totals in folder.read_ledger().ledgers} == {"fanout", "pagination"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--host", "http://10.1.2.3"), "--allow-remote"),
        (("--users", "4000"), "4000 users are asked for"),
        (("--users", "18", "--group-sizes", "100"), "no group of 100 fits 18 users"),
        (("--users", "18", "--login-key", "wrong"), "--login-key"),
        (("--run-folder", "/does/not/exist"), "is no folder"),
        (("--group-sizes", "two"), "not a list of whole numbers"),
    ],
)
def test_bad_input_is_one_sentence(
    scripted_server: Callable[..., Any], tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, nothing measured, no traceback."""
    code, said = run("fanout", scripted_server().url, tmp_path, *options)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said
    assert not (tmp_path / "histograms.jsonl").exists()


def test_a_database_of_someone_else_is_named(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Without a data set nobody can log in as anyone."""
    code, said = run("presence", scripted_server(no_dataset=1).url, tmp_path)
    assert code == 2
    assert "chatbench seed" in said


def test_too_few_file_descriptors_are_told(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Before anything starts."""
    server = scripted_server()
    command = f"ulimit -n 210 && exec {sys.executable} -m locust -f {SCENARIOS['fanout'].file} --headless --users 50"
    result = subprocess.run(
        ["/bin/sh", "-c", f"{command} --host {server.url} --run-folder {tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert result.returncode == 2
    assert "50 users need 250 file descriptors" in result.stderr


def test_every_workload_number_names_its_source() -> None:
    """Measured, cited or guess."""
    code = (
        "import importlib, json, sys\n"
        "import scenarios.client.message_lengths as lengths\n"
        "tables = [lengths.WORKLOAD]\n"
        "tables += [importlib.import_module(f'scenarios.load.{name}').WORKLOAD for name in sys.argv[1:]]\n"
        "print(json.dumps([row.source for table in tables for row in table.values()]))\n"
    )
    sources = json.loads(python(code, *SCENARIOS))
    assert len(sources) > 20
    assert [source for source in sources if not source.startswith(("measured: ", "cited: ", "guess"))] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_help_shows_every_option(name: str) -> None:
    """What the catalogue documents is what the Locust file takes."""
    code = (
        "import importlib, sys\n"
        "importlib.import_module(f'scenarios.load.{sys.argv[1]}')\n"
        "from locust.argument_parser import get_parser\n"
        "print(get_parser().format_help())\n"
    )
    shown = python(code, name)
    assert [option for option in (*SCENARIOS[name].options, *COMMON_OPTIONS) if f"{option} " not in shown] == []
