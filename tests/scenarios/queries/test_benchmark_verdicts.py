"""What verdicts are worth: one strategy against itself, and against itself made 10 % slower, hundreds of times.

The blocks are real: one long comparison of a strategy with its twin. Decisions are resampled, because hundreds of real
comparisons would take a day: each draws as many blocks as a comparison has by default from those of one cell, with
replacement, and judges them as the laboratory does. The slow-down multiplies the twin's latencies.
"""

import asyncio
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import median, stdev

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from reference_server.statements import find_strategy
from scenarios.queries.laboratory import compare
from scenarios.queries.request import LaboratoryOptions
from scenarios.queries.verdicts import block_ratio, compare_blocks
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine

TWIN = "twin"
BLOCKS, EXECUTIONS = 24, 100  # the executions of a comparison by default
DECISION_BLOCKS = 8  # the same
DECISIONS = 2_000
SLOWER = 1.1
AIM_SAME, AIM_FOUND = 0.99, 0.95
OPTIONS = LaboratoryOptions(
    size="small",
    blocks=BLOCKS,
    executions=EXECUTIONS,
    statements=("list_messages", "list_conversations", "list_members", "send_message"),
)


def ratios_of(folder: RunFolder) -> dict[str, list[float]]:
    """One ratio per block, twin ÷ original, of every cell."""
    lines: dict[tuple[str, str, int], dict[str, QueryLine]] = defaultdict(dict)
    for line in folder.read_queries():
        lines[line.statement, line.parameter_class, line.block][line.strategy] = line
    found: dict[str, list[float]] = defaultdict(list)
    for (statement, parameter_class, _), pair in lines.items():
        found[f"{statement} ({parameter_class})"].append(block_ratio(pair[TWIN], pair["roadmap"]))
    return found


def verdicts(cells: Sequence[list[float]], factor: float) -> Counter[str]:
    """How often each verdict was given, over random cells and blocks."""
    draw = random.Random(1)
    return Counter(
        compare_blocks([ratio * factor for ratio in draw.choices(draw.choice(cells), k=DECISION_BLOCKS)]).verdict
        for _ in range(DECISIONS)
    )


@pytest.fixture
def cells(cluster_url: str, run_folder: RunFolder) -> dict[str, list[float]]:
    """The block ratios of a strategy and its twin."""
    roadmap = find_strategy("roadmap")
    asyncio.run(compare(cluster_url, run_folder, [roadmap, replace(roadmap, name=TWIN)], OPTIONS))
    return ratios_of(run_folder)


def test_twins_and_slow_twins(cells: dict[str, list[float]], benchmark: BenchmarkFixture) -> None:
    """The aims: twins are not told apart in 99 of 100 decisions, and a twin 10 % slower is found in 95 of 100."""
    for title, ratios in cells.items():
        sys.stdout.write(f"\n{title:40} ratio {median(ratios):.3f}, sd over blocks {100 * stdev(ratios):.1f} %")
    alike = benchmark.pedantic(lambda: verdicts(list(cells.values()), 1.0), rounds=1, iterations=1)
    slower = verdicts(list(cells.values()), SLOWER)
    told_apart = (alike["better"] + alike["worse"]) / DECISIONS
    found = slower["worse"] / DECISIONS
    benchmark.extra_info.update({"twins told apart": told_apart, "slow twins found": found})
    sys.stdout.write(f"\ntwins told apart: {100 * told_apart:.2f} % (aim {100 * (1 - AIM_SAME):.0f}; {dict(alike)})")
    sys.stdout.write(f"\ntwins 10 % slower found: {100 * found:.1f} % (aim {100 * AIM_FOUND:.0f}; {dict(slower)})\n")
