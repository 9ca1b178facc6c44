"""Child processes that end with their parent, however the parent ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2): the kernel sends this signal when the parent dies


def start_child(
    command: Sequence[str],
    *,
    log: Path,
    environment: dict[str, str],
    stdout: int | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a process in its own session, so that Ctrl-C reaches it only through us; its output goes to `log`."""
    with log.open("ab") as file:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file if stdout is None else stdout,
            stderr=file,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one prctl call; no threads take part
        )


def stop_child(process: subprocess.Popen[bytes], *, patience_seconds: float) -> int:
    """Asks the process to end, waits, and ends it for good when it does not; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def log_tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log on one line, for an error sentence."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(said[-lines:]) or "(its log is empty)"


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: only the call itself happens after it

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_kernel
