"""Child processes end with their parent."""

import subprocess
import sys
from pathlib import Path

import psutil

from scenarios.child_process import how_it_ended, log_tail, start_child, stop_child

PARENT = """
import signal, sys
from pathlib import Path
from scenarios.child_process import start_child
child = start_child([sys.executable, "-c", "import signal; signal.pause()"], log=Path(sys.argv[1]), environment={})
print(child.pid, flush=True)
signal.pause()
"""
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); signal.pause()"

INTERRUPTED_IN_FORK = """
import os, signal, sys
from pathlib import Path
import psutil
from scenarios.child_process import start_child
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    start_child([sys.executable, "-c", "import signal; signal.pause()"], log=Path(sys.argv[1]), environment={})
except KeyboardInterrupt:
    print("interrupted, children left:", len(psutil.Process().children()))
"""


def test_an_interrupt_during_the_start_is_not_lost(tmp_path: Path) -> None:
    """It ends the caller, and the child that the caller never got to know."""
    command = [sys.executable, "-c", INTERRUPTED_IN_FORK, str(tmp_path / "log")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (result.stdout, result.stderr) == ("interrupted, children left: 0\n", "")


def test_signals_reach_a_child(tmp_path: Path) -> None:
    """What is held back around the start is not held back from the child."""
    program = "import signal, sys; sys.exit(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    child = start_child([sys.executable, "-c", program], log=tmp_path / "log", environment={})
    assert child.wait() == 0


def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    """A run killed with -9 leaves no server behind."""
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        gone, alive = psutil.wait_procs([child], timeout=10)
    assert (gone, alive) == ([child], [])


def test_stop_ends_a_child_that_ignores_the_request(tmp_path: Path) -> None:
    """Patience has an end: a child that ignores SIGINT is killed."""
    child = start_child([sys.executable, "-c", STUBBORN], log=tmp_path / "log", environment={}, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"up\n"
        assert stop_child(child, patience_seconds=0.1) == -9


def test_the_log_holds_what_a_child_said(tmp_path: Path) -> None:
    """What a child printed last is there to be quoted."""
    child = start_child(
        [sys.executable, "-c", "import os; print('one'); print(os.environ['WORD'])"],
        log=tmp_path / "log",
        environment={"WORD": "two"},
    )
    child.wait()
    assert log_tail(tmp_path / "log") == "one / two"
    assert "no log" in log_tail(tmp_path / "missing")


def test_of_a_log_of_events_those_that_went_wrong_are_quoted(tmp_path: Path) -> None:
    """An error sentence has no room for all settings of a server, nor for a traceback."""
    started = '{"level": "info", "event": "started", "fields": {"settings": {"host": "127.0.0.1"}}}'
    exception = '"exception": "Traceback\\n  x\\nOSError: gone"'
    lost = f'{{"level": "error", "event": "database_lost", "fields": {{"seconds": 2}}, {exception}}}'
    log = tmp_path / "log"
    log.write_text(f"{started}\n")
    assert log_tail(log) == "its log tells no reason"
    log.write_text(f"{started}\n{lost}\nKilled\n")
    assert log_tail(log) == "database_lost, seconds 2, OSError: gone / Killed"


def test_what_ended_a_child_is_told(tmp_path: Path) -> None:
    """A signal by its name, an exit code by its number, each with the log's reason."""
    killed = start_child([sys.executable, "-c", "import signal; signal.pause()"], log=tmp_path / "1", environment={})
    killed.kill()
    assert how_it_ended(killed, tmp_path / "1") == "killed by SIGKILL; its log tells no reason"
    failed = start_child([sys.executable, "-c", "raise SystemExit('too hot')"], log=tmp_path / "2", environment={})
    assert how_it_ended(failed, tmp_path / "2") == "exit code 1; too hot"
