"""Resident memory of a connected simulated user: Locust's user and greenlet, gateway connection, stream in the ledger.

Measured: 15.9 KiB each, of which Locust's user with its greenlet takes 9.8 (a bare greenlet 3.6). With gevent's socket
around each connection and dictionaries instead of slots it was 18.0. The kernel's socket buffers are not in it.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

USERS = 5_000
AIM_BYTES = 40 << 10
SPARE_DESCRIPTORS = 200  # of a process beside its connections

HERE = Path(__file__).parent


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Lets child processes hold a connection per user; a connection takes a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < USERS + SPARE_DESCRIPTORS:
        pytest.skip(f"{USERS} connections need as many file descriptors, and this process may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_memory_per_connected_user(many_descriptors: None, start_server: Any, benchmark: BenchmarkFixture) -> None:
    """The aim: 5 000 users in one process, in at most 40 KiB each."""
    with ExitStack() as stack:
        server = start_server(stack, HERE / "receive_path" / "broadcasting_server.py", "0")
        command = [sys.executable, str(HERE / "user_memory" / "memory_arm.py"), str(server.port), str(USERS)]
        result = benchmark.pedantic(
            subprocess.run, (command,), {"capture_output": True, "text": True, "timeout": 300}, rounds=1, iterations=1
        )
    assert result.returncode == 0, result.stderr
    few, many = (json.loads(line) for line in result.stdout.splitlines())
    assert many["users"] == USERS
    per_user_bytes = (many["resident_bytes"] - few["resident_bytes"]) / (many["users"] - few["users"])
    benchmark.extra_info["per_user_bytes"] = per_user_bytes
    sys.stdout.write(
        f"\n{USERS} connected users: {per_user_bytes / 1024:.1f} KiB each (aim {AIM_BYTES >> 10}), "
        f"{per_user_bytes / AIM_BYTES:.2f} × the aim\n"
    )
