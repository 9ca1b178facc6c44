"""A generator that is slow itself must not make the server look slow: real runs whose generator is throttled."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from load_runs import FANOUT, start

from scenarios.client.gateway_socket import ArrivalCounts
from scenarios.generator_health import BOUNDS
from scenarios.run_folder import RunFolder

STOPPED_SECONDS, RUNNING_SECONDS = 0.25, 0.05
CROWDED_SECONDS = 6.0  # longer than what is left of the measured time


COMPETITORS = 2


def stop_in_turns(process: Any, over: threading.Event) -> None:
    """Lets a process run for a sixth of the time, in turns, as a machine without CPU to spare would."""
    while not over.is_set():
        process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)  # the throttle itself
        process.send_signal(signal.SIGCONT)
        over.wait(RUNNING_SECONDS)


def crowd_out(process: Any, over: threading.Event) -> None:
    """Lets other processes have the core that a process has to use, of which it gets next to nothing while they run."""
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(process.pid, {core})
    os.setpriority(os.PRIO_PROCESS, process.pid, 19)  # a weight of 15 against 1024 of each other process
    with ExitStack() as stack:
        for _ in range(COMPETITORS):
            other = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(other.kill)
            os.sched_setaffinity(other.pid, {core})
        over.wait(CROWDED_SECONDS)


@pytest.mark.parametrize("throttle", [stop_in_turns, crowd_out])
def test_a_throttled_generator_ends_invalid_and_says_what_to_change(
    scripted_server: Callable[..., Any], tmp_path: Path, throttle: Callable[[Any, threading.Event], None]
) -> None:
    """Exit code 3; the reasons name the generator and the way out, and none of them blames the server."""
    server = scripted_server()
    over = threading.Event()
    with start("fanout", server.url, tmp_path, *FANOUT, "--rate", "60", "--progress", run_time="6s") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("chatbench-progress") and '"second": 1' in line:
                break
        thread = threading.Thread(target=throttle, args=(process, over))
        thread.start()
        try:
            said = process.stderr.read()
        finally:
            over.set()
            thread.join()
    manifest = RunFolder(tmp_path).read_manifest()
    assert process.returncode == 3, said
    assert manifest.verdict == "INVALID"
    assert all("generator" in reason for reason in manifest.reasons)
    for name in ("loop_lag_ms_p99", "late_share_percent", "shared_stamp_share_percent"):
        (reason,) = [reason for reason in manifest.reasons if name in reason]
        assert BOUNDS[name].advice in reason


@pytest.mark.parametrize(("sizes", "expected"), [([], 0), ([100] * 99 + [200_000], 127), ([70_000], 131_071)])
def test_queue_depths_are_told_in_powers_of_two(sizes: list[int], expected: int) -> None:
    """The p99 of what waited at the wakes, rounded up."""
    counts = ArrivalCounts()
    for size in sizes:
        counts.reads += 1
        counts.depths[size.bit_length()] += 1
    assert counts.receive_queue_bytes_p99() == expected
