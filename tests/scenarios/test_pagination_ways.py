"""Ways of paging against each other, on servers that misbehave as scripted."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenarios.run_folder import RunFolder

QUICK = ("--users", "8", "--rate", "10", "--page-size", "20")


def test_what_a_peer_loses_is_counted_as_the_peers(
    scripted_server: Callable[..., Any], run_scenario: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """A row that the peer never shows is lost each time one of its walks passes it; the target's ledger stays even."""
    honest, losing = scripted_server(), scripted_server(lose_seq=2990)
    _, said = run_scenario("pagination", honest.url, *QUICK, "--peers", f"losing={losing.url}")
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    found: Counter[tuple[str, str]] = Counter()
    for count in record.counts:
        found[count.name, count.labels["paging"]] += int(count.value)
    assert found["paging_lost", "losing"] > 0, said
    assert found["paging_lost", "own cursor"] == found["paging_repeated", "losing"] == 0
    totals = folder.read_ledger().ledgers
    assert sum(one.missing for one in totals) == 0
    assert sum(one.expected for one in totals) == found["paging_messages", "own cursor"] > 0
    assert record.options["peers"] == "losing"
    lines = [line for line in folder.read_histograms() if line.metric == "paging_page_us"]
    assert {line.labels["paging"] for line in lines} == {"own cursor", "losing"}
    assert sum(line.count for line in lines) <= found["paging_pages", "losing"] + found["paging_pages", "own cursor"]


def test_without_peers_only_the_servers_own_way_is_measured(
    scripted_server: Callable[..., Any], run_scenario: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """Nothing is recorded of a comparison that did not happen; a peer may not have the target's name."""
    server = scripted_server()
    run_scenario("pagination", server.url, *QUICK, run_time="2s")
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    assert record.counts == []
    assert not [line for line in folder.read_histograms() if line.metric == "paging_page_us"]
    code, said = run_scenario("pagination", server.url, "--peers", f"own cursor={server.url}")
    assert code == 2
    assert "names the target" in said
