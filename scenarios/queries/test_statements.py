"""The query laboratory for people who live in pytest: `pytest scenarios/queries --benchmark-only`.

One benchmark per statement, parameter class and strategy, in groups that compare strategies. The laboratory measures
what was selected in one go, strategies interleaved in blocks as ever; each benchmark then shows the executions of its
own cell, on a clock that runs by their latencies. Plan, buffers and the verdict are in `extra_info`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from scenarios.place import open_cluster
from scenarios.provenance import new_manifest
from scenarios.queries.laboratory import LaboratoryResult, run_laboratory
from scenarios.queries.parameter_classes import axis_of
from scenarios.queries.plan_text import plan_lines
from scenarios.queries.request import LaboratoryOptions, measured_statements
from scenarios.queries.variants import shipped_variants
from scenarios.queries.verdict_table import verdict_word
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine
from scenarios.study import SCENARIO

Cell = tuple[str, str, str]  # statement, parameter class, strategy
Measured = tuple[LaboratoryResult, RunFolder, dict[Cell, list[QueryLine]]]


class StatementClock:
    """A clock that stands still but for the executions that it is told of."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self._seconds

    def run(self, latencies_us: Iterator[float]) -> None:
        """Lets the next execution pass."""
        self._seconds += next(latencies_us) / 1e6


CLOCK = StatementClock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per cell that there can be; which of its classes a data set has is known when it is there."""
    strategies = [Path(name).stem for name in metafunc.config.getoption("--strategies").split(",")]
    cells = [
        (name, parameter_class, strategy)
        for name, variant in (measured_statements() | shipped_variants()).items()
        for parameter_class in axis_of(variant.statement).classes
        for strategy in strategies
    ]
    metafunc.parametrize("cell", cells, ids=["-".join(cell) for cell in cells])


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Everything that was selected, measured together, and its lines by cell."""
    option = request.config.getoption
    options = LaboratoryOptions(
        strategies=tuple(option("--strategies").split(",")),
        statements=tuple(dict.fromkeys(item.callspec.params["cell"][0] for item in _cells(request.session))),
        size=option("--size"),
        blocks=option("--blocks"),
        executions=option("--executions"),
    )
    folder = RunFolder.create(tmp_path_factory.mktemp("laboratory"), SCENARIO)
    manifest = new_manifest(run_id=folder.path.name, title=SCENARIO, seed=options.seed, options=asdict(options))
    folder.write_manifest(manifest)
    with open_cluster(Path(option("--out")), option("--database-url")) as cluster_url:
        result = run_laboratory(options, cluster_url, folder)
    found: dict[Cell, list[QueryLine]] = {}
    for line in folder.read_queries():
        found.setdefault((line.statement, line.parameter_class, line.strategy), []).append(line)
    return result, folder, found


@pytest.mark.benchmark(timer=CLOCK)
def test_statement(cell: Cell, measured: Measured, benchmark: BenchmarkFixture) -> None:
    """A cell was measured, and gives the rows that it should."""
    result, folder, found = measured
    if cell not in found:
        pytest.skip("; ".join([*result.record.reasons, *result.record.warnings]) or f"no {cell[1]} in this data set")
    judged = next(one for one in result.cells if (one.statement, one.parameter_class, one.strategy) == cell)
    latencies = [latency for line in found[cell] for latency in line.latency_us]
    remaining = iter(latencies)
    benchmark.group = f"{cell[0]} ({cell[1]})"
    benchmark.extra_info.update({
        "plan": _plan(folder, found[cell][-1]),
        "indexes": list(judged.indexes),
        "rows": judged.rows,
        "buffers": judged.buffers,
        "buffers_dirtied": judged.buffers_dirtied,
        "wal_bytes": judged.wal_bytes,
        "hot_share": judged.hot_share,
        "verdict": verdict_word(judged, result),
    })  # fmt: skip
    benchmark.pedantic(  # type: ignore[no-untyped-call]  # it has no types
        CLOCK.run, args=(remaining,), rounds=len(latencies), iterations=1
    )
    assert (judged.statement, judged.parameter_class, judged.strategy) not in result.wrong


def _plan(folder: RunFolder, line: QueryLine) -> list[str]:
    document = json.loads((folder.plans / line.plan).read_text(encoding="utf-8"))
    return plan_lines(document[0]["Plan"])


def _cells(session: pytest.Session) -> list[Any]:
    return [item for item in session.items if "cell" in getattr(getattr(item, "callspec", None), "params", {})]
