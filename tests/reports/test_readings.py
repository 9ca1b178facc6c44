"""What a section says where its data do not allow much."""

from types import SimpleNamespace
from typing import Any

import pytest

from reports.report import summarise
from scenarios.run_folder import RunFolder
from scenarios.run_records import HistogramLine


def readings(run: RunFolder) -> dict[str, str]:
    return {section.name: section.reading for section in summarise(run.path).sections}


def pages(parts: SimpleNamespace, second: int, depth: str, latencies_us: list[int]) -> HistogramLine:
    labels = {"scenario": "pagination", "request": "get_messages", "weight": "heavy", "depth": depth}
    line: HistogramLine = parts.line(second, "request_us", latencies_us, **labels)
    return line


@pytest.fixture
def pagination(parts: SimpleNamespace) -> Any:
    """A manifest of eight seconds of pagination."""
    return parts.manifest([parts.record("pagination", 0, 8)])


def test_blocks_that_disagree_leave_growth_unsure(build_run: Any, parts: SimpleNamespace, pagination: Any) -> None:
    """Half the blocks twice as slow, half twice as fast."""
    lines = [pages(parts, second, "1", [500] * 20) for second in range(8)]
    lines += [pages(parts, second, "2-9", [1000 if second % 2 else 250] * 20) for second in range(8)]
    assert readings(build_run(pagination, lines))["pagination"] == (
        "In heavy conversations it is unsure whether the p50 grows with depth: page 2–9 costs 1.25 × page 1 "
        "(99 % interval 0.50–2.00)."
    )


def test_a_single_block_tells_no_growth(build_run: Any, parts: SimpleNamespace, pagination: Any) -> None:
    """The whole run's p50 of both depths, and no ratio."""
    lines = [pages(parts, 0, depth, [latency_us] * 90) for depth, latency_us in (("1", 500), ("2-9", 700))]
    assert readings(build_run(pagination, lines))["pagination"] == (
        "In heavy conversations too few pages were fetched to tell whether depth costs: the p50 of page 2–9 is 0.70 ms "
        "and that of page 1 0.50 ms."
    )


def test_too_few_pages_per_block_tell_no_growth(build_run: Any, parts: SimpleNamespace, pagination: Any) -> None:
    """Nine per block are not ten."""
    lines = [pages(parts, second, depth, [500] * 9) for second in range(8) for depth in ("1", "2-9")]
    assert "too few pages were fetched" in readings(build_run(pagination, lines))["pagination"]


def test_too_few_messages_tell_no_growth(build_run: Any, parts: SimpleNamespace) -> None:
    """Both group sizes' p50, and no ratio."""
    lines = [
        parts.line(0, "delivery_last_us", [latency_us] * 20, scenario="fanout", group_size=size)
        for size, latency_us in (("2", 500), ("50", 700))
    ]
    assert readings(build_run(lines=lines))["fanout"] == (
        "Half of the messages have reached the last member of a group of 50 within 0.70 ms; in groups of 2 within "
        "0.50 ms, from too few messages to be sure of a difference."
    )


def test_too_few_changes_tell_no_growth(build_run: Any, parts: SimpleNamespace) -> None:
    """Both numbers of watchers, and no ratio."""
    lines = [
        parts.line(0, "presence_convergence_us", [latency_us] * 20, scenario="presence", watchers=watchers)
        for watchers, latency_us in (("1", 500), ("20", 700))
    ]
    assert readings(build_run(lines=lines))["presence"] == (
        "Half of the changes have reached all of 20 watchers within 0.70 ms; the p50 is 0.70 ms, and 0.50 ms with 1 "
        "of them, from too few changes to be sure of a difference; frames per change were not measured."
    )


def test_falling_latency_is_said_to_fall(build_run: Any, parts: SimpleNamespace, pagination: Any) -> None:
    """Beyond the bound, below one."""
    lines = [
        pages(parts, second, depth, [latency_us] * 20)
        for second in range(8)
        for depth, latency_us in (("1", 1000), ("2-9", 500))
    ]
    assert "the p50 falls with depth: page 2–9 costs 0.50 ×" in readings(build_run(pagination, lines))["pagination"]


def test_one_depth_tells_no_growth(build_run: Any, parts: SimpleNamespace, pagination: Any) -> None:
    """The sentence says so and gives what there is."""
    assert readings(build_run(pagination, [pages(parts, 0, "1", [500] * 20)]))["pagination"] == (
        "Only one depth was measured, so this run cannot tell how cost grows with depth; "
        "the p50 of heavy conversations is 0.50 ms."
    )


def test_depths_are_read_in_their_order(build_run: Any, parts: SimpleNamespace, pagination: Any) -> None:
    """By number, not by letter."""
    lines = [pages(parts, 0, depth, [500]) for depth in ("100-999", "2-9", "1", "10-99")]
    assert summarise(build_run(pagination, lines).path).pagination.depths == ("1", "2-9", "10-99", "100-999")


def test_overhead_that_differs_names_both_ends(build_run: Any, parts: SimpleNamespace) -> None:
    """Least and most, wherever they are."""
    lines = []
    for size, wire_bytes in (("2", 200), ("10", 150), ("50", 300)):
        labels = {"scenario": "fanout", "group_size": size}
        lines += [
            parts.line(0, "delivery_wire_bytes", [wire_bytes], **labels),
            parts.line(0, "delivery_content_bytes", [100], **labels),
        ]
    assert readings(build_run(lines=lines))["bytes"] == (
        "Beyond its content a delivery costs least in groups of 10 (50.0 B) and most in groups of 50 (200 B)."
    )


def test_fewer_frames_than_watchers_are_said_to_be_fewer(build_run: Any, parts: SimpleNamespace) -> None:
    """Coalescing shows."""
    labels = {"scenario": "presence", "watchers": "20"}
    lines = [
        parts.line(0, "presence_convergence_us", [1000] * 20, **labels),
        parts.line(0, "presence_frames_per_change", [15] * 20, **labels),
    ]
    assert readings(build_run(lines=lines))["presence"] == (
        "Half of the changes have reached all of 20 watchers within 1.00 ms; "
        "a change sends 15.0 frames to 20 watchers, fewer than one each."
    )


def test_the_laboratory_s_executions_cannot_be_late(build_run: Any, parts: SimpleNamespace) -> None:
    """They have no intended start and do not dilute the share of late ones."""
    run = parts.manifest([parts.record("fanout", 0, 8, started=100, late=5), parts.record("queries", 9, started=9900)])
    lines = [parts.line(0, "start_delay_us", [100] * 100, scenario="fanout", operation="send")]
    assert "5.00 % of 100 scheduled operations" in readings(build_run(run, lines))["health"]


def test_one_strategy_has_nothing_to_be_compared_with(build_run: Any, parts: SimpleNamespace) -> None:
    """The reading says so."""
    queries = [parts.query(0, "roadmap", "list_messages", "hot")]
    assert readings(build_run(queries=queries))["strategies"] == (
        "Only “roadmap” ran, on one pair of statement and class: there is nothing to compare."
    )
