"""Counters are compared as counts."""

import math

import pytest

from reports.gate.counters import Counter, compare_counters

BUFFERS = Counter("buffers", "buffers", 0.0, "exact")
WAL = Counter("wal_bytes", "B", 0.02, "alignment")


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [(10, 10, "PASS"), (10, 11, "REGRESSED"), (10, 9, "IMPROVED"), (0, 0, "PASS"), (0, 1, "REGRESSED")],
)
def test_an_exact_counter_changes_by_one(base: float, head: float, verdict: str) -> None:
    """Without a tolerance, one more is more."""
    (finding,) = compare_counters([BUFFERS], {"buffers": base}, {"buffers": head})
    assert finding.verdict == verdict


def test_a_tolerance_covers_chance() -> None:
    """2 % of WAL are alignment, 3 % are not."""
    same, more = (compare_counters([WAL], {"wal_bytes": 1000}, {"wal_bytes": head})[0] for head in (1020, 1030))
    assert (same.verdict, more.verdict) == ("PASS", "REGRESSED")


def test_a_counter_of_one_arm_alone_is_invalid() -> None:
    """It is named, with the arm that lacks it; what neither has is not asked for."""
    (finding,) = compare_counters([BUFFERS, WAL], {"buffers": 1}, {})
    assert finding.verdict == "INVALID"
    assert "not in head" in finding.sentence


def test_a_value_that_is_no_count_is_invalid() -> None:
    """NaN is no count."""
    (finding,) = compare_counters([BUFFERS], {"buffers": math.nan}, {"buffers": 1})
    assert finding.verdict == "INVALID"
