"""Reading from replicas, against servers that misbehave as scripted."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import InputError
from scenarios.local_target import Target
from scenarios.peers import parse_peers, peers_text
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord

QUICK = ("--users", "8", "--rate", "30", "--window-seconds", "0.2", "--drain-seconds", "2")


def counted(record: ScenarioRecord, name: str, label: str) -> Counter[str]:
    """An exact count, summed over its other labels."""
    found: Counter[str] = Counter()
    for count in record.counts:
        if count.name == name:
            found[count.labels[label]] += int(count.value)
    return found


def test_every_stale_page_is_counted(
    scripted_server: Callable[..., Any], run_scenario: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """One server lies in every fourth page and the other never; what was sent is there in the end, on both."""
    honest, lying = scripted_server(), scripted_server(stale_every=4)
    _, said = run_scenario("replica", honest.url, *QUICK, "--peers", f"lying={lying.url}", run_time="5s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    reads = counted(record, "replica_reads", "policy")
    stale = counted(record, "replica_stale_reads", "policy")
    told = lying.get("/log")["stale"]
    assert reads["no replica"] > 0
    assert told == reads["lying"] // 4 > 0, said
    assert stale["no replica"] == 0
    # A page that is asked for while a message is on its way need not show it: the server cannot tell, the client can.
    assert told - 2 <= stale["lying"] <= told
    assert set(counted(record, "replica_windows", "read_share")) == {"50", "90"}
    assert set(counted(record, "replica_reads", "served_by")) == {"unknown"}
    assert record.started == sum(
        counted(record, "replica_reads", "request")[request] for request in ("read", "read_own")
    )


def test_a_server_without_a_replica_serves_everything_itself(
    run_scenario: Callable[..., tuple[int, str]],
    live_server: Target,
    ask_database: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    """The primary serves each page and none is stale; the database holds what was acknowledged."""
    _, said = run_scenario("replica", live_server.http_url, *QUICK, "--read-shares", "50", run_time="4s")
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    (totals,) = folder.read_ledger().ledgers
    reads = counted(record, "replica_reads", "served_by")
    assert set(reads) == {"primary"}, said
    assert reads.total() == record.started > 0
    assert counted(record, "replica_stale_reads", "policy") == {"as served": 0}
    (stored,) = ask_database("SELECT count(*) FROM chat_messages WHERE content LIKE 'cb1.%'")
    assert totals.expected == totals.delivered == stored["count"] > 6 * 20
    assert stored["count"] - 6 * 20 == counted(record, "replica_reads", "request")["read_own"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--read-shares", "50,100"), "leave no writes"),
        (("--peers", "wait"), "names no servers"),
        (("--peers", "wait=http://10.1.2.3"), "--allow-remote"),
        (("--peers", "no replica=http://127.0.0.1:1"), "names the target"),
        (("--users", "2"), "--users 2 make no conversation of 4"),
    ],
)
def test_bad_input_is_one_sentence(
    scripted_server: Callable[..., Any],
    run_scenario: Callable[..., tuple[int, str]],
    options: tuple[str, ...],
    sentence: str,
) -> None:
    """Exit code 2, no traceback."""
    code, said = run_scenario("replica", scripted_server().url, *options)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said


def test_peers_are_read_as_they_are_written() -> None:
    """NAME=URL, and back; a name stands once."""
    urls = {"wait": "http://127.0.0.1:1", "eventual": "http://127.0.0.1:2"}
    assert parse_peers(peers_text(urls)) == urls
    assert parse_peers("") == {}
    with pytest.raises(InputError, match="different names"):
        parse_peers("a=http://x,a=http://y")
