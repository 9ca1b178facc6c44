"""Servers that the load scenarios' tests talk to: real processes on real sockets."""

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
def start_server() -> Callable[..., Child]:
    """Starts a server script with arguments; the stack given ends it."""
    return start_child


@pytest.fixture
def broadcasting_server() -> Iterator[Child]:
    """A plain server that broadcasts 100 events per second."""
    with ExitStack() as stack:
        yield start_child(stack, HERE / "receive_path" / "broadcasting_server.py")
