"""PostgreSQL clusters that tests start, ask, share with other processes and kill."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from fixtures.database import connect
from fixtures.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent.parent
WAIT_SECONDS = 30
HOLDER = """
import sys
from contextlib import nullcontext
from pathlib import Path
from fixtures.postgres import EmbeddedPostgres
from fixtures.replica import EmbeddedReplica
with EmbeddedPostgres(Path(sys.argv[1])) as primary, EmbeddedReplica(primary) if sys.argv[2:] else nullcontext():
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, *, with_replica: bool = False) -> Iterator["subprocess.Popen[str]"]:
    """Another process that uses the cluster, and a replica of it, until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, str(folder), *(["replica"] if with_replica else [])]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.communicate("")


def ask(cluster: EmbeddedPostgres, query: str) -> Any:
    """One value from a cluster's first database."""

    async def fetch() -> Any:
        async with connect(cluster.url("postgres")) as connection:
            return await connection.fetchval(query)

    return asyncio.run(fetch())


def wait_for(cluster: EmbeddedPostgres, query: str, wanted: Any) -> None:
    """Returns when the query gives what it should."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while (found := ask(cluster, query)) != wanted:
        assert time.monotonic() < deadline, f"{query} stayed at {found}"
        pause.wait(0.02)


def main_process(data: Path) -> psutil.Process | None:
    """The process from which all others of the server on this data come, if one runs."""
    file = data / "postmaster.pid"
    if not file.exists():
        return None
    number = int(file.read_text().splitlines()[0])
    return psutil.Process(number) if psutil.pid_exists(number) else None


def running_process(data: Path) -> psutil.Process:
    """The same, of a server that runs."""
    found = main_process(data)
    assert found is not None
    return found


def is_gone(process: psutil.Process) -> bool:
    """True when it has ended; where nobody collects orphans, it stays as a zombie."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
