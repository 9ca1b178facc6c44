"""Every scenario that can be spread over several processes, in two of them, against the reference server."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from load_runs import channel, free_port, run

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
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_make_one_run(chat_server: Callable[..., str], tmp_path: Path, name: str) -> None:
    """Both measure, their books add up to nothing missing, and what the verdict may hold against it is their speed."""
    metric, options = SCENARIOS[name]
    processes = ("--processes", "2", *channel(free_port()))
    code, said = run(name, chat_server(), tmp_path, *options, "--drain-seconds", "4", *processes, run_time="8s")
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
    for totals in folder.read_ledger().ledgers:
        assert totals.expected == totals.delivered + totals.superseded > 0, said
        assert totals.missing == totals.duplicate == totals.leaked == 0, said
