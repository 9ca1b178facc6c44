"""Whether a busy generator's own delay gets into the delivery latency that it reports.

A plain server broadcasts 100 events/s. A generator with 100 connections is kept at a share of a core by other work in
the same process; at the same time an observer, a process of its own with 10 connections, receives the same events at
next to no load. The server serves connections in a random order per event. Compared are the p50 that both report, by
kernel stamps; beside it stands what the generator's own code saw, which is what a client without stamps reports.

Measured so far only where many others wanted the same two cores: the generator got 6 to 31 % of a core instead of
what it asked for. Then stamps do not help: the kernel joins segments that wait in a socket under the stamp of the
last one, and the p50 came out at 10 to 800 ms where the observer saw 1. Fifteen of sixteen such rounds were
INVALID, by loop lag; one (p50 10.6 ms, observer 0.8, lag p99 below 100 ms) was VALID: the aim is missed there. A
lag that is moderate but constant needs a bound of its own.
"""

import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

CONNECTIONS, OBSERVERS = 100, 10
SECONDS, ROUNDS = 3, 4
CONNECTING_SECONDS = 3
# By the generator's share of a core: by how much its p50 may differ, relatively and in ms; 0: no allowance in ms.
AIMS = {0.5: (0.10, 0.1), 0.9: (0.20, 0.0)}


@pytest.fixture
def receive_together(broadcasting_server: Any, request: pytest.FixtureRequest) -> Any:
    """Runs a generator at a share of a core and an observer at the same time, and gives what they printed."""
    arm = request.path.parent / "receive_path" / "receive_arm.py"

    def both(cpu_share: float) -> tuple[dict[str, Any], dict[str, Any]]:
        begin = str(time.time() + CONNECTING_SECONDS)
        processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    arm,
                    "chatbench",
                    str(broadcasting_server.port),
                    str(count),
                    str(SECONDS),
                    share,
                    begin,
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            for count, share in ((CONNECTIONS, str(cpu_share)), (OBSERVERS, "0"))
        ]
        generator, observer = (json.loads(process.communicate(timeout=60)[0]) for process in processes)
        return generator, observer

    return both


@pytest.mark.parametrize("cpu_share", AIMS)
def test_the_generators_own_delay(receive_together: Any, benchmark: BenchmarkFixture, cpu_share: float) -> None:
    """The aims: at half a core within 10 % or 0.1 ms of the observer; at 90 % within 20 %, or the run is INVALID."""
    rounds: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def all_rounds() -> None:
        rounds.extend(receive_together(cpu_share) for _ in range(ROUNDS))

    benchmark.pedantic(all_rounds, rounds=1, iterations=1)
    relative, allowance_ms = AIMS[cpu_share]
    differences = [abs(generator["p50_ms"] - observer["p50_ms"]) for generator, observer in rounds]
    within = [
        difference <= max(relative * observer["p50_ms"], allowance_ms)
        for difference, (_, observer) in zip(differences, rounds, strict=True)
    ]
    invalid = sum(1 for generator, _ in rounds if generator["reasons"])
    misleading = sum(
        1 for fits, (generator, _) in zip(within, rounds, strict=True) if not fits and not generator["reasons"]
    )
    ratio = median(generator["p50_ms"] / observer["p50_ms"] for generator, observer in rounds)
    benchmark.extra_info.update(ratio=ratio, misleading=misleading)
    for generator, observer in rounds:
        verdict = "INVALID: " + generator["reasons"][0] if generator["reasons"] else "VALID"
        sys.stdout.write(
            f"\ngenerator at {generator['cpu_share_percent']:.0f} % of a core: p50 {generator['p50_ms']:.3f} ms by "
            f"stamps, {generator['observed_p50_ms']:.3f} ms as its code saw it; "
            f"observer at {observer['cpu_share_percent']:.0f} %: {observer['p50_ms']:.3f} ms; {verdict}"
        )
    sys.stdout.write(
        f"\nat {cpu_share:.0%}: generator ÷ observer {ratio:.2f} (median); {sum(within)} of {ROUNDS} rounds within the "
        f"aim, {invalid} INVALID, {misleading} neither\n"
    )
