"""Child processes end with their parent."""

import subprocess
import sys
from pathlib import Path

import psutil

from scenarios.child_process import log_tail, start_child, stop_child

PARENT = """
import signal, sys
from pathlib import Path
from scenarios.child_process import start_child
child = start_child([sys.executable, "-c", "import signal; signal.pause()"], log=Path(sys.argv[1]), environment={})
print(child.pid, flush=True)
signal.pause()
"""
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); signal.pause()"


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
