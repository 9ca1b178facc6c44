"""Child processes that end with their parent, however the parent ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

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


def log_tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log on one line, for an error sentence."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(said[-lines:]) or "(its log is empty)"


def _in_child(signal_mask: set[int | signal.Signals]) -> Callable[[], None]:
    """What happens between fork and exec: the kernel is asked to end the child with us, and signals reach it again."""
    # Looked up before the fork: only the calls themselves happen after it.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask_kernel() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)

    return ask_kernel
