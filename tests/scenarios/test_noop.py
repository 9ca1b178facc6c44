"""The harness against the stand-in, which needs no server and no database."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from scenarios import histograms
from scenarios.local_target import StandIn, Target
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord

NOBODY = "http://127.0.0.1:9"  # nothing listens there, and nothing is asked
QUICK = ("--users", "14", "--group-sizes", "4,12", "--window-seconds", "0.4", "--message-rate", "40", "--watchers", "3")


def counted(record: ScenarioRecord, name: str) -> dict[tuple[str, ...], float]:
    """An exact count by the values of its labels, in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(count.labels.items())): count.value
        for count in record.counts
        if count.name == name
    }


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Target]:
    """A stand-in of the test's own."""
    with StandIn(tmp_path / "stand-in.log") as target:
        yield target


def test_every_figure_comes_without_a_server(run_scenario: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """Requests and deliveries are timed each, windows add up, units have their cost, and the stand-in is gone."""
    code, said = run_scenario("noop", NOBODY, *QUICK, run_time="9s")
    folder = RunFolder(tmp_path)
    manifest = folder.read_manifest()
    (record,) = manifest.scenarios
    assert code == (3 if manifest.reasons else 0)
    assert all("generator" in reason for reason in manifest.reasons), said
    assert record.failed == 0, said
    assert "attempts to reconnect" not in said
    timed: Counter[str] = Counter()
    for line in folder.read_histograms():
        timed[line.metric] += histograms.decode(line.payload).get_total_count()
    *ledgers, receipts, typing, changes = folder.read_ledger().ledgers
    assert timed["request_us"] == record.started - changes.messages - typing.messages > 0
    for signals, metric in ((receipts, "receipt_us"), (typing, "typing_us")):
        assert signals.expected == signals.delivered == timed[metric] > 0
        assert 3 * signals.messages <= signals.expected <= 11 * signals.messages
        assert signals.leaked == 0
    assert timed["start_delay_us"] == record.started
    assert timed["delivery_us"] == sum(totals.delivered for totals in ledgers) > 0
    for totals in ledgers:
        assert totals.expected == totals.messages * int(totals.labels["group_size"])
        assert (totals.missing, totals.duplicate, totals.leaked) == (0, 0, 0)
    assert changes.expected == changes.delivered == 3 * changes.messages > 0
    assert timed["presence_delivery_us"] == timed["presence_wire_bytes"] == changes.delivered
    assert timed["presence_convergence_us"] == changes.messages
    assert (changes.duplicate, changes.leaked) == (0, 0)
    operations = counted(record, "noop_operations")
    assert set(operations) == {("idle",), ("requests",), ("messages",), ("changes",), ("receipts",), ("typing",)}
    assert 0 < operations["changes",] <= changes.messages
    assert operations["idle",] == 0
    # What was begun in the window that the end of the run cut off belongs to none.
    assert 0 < operations["messages",] <= sum(totals.messages for totals in ledgers)
    assert 0 < operations["requests",] <= record.started - operations["messages",] - operations["changes",]
    deliveries = counted(record, "noop_deliveries")
    assert 4 * operations["messages",] <= deliveries["messages",] <= 12 * operations["messages",]
    assert deliveries["requests",] == 0
    costs = counted(record, "noop_cpu_us")
    units = {unit for _, unit in costs}
    assert units == {"request", "message", "delivery", "change", "receipt", "typing"}
    for unit in units:
        assert costs["low", unit] <= costs["estimate", unit] <= costs["high", unit]
    assert costs["estimate", "message"] > costs["estimate", "delivery"]
    assert str(manifest.scenarios[0].options["host"]) != NOBODY
    port = str(record.options["host"]).rpartition(":")[2]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)


def test_groups_that_do_not_fit_are_refused(run_scenario: Callable[..., tuple[int, str]]) -> None:
    """Exit code 2, one sentence."""
    code, said = run_scenario("noop", NOBODY, "--users", "5")
    assert code == 2
    assert "groups of 10,50 do not fit 5 users" in said
    assert "Traceback" not in said
    code, said = run_scenario("noop", NOBODY, "--users", "60", "--watchers", "60")
    assert code == 2
    assert "--watchers 60 of 60 users leave nobody to watch" in said


def test_the_stand_in_says_what_it_does_not_know(stand_in: Target) -> None:
    """A page of 50, and a sentence for everything else."""
    page = httpx.get(f"{stand_in.http_url}/v1/conversations/x/messages?limit=50", trust_env=False).json()
    assert [message["seq"] for message in page["messages"]] == list(range(50, 0, -1))
    assert page["has_more"] is False
    refused = httpx.get(f"{stand_in.http_url}/v1/conversations", trust_env=False)
    assert refused.status_code == 404
    assert "the stand-in has no GET /v1/conversations" in refused.json()["message"]
