"""The scripts that benchmarks start, run for a moment: that they work, and what they tell; never how fast."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from scenarios.generator_health import Observation

HERE = Path(__file__).parent
CONNECTIONS, SECONDS = 4, 1
FIGURES = {"deliveries", "cpu_seconds", "p50_ms", "p99_ms"}
# What the arms with everything that a run does tell beside them.
GENERATOR_FIGURES = {"wakes", "observed_p50_ms", "reasons", *Observation.__dataclass_fields__}


def told_by(script: Path, *arguments: object) -> list[Any]:
    """The JSON documents that a script prints, one per line."""
    command = [sys.executable, str(script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["chatbench", "deep_queues", "greenlets", "websocket_client"])
def test_an_arm_receives_and_tells_its_figures(broadcasting_server: Any, kind: str) -> None:
    """Deliveries at every connection, each with a latency."""
    (told,) = told_by(HERE / "receive_path" / "receive_arm.py", kind, broadcasting_server.port, CONNECTIONS, SECONDS)
    is_generator = kind in {"chatbench", "deep_queues"}
    assert set(told) == FIGURES | (GENERATOR_FIGURES if is_generator else set())
    assert told["deliveries"] > CONNECTIONS
    assert told["cpu_seconds"] > 0
    assert 0 < told["p50_ms"] <= told["p99_ms"]
    if is_generator:
        assert told["frames"] == told["deliveries"] >= told["wakes"] > 0
        assert told["observed_p50_ms"] >= told["p50_ms"]


def test_an_arm_keeps_its_cpu_busy_and_begins_when_it_is_told(broadcasting_server: Any) -> None:
    """As the benchmark of the generator's own delay starts it."""
    begin = time.time() + 1
    arguments = "chatbench", broadcasting_server.port, CONNECTIONS, SECONDS, 0.5, begin
    (told,) = told_by(HERE / "receive_path" / "receive_arm.py", *arguments)
    assert time.time() >= begin + SECONDS
    assert told["deliveries"] > CONNECTIONS
    assert told["cpu_share_percent"] > 0


def test_users_are_connected_and_their_memory_told(start_server: Callable[..., Any]) -> None:
    """A line when a few are there, one when all are."""
    with ExitStack() as stack:
        server = start_server(stack, HERE / "receive_path" / "broadcasting_server.py", "0")
        few, many = told_by(HERE / "user_memory" / "memory_arm.py", server.port, 60)
    assert (few["users"], many["users"]) == (50, 60)
    assert few["resident_bytes"] > 0
    assert many["resident_bytes"] > 0
