"""The reference server as a child process: started, found and stopped by a run."""

import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from fixtures.errors import ChatbenchError
from scenarios.child_process import how_it_ended, log_tail, start_child, stop_child

START_TIMEOUT_SECONDS = 30
STOP_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Target:
    """A chat server that scenarios may load."""

    http_url: str
    process_id: int | None  # None when it is not ours
    settings: dict[str, Any]  # what it says of itself when it starts


class ChildServer:
    """A chat server that a command starts, for as long as the `with` block lasts; its first line says where it is."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.log = log
        self._command = tuple(command)
        self._environment = dict(environment)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Target:
        self._process = start_child(
            self._command, log=self.log, environment=self._environment, stdout=subprocess.PIPE, folder=self._folder
        )
        try:
            ready = msgspec.json.decode(self._first_line(), type=dict[str, Any])
        except BaseException:
            stop_child(self._process, patience_seconds=STOP_PATIENCE_SECONDS)
            raise
        return Target(http_url=ready["http_url"], process_id=self._process.pid, settings=ready["settings"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        stop_child(self._process, patience_seconds=STOP_PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def alive(self) -> bool:
        """False once the server has ended by itself."""
        return self._process is not None and self._process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, for an error sentence; only of a server that is not alive."""
        assert self._process is not None
        return how_it_ended(self._process, self.log)

    def _first_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not selector.select(timeout=0.2):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    break
            says_something = bool(selector.select(timeout=0))
        line = self._process.stdout.readline() if says_something else b""
        if not line:
            raise ChatbenchError(f"the chat server did not start: {log_tail(self.log)}")
        return line


class LocalTarget(ChildServer):
    """A reference server on `database_url`, on free loopback ports.

    `settings` are settings of its own, as NAME=VALUE; `python` and `tree` run the code of another version.
    """

    def __init__(
        self,
        database_url: str,
        login_key: str,
        log: Path,
        settings: Sequence[str] = (),
        *,
        python: str = sys.executable,
        tree: Path | None = None,
    ) -> None:
        command = [python, "-m", "reference_server", "--http-port", "0", "--gateway-port", "0"]
        command += [word for setting in settings for word in ("--set", setting)]
        environment = {"CHATBENCH_DATABASE_URL": database_url, "CHATBENCH_LOGIN_KEY": login_key}
        super().__init__(command, log, environment, tree)


class StandIn(ChildServer):
    """The server that does next to nothing."""

    def __init__(self, log: Path) -> None:
        super().__init__([sys.executable, "-m", "scenarios.stand_in"], log, {})
