"""Servers that the load scenarios' tests talk to: real processes on real sockets."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.database import connect
from scenarios.catalogue import SCENARIOS
from scenarios.local_target import LocalTarget, Target

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


@dataclass(frozen=True)
class Child:
    """A server in a process of its own, serving until its standard input ends."""

    process: "subprocess.Popen[str]"
    port: int

    @property
    def url(self) -> str:
        """Where it answers HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """A JSON document of the server."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)


def start_child(stack: ExitStack, script: Path, *arguments: str) -> Child:
    """Starts a server script; the stack ends it."""
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stack.enter_context(process)  # closes its pipes, which ends it, and waits for it
    assert process.stdout is not None
    return Child(process, int(process.stdout.readline()))


@pytest.fixture
def scripted_server() -> Iterator[Callable[..., Child]]:
    """Starts a scripted chat server with the faults it is told."""
    with ExitStack() as stack:
        yield lambda **faults: start_child(stack, HERE / "scripted" / "chat_server.py", json.dumps(faults))


@pytest.fixture
def chat_server(tiny_url: str) -> Iterator[Callable[..., str]]:
    """Starts the reference server on a fresh data set, with settings by name; its URL."""
    with ExitStack() as stack:

        def start(**settings: object) -> str:
            command = [sys.executable, "-m", "reference_server", "--database-url", tiny_url]
            command += [f"--set={name}={value}" for name, value in settings.items()]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stdout is not None
            return str(json.loads(process.stdout.readline())["http_url"])

        yield start


@pytest.fixture
def broadcasting_server() -> Iterator[Child]:
    """A plain server that broadcasts 100 events per second."""
    with ExitStack() as stack:
        yield start_child(stack, HERE / "receive_path" / "broadcasting_server.py")


@pytest.fixture
def run_scenario(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs a scenario under plain Locust, headless, into the test's folder: its exit code and what it said."""

    def run(name: str, host: str, *options: str, run_time: str = "4s") -> tuple[int, str]:
        command = [sys.executable, "-m", "locust", "-f", str(SCENARIOS[name].file), "--headless", "--only-summary"]
        command += ["--host", host, "--run-folder", str(tmp_path), "--run-time", run_time, *options]
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=90
        )
        return result.returncode, result.stderr

    return run


@pytest.fixture
def live_server(tiny_url: str, tmp_path: Path) -> Iterator[Target]:
    """The reference server on a database of the test's own, which `tiny_url` names."""
    with LocalTarget(tiny_url, "chatbench", tmp_path / "server.log") as target:
        yield target


@pytest.fixture
def ask_database(tiny_url: str) -> Callable[..., list[Any]]:
    """Rows of a statement in the live server's database, bound by no policy."""

    async def ask(statement: str, *arguments: Any) -> list[Any]:
        async with connect(tiny_url) as connection:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows

    return lambda statement, *arguments: asyncio.run(ask(statement, *arguments))
