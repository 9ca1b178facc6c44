"""Running the command line as a person does: in an empty folder, without this machine's settings."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHATBENCH = Path(sys.executable).parent / "chatbench"

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]


def start(*arguments: object, folder: Path) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHATBENCH_")}
    return subprocess.Popen(
        [str(CHATBENCH), *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def start_chatbench() -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a command and leaves waiting to the test."""
    return start


@pytest.fixture(scope="session")
def chatbench() -> Chatbench:
    """Runs a command to its end."""

    def run(*arguments: object, folder: Path) -> "subprocess.CompletedProcess[str]":
        with start(*arguments, folder=folder) as process:
            output, complaints = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, complaints)

    return run


@pytest.fixture
def unused_tcp_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """Not pytest's own: those are closed to other users, and root's embedded PostgreSQL runs as another user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
