"""Every scenario with gateway connections works in either encoding, against the real server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import InputError
from scenarios.catalogue import GATEWAY_OPTIONS, SCENARIOS
from scenarios.local_target import Target
from scenarios.run_folder import RunFolder

MSGPACK = "chat.v1.msgpack"
CONNECTED = [name for name, scenario in SCENARIOS.items() if scenario.options.keys() >= GATEWAY_OPTIONS.keys()]
# Small and short, where the scenario's own length or size would be too much.
QUICK = {
    "connect_storm": ("--users", "10", "--group-size", "5", "--outage-seconds", "0.2", "--window-seconds", "0.5"),
    "hot_conversation": ("--users", "6", "--rates", "20", "--window-seconds", "0.5"),
    "mixed_day": ("--users", "12", "--day-seconds", "3"),
    "noop": ("--users", "12", "--group-sizes", "5", "--watchers", "4", "--window-seconds", "0.3"),
    "soak": ("--users", "10", "--group-sizes", "5", "--hours", "0.01", "--compress", "12"),
    "typing_indicators": ("--users", "12", "--audiences", "3", "--typists", "1", "--window-seconds", "0.5"),
    "presence_churn": ("--users", "8", "--watchers", "2", "--rate", "10", "--grace-seconds", "0.2"),
}
SMALL = {
    "fanout": ("--users", "12", "--group-sizes", "2,4", "--non-members", "3"),
    "presence": ("--users", "8", "--watchers", "2"),
    "receipts": ("--users", "8", "--group-sizes", "4"),
}


@pytest.mark.parametrize("name", CONNECTED)
def test_msgpack_events_are_understood(
    name: str, run_scenario: Callable[..., tuple[int, str]], live_server: Target, tmp_path: Path
) -> None:
    """What was expected arrives in msgpack as it does in JSON: nothing missing, doubled or leaked."""
    options = {**QUICK, **SMALL}[name]
    _, said = run_scenario(name, live_server.http_url, *options, "--subprotocol", MSGPACK, run_time="6s")
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    assert record.options["subprotocol"] == MSGPACK
    assert record.failed == 0, said
    assert record.started > 0
    totals = folder.read_ledger().ledgers
    if name != "presence_churn":  # whose books are its counts
        assert sum(one.expected for one in totals) > 0, said
    assert sum(one.missing + one.duplicate + one.leaked for one in totals) == 0, said
    counted: dict[str, Any] = {count.name: count.value for count in record.counts}
    assert counted.get("churn_stale_at_rest", 0) == 0
    if name == "presence_churn":
        assert counted["churn_converged"] > 0


def test_an_unknown_encoding_is_refused(run_scenario: Callable[..., tuple[int, str]], live_server: Target) -> None:
    """One sentence with the value, and the ways out."""
    code, said = run_scenario("receipts", live_server.http_url, "--subprotocol", "chat.v1.xml")
    assert code == InputError.exit_code
    assert "'chat.v1.xml'" in said
    assert MSGPACK in said
