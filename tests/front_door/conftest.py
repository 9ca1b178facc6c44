"""Running the command line as a person does: in an empty folder, without this machine's settings."""

import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import finish, start

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def start_chatbench() -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a command and leaves waiting to the test."""
    return start


@pytest.fixture(scope="session")
def chatbench() -> Chatbench:
    """Runs a command to its end."""
    return finish


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
