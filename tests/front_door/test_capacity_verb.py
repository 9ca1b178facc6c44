"""`chatbench capacity` as a person runs it: against a server of its own, interrupted, and misused."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.postgres import EmbeddedPostgres
from scenarios.run_folder import RunFolder

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]
STEP_TIMEOUT_SECONDS = 120


def test_a_load_that_is_always_kept_is_a_lower_bound(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tiny_template: str, tmp_path: Path
) -> None:
    """Two steps up to the highest load; the server was observed in each, and the report draws them."""
    result = chatbench(
        *("capacity", "fanout", "--size", "tiny", "--database-url", postgres.url("postgres"), "--users", 12),
        *("--objective", "missing==0", "--objective", "duplicate==0", "--rate-min", 5, "--rate-max", 10),
        *("--seconds", 4, "-o", "group-sizes=4", "-o", "non-members=2", "--json"),
        folder=tmp_path,
    )
    assert result.returncode in {0, 3}, result.stderr
    if result.returncode == 3:
        assert "generator" in result.stderr  # a busy machine
        return
    document = json.loads(result.stdout)
    assert document["numbers"]["headline.capacity_load"] == 10
    assert document["numbers"]["capacity.steps_kept"] == 2
    assert "missing==0 and duplicate==0 is kept at 10" in document["readings"]["capacity"]
    (run,) = tmp_path.glob("out/runs/*-capacity-*")
    assert (run / "figures" / "capacity.png").exists()
    capacity = RunFolder(run).read_capacity()
    assert capacity is not None
    for step in capacity.steps:
        assert step.figures["server_cpu_percent"] > 0
        assert {"database_cpu_percent", "host_cpu_percent", "pool_wait_ms", "lock_waiting"} <= step.figures.keys()
    step_report = chatbench("report", run / capacity.steps[0].folder, "--json", folder=tmp_path)
    assert step_report.returncode == 0
    assert json.loads(step_report.stdout)["numbers"]["server.commits_per_second_mean"] > 0


def test_an_interrupt_keeps_the_steps_that_were_measured(
    start_chatbench: Callable[..., "subprocess.Popen[str]"],
    postgres: EmbeddedPostgres,
    tiny_template: str,
    tmp_path: Path,
) -> None:
    """Ctrl-C in a later step: the report is written, marked as cut short, and says what is known so far."""
    run = start_chatbench(
        *("capacity", "presence", "--size", "tiny", "--database-url", postgres.url("postgres")),
        *("--objective", "missing==0", "--rate-min", 1, "--seconds", 6),
        folder=tmp_path,
    )
    deadline = time.monotonic() + STEP_TIMEOUT_SECONDS
    while not list(tmp_path.glob("out/runs/*/capacity.json")):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline, "no step was finished"
        time.sleep(0.1)  # between looks: the file is what is waited for
    run.send_signal(signal.SIGINT)
    _, complaints = run.communicate(timeout=90)
    assert run.returncode == 3
    assert "cut short" in complaints
    (folder,) = tmp_path.glob("out/runs/*")
    assert (folder / "report.html").exists()
    assert RunFolder(folder).read_manifest().cut_short
    capacity = RunFolder(folder).read_capacity()
    assert capacity is not None
    assert capacity.steps


REFUSED = {
    "unknown scenario": (("nosuch", "--objective", "missing==0"), "no scenario named 'nosuch'"),
    "a scenario without a rate": (("queries", "--objective", "missing==0"), "queries has no rate to search over"),
    "no objective": (("fanout", "--objective", "fast"), "'fast' is no objective; write MEASURE"),
    "an unknown measure": (("fanout", "--objective", "speed<=3"), "no number of a run is named 'speed'; known are:"),
    "a rate of one's own": (("fanout", "--objective", "missing==0", "-o", "rate=5"), "--rate-min and --rate-max"),
    "a target elsewhere": (
        ("fanout", "--objective", "missing==0", "--target", "http://192.0.2.1"),
        "192.0.2.1 is not this machine",
    ),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_searched_gets_one_sentence_and_exit_code_2(
    chatbench: Chatbench, arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """The sentence holds the value and the way out; nothing is left behind."""
    result = chatbench("capacity", *arguments, folder=tmp_path)
    (line,) = filter(str.strip, result.stderr.splitlines())  # the progress bar leaves an empty one
    assert line.startswith("chatbench: ")
    assert said in line
    assert result.returncode == 2
    assert not list(tmp_path.glob("out/runs/*"))
