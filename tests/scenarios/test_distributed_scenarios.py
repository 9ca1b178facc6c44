"""Every scenario that can be spread over several processes, in two of them, against the reference server."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from load_runs import channel, free_port, run

from reports.gate.stored import damages
from reports.measurements import read_measurements
from scenarios.generator_health import is_generators_own
from scenarios.run_folder import RunFolder

# Metrics that both workers have to have lines of, beside the options that suit the smallest data set.
SCENARIOS = {
    "fanout": ("delivery_us", ("--users", "18", "--group-sizes", "4,12", "--non-members", "2")),
    "pagination": ("request_us", ("--users", "8", "--rate", "20")),
    "presence": ("presence_delivery_us", ("--users", "14", "--watchers", "3,4", "--rate", "20")),
    "receipts": ("receipt_us", ("--users", "12", "--group-sizes", "2,11", "--rate", "30")),
    "index_load": ("request_us", ("--users", "8", "--rate", "30")),
    "inbox": ("request_us", ("--users", "12", "--conversations", "9,25", "--rate", "20")),
    "soak": (
        "soak_delivery_us",
        ("--users", "12", "--group-sizes", "3,8", "--hours", "0.1", "--compress", "120", "--rate", "0.3"),
    ),
    "hot_conversation": ("room_delivery_us", ("--users", "6", "--rates", "20,40", "--window-seconds", "0.3")),
    "typing_indicators": (
        "typing_delivery_us",
        (
            *("--users", "12", "--audiences", "2,4", "--typists", "1,2", "--rate", "30"),
            *("--window-seconds", "0.8", "--typing-expiry-seconds", "1"),
        ),
    ),
    "connect_storm": (
        "reconnect_us",
        (
            *("--users", "12", "--group-size", "3", "--conversations", "2", "--rate", "30"),
            *("--outage-seconds", "0.4", "--window-seconds", "0.3"),
        ),
    ),
    "mixed_day": ("day_action_us", ("--users", "12", "--rate", "40", "--day-seconds", "3")),
    "presence_churn": (
        "churn_convergence_us",
        ("--users", "14", "--watchers", "1,3", "--rate", "20", "--grace-seconds", "0.5"),
    ),
    "migration": (
        "migration_action_us",
        ("--users", "8", "--rate", "30", "--stages", "0,100", "--stage-seconds", "1"),
    ),
    "replica": ("replica_request_us", ("--users", "8", "--rate", "40", "--window-seconds", "0.3")),
    "noop": (
        "presence_delivery_us",
        ("--users", "14", "--group-sizes", "4,12", "--watchers", "3", "--window-seconds", "0.3"),
    ),
}

# How long it takes until there is something to see, where that is longer than for the others.
SECONDS = {"typing_indicators": "5", "connect_storm": "5", "presence_churn": "4", "migration": "6", "soak": "5"}
SECONDS["mixed_day"] = "5"  # a limit, as the migration's and the soak's: they end by themselves
WITHOUT_LEDGER = {"index_load", "inbox", "presence_churn"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_make_one_run(chat_server: Callable[..., str], tmp_path: Path, name: str) -> None:
    """Both measure, their books add up to nothing missing, and what the verdict may hold against it is their speed."""
    metric, options = SCENARIOS[name]
    processes = ("--processes", "2", *channel(free_port()))
    brief = ("--measured-seconds", SECONDS.get(name, "1.5"), "--drain-seconds", "4")
    code, said = run(name, chat_server(), tmp_path, *brief, *options, *processes, run_time="40s")
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    assert [(worker.name, worker.lost) for worker in record.workers] == [("1", False), ("2", False)], said
    assert all(is_generators_own(reason) for reason in record.reasons), said
    assert code == (3 if record.reasons else 0), said
    assert "Traceback" not in said
    measured: Counter[str] = Counter()
    for line in folder.read_histograms():
        if line.metric == metric:
            measured[line.worker] += line.count
    assert set(measured) == {"1", "2"}, said
    assert record.started > 0
    assert damages(read_measurements(tmp_path)) == []
    ledgers = folder.read_ledger().ledgers
    for totals in ledgers:
        assert totals.expected == totals.delivered + totals.superseded, said
        assert totals.missing == totals.duplicate == totals.leaked == 0, said
    assert (sum(totals.expected for totals in ledgers) > 0) == (name not in WITHOUT_LEDGER), said
