"""The query laboratory's numbers: intervals, ratios and judgements, strategy by strategy."""

from types import SimpleNamespace
from typing import Any

import pytest

from reports.report import summarise
from reports.strategies import StrategyCell
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine


def cells(run: RunFolder) -> dict[str, StrategyCell]:
    """The cells by strategy."""
    return {cell.strategy: cell for cell in summarise(run.path).strategies.cells}


def block_lines(parts: SimpleNamespace, strategy: str, medians_us: list[float], **changes: Any) -> list[QueryLine]:
    """One line per block whose three executions have this median."""
    return [
        parts.query(block, strategy, "s", "hot", latency_us=(median / 2, median, median * 9), **changes)
        for block, median in enumerate(medians_us)
    ]


def test_latency_is_the_median_of_block_medians_with_its_interval(build_run: Any, parts: SimpleNamespace) -> None:
    """Nine blocks: the interval runs from the second to the eighth, by the binomial distribution."""
    medians_us = [float(value) for value in (900, 100, 200, 300, 400, 500, 600, 700, 800)]
    interval = cells(build_run(queries=block_lines(parts, "none", medians_us)))["none"].latency_ms
    assert interval is not None
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.2, 0.8)
    assert interval.blocks == 9
    assert interval.coverage == pytest.approx(1 - 20 / 512)


def test_ratios_are_taken_within_a_block(build_run: Any, parts: SimpleNamespace) -> None:
    """A machine that slows down block by block slows both arms: the ratio stays two."""
    queries = block_lines(parts, "none", [100.0 * block for block in range(1, 9)])
    queries += block_lines(parts, "slow", [200.0 * block for block in range(1, 9)])
    found = cells(build_run(queries=queries))["slow"]
    assert found.ratio is not None
    assert (found.ratio.estimate, found.ratio.low, found.ratio.high) == (2.0, 2.0, 2.0)
    assert found.latency_judgement == "higher"


def test_an_interval_that_holds_one_is_indistinguishable(build_run: Any, parts: SimpleNamespace) -> None:
    """Neither faster nor slower."""
    queries = block_lines(parts, "none", [100.0] * 8) + block_lines(parts, "other", [90.0, 110.0] * 4)
    found = cells(build_run(queries=queries))["other"]
    assert found.ratio is not None
    assert (found.ratio.low, found.ratio.high, found.latency_judgement) == (0.9, 1.1, "unsure")


def test_five_blocks_make_nothing_faster(build_run: Any, parts: SimpleNamespace) -> None:
    """Their interval has 93.75 %; the reading says that they are too few."""
    run = build_run(queries=block_lines(parts, "none", [100.0] * 5) + block_lines(parts, "fast", [10.0] * 5))
    assert cells(run)["fast"].latency_judgement == "unsure"
    section = next(section for section in summarise(run.path).sections if section.name == "strategies")
    assert "by latency 1 indistinguishable (5 blocks are too few to tell)" in section.reading
    assert "at least 93 % confidence; where that is under 95 %" in section.how


def test_buffers_count_hits_and_reads(build_run: Any, parts: SimpleNamespace) -> None:
    """Where a page came from changes nothing of how many were needed."""
    queries = block_lines(parts, "none", [1.0] * 3, buffers_hit=7, buffers_read=5)
    assert cells(build_run(queries=queries))["none"].buffers == 12


def test_the_baseline_is_none_where_it_ran(build_run: Any, parts: SimpleNamespace) -> None:
    """And the first by name where it did not."""
    with_none = [line for name in ("a", "none", "z") for line in block_lines(parts, name, [1.0])]
    assert summarise(build_run(queries=with_none).path).strategies.strategies == ("none", "a", "z")


def test_other_rows_and_plans_than_the_baseline_s_show(build_run: Any, parts: SimpleNamespace) -> None:
    """A strategy must not change what a statement returns."""
    queries = block_lines(parts, "none", [1.0] * 3, rows=5, plan_hash="a")
    queries += block_lines(parts, "other", [1.0] * 3, rows=4, plan_hash="b")
    found = cells(build_run(queries=queries))
    assert (found["other"].rows_differ, found["other"].plan_changed) == (True, True)
    assert (found["none"].rows_differ, found["none"].plan_changed) == (False, False)


def test_the_largest_saving_is_found(build_run: Any, parts: SimpleNamespace) -> None:
    """By factor, whatever its size."""
    queries = [
        parts.query(0, strategy, statement, "hot", buffers_hit=buffers)
        for strategy, statement, buffers in (
            ("none", "big", 10_000),
            ("x", "big", 5_000),
            ("none", "small", 40),
            ("x", "small", 4),
        )
    ]
    best = summarise(build_run(queries=queries).path).strategies.most_saved
    assert best is not None
    assert (best.name, best.buffers_saved) == ("small (hot) under “x”", 36)
