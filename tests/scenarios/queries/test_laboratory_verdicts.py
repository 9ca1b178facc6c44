"""Tests of scenarios/queries/verdicts.py."""

import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.queries.verdicts import (
    FEWEST_BLOCKS,
    block_ratio,
    compare_blocks,
    geometric_interval,
    judge,
    percentile,
)
from scenarios.run_records import QueryLine

# Student's t: 99.5 % and 80 % quantiles with 4 degrees of freedom (printed tables).
T_995_4 = 4.604094871
T_80_4 = 0.940964577


def line(strategy: str, block: int, latency_us: tuple[float, ...], **changes: object) -> QueryLine:
    """A line of one block, with changes."""
    values: dict[str, object] = {
        "block": block,
        "position": 0,
        "strategy": strategy,
        "statement": "list_messages",
        "parameter_class": "hot",
        "latency_us": latency_us,
        "rows": 50,
        "buffers_hit": 9,
        "buffers_read": 1,
        "buffers_dirtied": 0,
        "wal_bytes": 0,
        "planning_buffers": 0,
        "plan": "plan.json",
        "plan_hash": "a",
        "indexes": ("chat_messages_pkey",),
    }
    return QueryLine(**{**values, **changes})  # type: ignore[arg-type]  # field by field, above


def test_interval_is_students_over_block_logs() -> None:
    """Five ratios give the geometric mean and its 99 % t interval."""
    logs = [0.10, 0.12, 0.11, 0.09, 0.13]
    comparison = compare_blocks([math.exp(value) for value in logs])
    standard_error = math.sqrt(0.00025 / 5)  # variance of the logs: 0.001 / 4
    assert comparison.ratio is not None
    assert comparison.ratio.estimate == pytest.approx(math.exp(0.11))
    assert comparison.ratio.low == pytest.approx(math.exp(0.11 - T_995_4 * standard_error))
    assert comparison.ratio.high == pytest.approx(math.exp(0.11 + T_995_4 * standard_error))
    assert comparison.smallest_effect == pytest.approx(1.05 * math.exp((T_995_4 + T_80_4) * standard_error) - 1)
    assert comparison.verdict == "worse"


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([0.80, 0.81, 0.79, 0.80, 0.80], "better"),
        ([1.20, 1.21, 1.19, 1.20, 1.20], "worse"),
        ([1.00, 1.01, 0.99, 1.00, 1.00], "same"),
        ([0.70, 1.30, 1.00, 0.90, 1.10], "unsure"),
        ([0.95, 0.94, 0.96, 0.93, 0.97], "unsure"),  # across the margin
        ([0.5] * 4, "unsure"),  # too few blocks to bound anything, however equal they are
        ([0.5], "unsure"),
        ([], "unsure"),
    ],
)
def test_verdicts(ratios: list[float], verdict: str) -> None:
    """A verdict needs its whole interval on one side of the margin."""
    assert compare_blocks(ratios).verdict == verdict


@given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=12))
def test_swapping_the_strategies_mirrors_the_verdict(ratios: list[float]) -> None:
    """What is better one way is worse the other way."""
    mirror = {"better": "worse", "worse": "better", "same": "same", "unsure": "unsure"}
    assert compare_blocks([1 / ratio for ratio in ratios]).verdict == mirror[compare_blocks(ratios).verdict]


def test_identical_strategies_are_not_told_apart() -> None:
    """Of 1 000 comparisons of equal things, at 3 % noise, none is called better or worse."""
    noise = random.Random(1)
    verdicts = [compare_blocks([math.exp(noise.gauss(0, 0.03)) for _ in range(5)]).verdict for _ in range(1000)]
    assert set(verdicts) <= {"same", "unsure"}


def test_the_smallest_effect_is_found() -> None:
    """A slow-down of the size that a run says it could find is found about as often as it says."""
    noise = random.Random(2)
    spread = 0.02
    # Five values with a standard deviation of exactly 1, scaled.
    values = [value / math.sqrt(2.5) for value in (-2, -1, 0, 1, 2)]
    expected = compare_blocks([math.exp(value * spread) for value in values])
    assert expected.smallest_effect is not None
    shift = math.log1p(expected.smallest_effect)
    found = [
        compare_blocks([math.exp(noise.gauss(shift, spread)) for _ in range(5)]).verdict == "worse" for _ in range(1000)
    ]
    assert 0.75 < sum(found) / 1000 < 0.9


def test_a_blocks_ratio_pairs_neighbours() -> None:
    """A disturbance that hits one moment weighs as one pair, however large it is."""
    candidate = line("b", 0, (20.0, 22.0, 900.0, 20.0, 21.0))
    baseline = line("a", 0, (10.0, 11.0, 10.0, 10.0, 10.5))
    assert block_ratio(candidate, baseline) == median([2.0, 2.0, 90.0, 2.0, 2.0])


def test_cells_carry_counters_and_are_ordered() -> None:
    """A cell holds medians over blocks; the baseline comes first and has no comparison."""
    lines = [
        line("a_new", 0, (5.0, 5.0), buffers_hit=3, buffers_read=0, plan_hash="b"),
        line("old", 0, (10.0, 12.0)),
        line("a_new", 1, (5.0, 5.0), buffers_hit=5, buffers_read=0, plan_hash="c", hot_share=0.5),
        line("old", 1, (10.0, 10.0)),
    ]
    old, new = judge(lines, "old")
    assert (old.strategy, old.buffers, old.comparison, old.executions) == ("old", 10, None, 4)
    assert (new.strategy, new.buffers, new.plan_hashes, new.hot_share) == ("a_new", 4, ("b", "c"), 0.5)
    assert new.comparison is not None
    assert new.comparison.ratio is not None
    assert new.comparison.ratio.estimate == pytest.approx(math.sqrt(median([5 / 10, 5 / 12]) * 0.5))
    assert old.latency_us_p99 == 12.0


@pytest.mark.parametrize("count", range(1, FEWEST_BLOCKS))
def test_few_blocks_bound_nothing(count: int) -> None:
    """They give an estimate without an interval and without an effect that would have been found."""
    comparison = compare_blocks([2.0, 3.0, 2.0, 3.0][:count])
    assert comparison.ratio is not None
    assert 2 <= comparison.ratio.estimate <= 3
    assert (comparison.ratio.low, comparison.ratio.high, comparison.smallest_effect) == (None, None, None)


def test_no_block_gives_no_estimate() -> None:
    """Nothing was measured, so nothing is told."""
    assert geometric_interval([]) is None


def test_percentiles_are_values_that_occurred() -> None:
    """The nearest-rank percentile of 1 … 100."""
    assert [percentile(range(1, 101), share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
