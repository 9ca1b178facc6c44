"""Whether a busy or starved generator's own delay gets into the delivery latency that it reports.

A plain server broadcasts 100 events/s. A generator with 100 connections is kept at a share of a core by other work in
the same process, while other processes want the machine's cores too; at the same time an observer, a process of its
own with 10 connections, receives the same events at next to no load. Where this user may, the observer is scheduled
before everyone else (SCHED_FIFO), so that nobody can take its CPU. The server serves connections in a random order per
event. Compared are the p50 that both report, by kernel stamps; beside it stands what the generator's own code saw,
which is what a client without stamps reports.

Stamps do not help a generator that waits for a CPU: the kernel keeps one per queue of segments, that of the last.
Such a generator reports 2 to 500 times the p50, and its run is INVALID by `shared_stamp_share_percent`.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

CONNECTIONS, OBSERVERS = 100, 10
SECONDS, ROUNDS = 3, 3
CONNECTING_SECONDS = 4
# By the generator's share of a core: by how much its p50 may differ, relatively and in ms; 0: no allowance in ms.
AIMS = {0.5: (0.10, 0.1), 0.9: (0.20, 0.0)}
# Other processes that want a core all the time.
COMPETITORS = (0, 1, 3)


def start_competitor(stack: ExitStack) -> None:
    """A process that wants a core until the stack ends it."""
    process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
    stack.callback(process.kill)


@pytest.fixture
def receive_together(broadcasting_server: Any, request: pytest.FixtureRequest) -> Any:
    """Runs a generator at a share of a core and an observer at the same time, and gives what they printed."""
    arm = request.path.parent / "receive_path" / "receive_arm.py"

    def both(cpu_share: float, competitors: int) -> tuple[dict[str, Any], dict[str, Any]]:
        begin = time.time() + CONNECTING_SECONDS
        command = [sys.executable, str(arm), "chatbench", str(broadcasting_server.port)]
        generator, observer = (
            subprocess.Popen(
                [*command, str(count), str(SECONDS), str(share), str(begin)], stdout=subprocess.PIPE, text=True
            )
            for count, share in ((CONNECTIONS, cpu_share), (OBSERVERS, 0))
        )
        with suppress(PermissionError):
            os.sched_setscheduler(observer.pid, os.SCHED_FIFO, os.sched_param(1))
        with ExitStack() as stack:
            time.sleep(max(0, begin - 0.3 - time.time()))  # everyone is connected by then
            for _ in range(competitors):
                start_competitor(stack)
            told, truth = (json.loads(process.communicate(timeout=60)[0]) for process in (generator, observer))
        return told, truth

    return both


@pytest.mark.parametrize("competitors", COMPETITORS)
@pytest.mark.parametrize("cpu_share", AIMS)
def test_the_generators_own_delay(
    receive_together: Any, benchmark: BenchmarkFixture, cpu_share: float, competitors: int
) -> None:
    """The aims: at half a core within 10 % or 0.1 ms of the observer, at 90 % within 20 %, or the run is INVALID."""
    rounds: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def all_rounds() -> None:
        rounds.extend(receive_together(cpu_share, competitors) for _ in range(ROUNDS))

    benchmark.pedantic(all_rounds, rounds=1, iterations=1)
    relative, allowance_ms = AIMS[cpu_share]
    within = misleading = 0
    for generator, observer in rounds:
        difference = abs(generator["p50_ms"] - observer["p50_ms"])
        fits = difference <= max(relative * observer["p50_ms"], allowance_ms)
        within += fits
        misleading += not fits and not generator["reasons"]
        verdict = "INVALID: " + generator["reasons"][-1] if generator["reasons"] else "VALID"
        sys.stdout.write(
            f"\ngenerator at {generator['cpu_share_percent']:.0f} % of a core: p50 {generator['p50_ms']:.3f} ms by "
            f"stamps, {generator['observed_p50_ms']:.3f} ms as its code saw it; observer: {observer['p50_ms']:.3f} ms; "
            f"{generator['shared_stamps'] / generator['frames']:.1%} shared stamps; {verdict}"
        )
    ratio = median(generator["p50_ms"] / observer["p50_ms"] for generator, observer in rounds)
    invalid = sum(1 for generator, _ in rounds if generator["reasons"])
    benchmark.extra_info.update(ratio=ratio, misleading=misleading)
    sys.stdout.write(
        f"\nat {cpu_share:.0%}, beside {competitors} competitors: generator ÷ observer {ratio:.2f} (median); "
        f"{within} of {ROUNDS} rounds within the aim, {invalid} INVALID, {misleading} neither\n"
    )
