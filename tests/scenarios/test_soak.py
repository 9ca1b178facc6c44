"""A soak finds what grows."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.gate.stored import damages
from reports.measurements import read_measurements
from scenarios.local_target import Target
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord

QUICK = ("--users", "12", "--group-sizes", "3,8", "--arrivals", "fixed", "--drain-seconds", "2")


def counted(record: ScenarioRecord, name: str) -> dict[tuple[str, ...], float]:
    """An exact count by the values of its labels, in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(count.labels.items())): count.value
        for count in record.counts
        if count.name == name
    }


def test_what_a_server_hoards_is_found(
    scripted_server: Callable[..., Any], run_scenario: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """One descriptor and 200 kB per message: the slope is that of the messages, per hour of the soak's own time."""
    server = scripted_server(hoard_bytes=200_000)
    options = ("--hours", "0.02", "--compress", "10", "--rate", "2.5", "--server-pid", str(server.process.pid))
    _, said = run_scenario("soak", server.url, *QUICK, *options, run_time="40s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    slopes = counted(record, "soak_slope_per_hour")
    per_hour = 2.5 * 3600
    assert slopes["low", "server", "descriptors"] > 0, said
    assert slopes["estimate", "server", "descriptors"] == pytest.approx(per_hour, rel=0.3)
    assert slopes["estimate", "server", "memory_kib"] == pytest.approx(per_hour * 200_000 / 1024, rel=0.3)
    assert "growth in the server: open descriptors" in said
    assert slopes["low", "generator", "descriptors"] < per_hour / 20
    assert {key[1] for key in counted(record, "soak_latency_ratio")} == {"50", "95"}


def test_connections_come_and_go_and_nothing_is_lost(
    run_scenario: Callable[..., tuple[int, str]],
    live_server: Target,
    ask_database: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    """Every reconnect comes back with what it missed: the ledger is even, and has what the database has."""
    options = ("--hours", "1", "--compress", "900", "--rate", "0.03", "--server-pid", str(live_server.process_id))
    _, said = run_scenario("soak", live_server.http_url, *QUICK, *options, run_time="40s")
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    reconnects = counted(record, "soak_reconnects")
    assert set(reconnects) == {("back",)}, said
    assert reconnects["back",] > 12
    assert record.failed == 0
    assert damages(read_measurements(tmp_path)) == []
    ledgers = folder.read_ledger().ledgers
    (stored,) = ask_database("SELECT count(*) FROM chat_messages WHERE content LIKE 'cb1.%'")
    assert sum(totals.messages for totals in ledgers) == stored["count"] > 50
    blocks: Counter[str] = Counter()
    for line in folder.read_histograms():
        if line.metric == "soak_delivery_us":
            blocks[line.labels["block"]] += line.count
    assert set(blocks) == {str(number) for number in range(1, 13)}
    assert blocks.total() <= sum(totals.delivered for totals in ledgers)
    for totals in ledgers:
        assert totals.expected == totals.messages * int(totals.labels["group_size"])
        assert (totals.missing, totals.duplicate, totals.leaked) == (0, 0, 0), said


def test_a_soak_that_ends_early_says_so(
    scripted_server: Callable[..., Any], run_scenario: Callable[..., tuple[int, str]]
) -> None:
    """And that too little was seen of a server whose process nobody named."""
    _, said = run_scenario("soak", scripted_server().url, *QUICK, "--compress", "1", run_time="3s")
    assert "the soak ended before its 2520 s" in said
    assert "too few blocks to fit memory of the generator" in said
    assert "--server-pid" in said


def test_groups_that_do_not_fit_are_refused(
    scripted_server: Callable[..., Any], run_scenario: Callable[..., tuple[int, str]]
) -> None:
    """Exit code 2, one sentence."""
    code, said = run_scenario("soak", scripted_server().url, "--users", "5")
    assert code == 2
    assert "groups of 10,50 do not fit 5 users" in said
    assert "Traceback" not in said
