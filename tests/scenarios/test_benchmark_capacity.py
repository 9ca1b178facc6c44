"""Five searches for one capacity: of a server whose capacity is known by construction, and of the real one.

The known one serves one message after the other, each for a fixed time. Messages come evenly, so its queue is empty
below its capacity and grows by the second beyond it: an objective of L at pNN in a step that measures for T is missed
from 1/service × (1 + L ÷ (NN % of T)) on, whatever the machine does meanwhile.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.postgres import EmbeddedPostgres
from scenarios.capacity import CapacityOptions, find_capacity
from scenarios.run_folder import RunFolder
from scenarios.run_records import CapacityFile
from scenarios.runner import RunOptions

REPETITIONS = 5
EVENLY = {"--arrivals": "fixed", "--group-sizes": "4", "--non-members": "2", "--drain-seconds": "0.5"}
SERVICE_SECONDS = 0.02
LIMIT_SECONDS, SHARE = 0.3, 0.9


def search(options: CapacityOptions) -> tuple[RunFolder, CapacityFile]:
    folder = find_capacity(options, lambda *_: None)
    found = folder.read_capacity()
    assert found is not None
    return folder, found


def tell(number: int, found: CapacityFile) -> float:
    """One line per search; the estimate."""
    result = found.result
    assert result is not None
    assert result.load is not None
    sys.stdout.write(
        f"\nsearch {number}: {result.kind} {result.load:.4g}, 95 % interval {result.low or 0:.4g} to "
        f"{result.high or 0:.4g}, {len(found.steps)} steps; beyond: {'; '.join(result.gave_way)}"
    )
    sys.stdout.flush()
    return result.load


def measured_seconds(folder: RunFolder, found: CapacityFile) -> float:
    """The measured time of a step, in the mean."""
    records = [RunFolder(folder.path / step.folder).read_manifest().scenarios[0] for step in found.steps]
    return sum(record.seconds for record in records) / len(records)


def test_five_searches_find_a_known_capacity(
    scripted_server: Callable[..., Any], tmp_path: Path, benchmark: BenchmarkFixture
) -> None:
    """The aim: each within 10 % of the truth."""
    server = scripted_server(service_seconds=SERVICE_SECONDS)

    def five() -> list[float]:
        ratios = []
        for number in range(1, REPETITIONS + 1):
            run = RunOptions(
                scenarios=("fanout",), target=server.url, users=10, seconds=6, scenario_options=EVENLY, out=tmp_path,
                seed=number,
            )  # fmt: skip
            objective = f"request_s_p{100 * SHARE:g}<={LIMIT_SECONDS}"
            folder, found = search(CapacityOptions(run=run, objectives=(objective,), repetitions=3))
            truth = (1 + LIMIT_SECONDS / (SHARE * measured_seconds(folder, found))) / SERVICE_SECONDS
            ratios.append(tell(number, found) / truth)
            sys.stdout.write(f"\n  ÷ known capacity {truth:.4g}: {ratios[-1]:.3f}")
        return ratios

    ratios = benchmark.pedantic(five, rounds=1, iterations=1)
    benchmark.extra_info["found ÷ known"] = ratios
    assert all(ratio == pytest.approx(1, rel=0.1) for ratio in ratios)


def test_five_searches_of_the_real_server_agree(
    postgres: EmbeddedPostgres, tmp_path: Path, benchmark: BenchmarkFixture
) -> None:
    """The aim: each within 10 % of their median, on a machine that does nothing else."""

    def five() -> list[float]:
        loads = []
        for number in range(1, REPETITIONS + 1):
            run = RunOptions(
                scenarios=("pagination",), size="tiny", database_url=postgres.url("postgres"), out=tmp_path, seed=number
            )
            _, found = search(CapacityOptions(run=run, objectives=("request_ms_p90<=100",)))
            loads.append(tell(number, found))
        return loads

    loads = benchmark.pedantic(five, rounds=1, iterations=1)
    ratios = [load / median(loads) for load in loads]
    sys.stdout.write(f"\n÷ their median: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    benchmark.extra_info["found ÷ median"] = ratios
