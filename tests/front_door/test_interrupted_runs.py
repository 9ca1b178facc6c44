"""Whatever ends a run, what was measured stays and the exit code says that it is not whole."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fixtures.postgres import EmbeddedPostgres

pytestmark = pytest.mark.usefixtures("laboratory_turn")

StartChatbench = Callable[..., "subprocess.Popen[str]"]

MEASURING_TIMEOUT_SECONDS = 120


@pytest.fixture
def measuring(
    start_chatbench: StartChatbench, postgres: EmbeddedPostgres, tiny_template: str, tmp_path: Path
) -> "subprocess.Popen[str]":
    """A long fan-out run that has begun to write what it measures."""
    url = postgres.url("postgres")
    run = start_chatbench("run", "fanout", "--size", "tiny", "--seconds", 600, "--database-url", url, folder=tmp_path)
    wait_until_measuring(run, tmp_path)
    return run


def wait_until_measuring(run: "subprocess.Popen[str]", folder: Path) -> None:
    """Returns when the run has begun to write what it measures."""
    deadline = time.monotonic() + MEASURING_TIMEOUT_SECONDS
    while not any(path.stat().st_size for path in folder.glob("out/runs/*/histograms.jsonl")):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline, "nothing was measured"
        time.sleep(0.1)  # between looks: the file is what is waited for


def child_running(run: "subprocess.Popen[str]", word: str) -> psutil.Process:
    """The child process of the run whose command line holds a word."""
    (child,) = [child for child in psutil.Process(run.pid).children() if word in " ".join(child.cmdline())]
    return child


def ended(run: "subprocess.Popen[str]", folder: Path) -> tuple[str, dict]:
    """What the run said on standard error, and its manifest; it must end with 3, its report written."""
    _, complaints = run.communicate(timeout=90)
    assert run.returncode == 3, complaints
    (run_folder,) = folder.glob("out/runs/*")
    assert (run_folder / "report.html").exists()
    assert (run_folder / "ledger.json").exists()
    manifest = json.loads((run_folder / "run.json").read_text())
    assert manifest["verdict"] == "INVALID"
    return complaints, manifest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_an_interrupt_ends_a_run_early_with_its_report(
    measuring: "subprocess.Popen[str]", number: signal.Signals, tmp_path: Path
) -> None:
    """The generator writes its ledger, the report is drawn and marked as cut short, children are gone."""
    children = psutil.Process(measuring.pid).children(recursive=True)
    measuring.send_signal(number)
    complaints, manifest = ended(measuring, tmp_path)
    assert manifest["cut_short"]
    assert "cut short" in complaints
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_server_that_dies_is_named(measuring: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """A killed server makes the run INVALID, in words that say so."""
    child_running(measuring, "reference_server").kill()
    complaints, _ = ended(measuring, tmp_path)
    assert (
        "the reference server ended in the middle of the run: killed by SIGKILL; its log tells no reason" in complaints
    )


def test_a_background_job_of_a_shell_ends_as_well(
    start_chatbench: StartChatbench, postgres: EmbeddedPostgres, tiny_template: str, tmp_path: Path
) -> None:
    """Shells start background jobs with SIGINT ignored; a kill must still end run, server and generator."""
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        database = ("--database-url", postgres.url("postgres"))
        run = start_chatbench("run", "fanout", "--size", "tiny", "--seconds", 600, *database, folder=tmp_path)
    finally:
        signal.signal(signal.SIGINT, ignored)
    wait_until_measuring(run, tmp_path)
    run.send_signal(signal.SIGTERM)
    _, manifest = ended(run, tmp_path)
    assert manifest["cut_short"]


def test_a_killed_generator_is_named(measuring: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """What the generator wrote until then is reported, and the run is INVALID because of it."""
    child_running(measuring, "locust").kill()
    _, complaints = measuring.communicate(timeout=90)
    assert measuring.returncode == 3
    assert "fanout" in complaints
    assert len(list(tmp_path.glob("out/runs/*/report.html"))) == 1


def test_a_killed_run_leaves_nothing_running(measuring: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """Kill -9 of the front door takes server and generator with it; the histograms stay readable."""
    children = psutil.Process(measuring.pid).children(recursive=True)
    assert len(children) >= 2
    measuring.kill()
    measuring.communicate()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    (path,) = tmp_path.glob("out/runs/*/histograms.jsonl")
    whole_lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    assert all(json.loads(line)["count"] > 0 for line in whole_lines)


# An interrupt that comes just when the command line's first package is asked for.
INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Interrupting())
from front_door import entry_point
entry_point.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_an_interrupt_while_the_command_is_imported_gets_a_sentence(number: signal.Signals) -> None:
    """No traceback, and the exit code of any command that was cut short."""
    command = [sys.executable, "-c", INTERRUPTED_IMPORT, str(int(number))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, "", "chatbench: stopped early\n")
