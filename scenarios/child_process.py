"""Child processes that end with their parent, however the parent ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

_ENDING = {signal.SIGINT, signal.SIGTERM}
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
    # Python's own handlers around a fork swallow an interrupt that comes within them: it waits until they are through.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        with log.open("ab") as file:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file if stdout is None else stdout,
                stderr=file,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=_in_child(mask),  # noqa: PLW1509 - two system calls; no threads take part
            )
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    except KeyboardInterrupt:
        process.kill()  # nobody would know of it
        process.wait()
        raise
    return process


def stop_child(process: subprocess.Popen[bytes], *, patience_seconds: float) -> int:
    """Asks the process to end, waits, and ends it for good when it does not; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def how_it_ended(process: subprocess.Popen[bytes], log: Path) -> str:
    """What ended a process and the last that its log says of it, for an error sentence."""
    code = process.wait()
    ending = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    return f"{ending}; {log_tail(log)}"


def log_tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log on one line, for an error sentence; of logged events, those that went wrong."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    said = [told for line in text.splitlines() if (told := _told(line.strip()))]
    return " / ".join(said[-lines:]) or "its log tells no reason"


class _LoggedEvent(msgspec.Struct):
    """What matters of an event as `reference_server/logs.py` writes it."""

    level: str
    event: str
    fields: dict[str, Any] = {}
    exception: str = ""


def _told(line: str) -> str:
    """A line as it is; of an event what went wrong, without its traceback, and nothing when nothing did."""
    try:
        logged = msgspec.json.decode(line, type=_LoggedEvent)
    except msgspec.DecodeError:
        return line
    if logged.level in {"debug", "info"}:
        return ""
    details = [f"{name} {value}" for name, value in logged.fields.items() if not isinstance(value, dict)]
    return ", ".join([logged.event, *details, *logged.exception.splitlines()[-1:]])


def _in_child(signal_mask: set[int | signal.Signals]) -> Callable[[], None]:
    """What happens between fork and exec: the kernel is asked to end the child with us, and signals reach it again."""
    # Looked up before the fork: only the calls themselves happen after it.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask_kernel() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)

    return ask_kernel
