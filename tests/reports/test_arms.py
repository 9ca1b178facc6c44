"""Comparisons of servers: ratios from paired blocks, exact counts, and sections that name their arm."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from reports.arms import INDISTINGUISHABLE, ArmComparison
from reports.arms_figure import figure_rows
from reports.measurements import read_measurements
from reports.report import render, summarise
from reports.summary import RunSummary
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord, CountRecord, RunManifest

BLOCKS = 6


def compared_run(
    build_run: Callable[..., RunFolder],
    parts: SimpleNamespace,
    factors: dict[str, float],
    wal_bytes: dict[str, int],
    blocks: int = BLOCKS,
) -> RunFolder:
    """Two arms in turns of two seconds each; one's latencies and WAL are multiples of the other's in every block."""
    records, lines, ledgers = [], [], []
    second = 0
    for block in range(blocks):
        for arm, factor in factors.items():
            drift = 1 + block  # of the machine, for both alike
            labels = {"scenario": "fanout", "group_size": "10", "arm": arm}
            lines.append(parts.line(second, "delivery_us", [int(100 * drift * factor)] * 50, **labels))
            # Recorded while draining, after the measured time.
            lines.append(parts.line(second + 2, "delivery_us", [int(100 * drift * factor)] * 50, **labels))
            lines.append(parts.line(second, "start_delay_us", [10] * 10, scenario="fanout", operation="x", arm=arm))
            counts = [
                CountRecord(name="database_wal_bytes", value=wal_bytes[arm] * 10),
                CountRecord(name="database_inserts", labels={"table": "chat_messages"}, value=10),
                CountRecord(name="database_inserts", labels={"table": "conversations"}, value=3),
                CountRecord(name="database_updates", labels={"table": "conversations"}, value=20),
                CountRecord(name="database_hot_updates", labels={"table": "conversations"}, value=5),
            ]
            record = parts.record("fanout", second, 2, started=10)
            records.append(structs.replace(record, arm=arm, block=block, counts=counts))
            second += 4
    ledgers += [parts.ledger("fanout", {"group_size": "10", "arm": arm}, 100) for arm in factors for _ in range(blocks)]
    manifest: RunManifest = parts.manifest(
        records, arms={"fanout": [ArmRecord(name=arm, settings={"size": "tiny"}) for arm in factors]}
    )
    return build_run(manifest, lines, ledgers)


@pytest.fixture
def compared(build_run: Callable[..., RunFolder], parts: SimpleNamespace) -> Callable[..., RunSummary]:
    """Summarises a run of two arms."""

    def summary(factor: float, wal_factor: float = 1.0, **more: Any) -> RunSummary:
        wal = {"plain": 1000, "other": int(1000 * wal_factor)}
        return summarise(compared_run(build_run, parts, {"plain": 1.0, "other": factor}, wal, **more).path)

    return summary


def comparison_of(summary: RunSummary) -> ArmComparison:
    (comparison,) = summary.arms
    return comparison


def test_a_difference_in_every_block_is_found_through_a_drift(compared: Callable[..., RunSummary]) -> None:
    """Latency doubles for one arm while the machine slows down sixfold for both: the ratio is 2, and sure."""
    comparison = comparison_of(compared(2.0))
    row = next(row for row in comparison.rows if row.measure == "delivery_p50")
    ratio = row.values["other"].ratio
    assert ratio is not None
    assert (round(ratio.low, 2), round(ratio.estimate, 2), round(ratio.high, 2)) == (2.0, 2.0, 2.0)
    assert ratio.blocks == BLOCKS
    assert row.values["other"].verdict == "higher"
    assert row.values["plain"].ratio is None


def test_alike_arms_are_indistinguishable(compared: Callable[..., RunSummary]) -> None:
    """And the reading says so in one sentence."""
    summary = compared(1.0)
    assert comparison_of(summary).different == []
    reading = next(section.reading for section in summary.sections if section.name == "arms-fanout")
    assert INDISTINGUISHABLE in reading


def test_too_few_blocks_distinguish_nothing(compared: Callable[..., RunSummary]) -> None:
    """Four blocks make an interval of 87 %, whatever the ratio."""
    comparison = comparison_of(compared(3.0, blocks=4))
    values = [value for row in comparison.rows for value in row.values.values() if value.ratio is not None]
    assert values
    assert {value.verdict for value in values} == {INDISTINGUISHABLE}


def test_exact_counts_become_figures_per_message(compared: Callable[..., RunSummary]) -> None:
    """WAL by the messages alone, HOT updates by the updates of the same table."""
    summary = compared(1.0, wal_factor=1.5)
    wal, hot = (
        next(row for row in comparison_of(summary).exact if row.measure == measure)
        for measure in ("wal_bytes_per_message", "hot_percent_conversations")
    )
    assert [value.value for value in wal.values.values()] == [1000.0, 1500.0]
    assert wal.values["other"].verdict == "higher"
    assert [value.value for value in hot.values.values()] == [25.0, 25.0]
    assert "1.50 × its WAL per stored message" in next(
        section.reading for section in summary.sections if section.name == "arms-fanout"
    )


def test_each_line_belongs_to_the_block_that_wrote_it(
    build_run: Callable[..., RunFolder], parts: SimpleNamespace
) -> None:
    """Lines written while a block drained are not the next one's."""
    folder = compared_run(build_run, parts, {"plain": 1.0, "other": 2.0}, {"plain": 1, "other": 1})
    measurements = read_measurements(folder.path)
    deliveries = [series for series in measurements.series if series.metric == "delivery_us"]
    assert [sorted(series.blocks) for series in deliveries] == [list(range(BLOCKS))] * 2
    for series in deliveries:
        assert [part.count for part in series.blocks.values()] == [100] * BLOCKS


def test_sections_are_drawn_per_arm_and_numbers_say_whose_they_are(compared: Callable[..., RunSummary]) -> None:
    """The first arm's keep the section's own name and figure; arms are not mixed."""
    summary = compared(2.0)
    names = [section.name for section in summary.sections if section.measured]
    assert {"fanout", "fanout-other", "arms-fanout"} <= set(names)
    numbers = summary.numbers
    of_plain, of_other = (numbers[f"fanout.delivery_count.group_size=10,arm={arm}"] for arm in ("plain", "other"))
    assert of_plain.value == of_other.value == 100 * BLOCKS
    assert numbers["ledger.expected.arm=other,group_size=10,scenario=fanout"].value == 100 * BLOCKS
    assert numbers["health.started.arm=other,scenario=fanout"].value == 10 * BLOCKS


def test_the_report_is_drawn(build_run: Callable[..., RunFolder], parts: SimpleNamespace) -> None:
    """With the comparison's figure beside the others; most different rows first."""
    folder = compared_run(build_run, parts, {"plain": 1.0, "other": 2.0}, {"plain": 1000, "other": 3000})
    report = render(folder.path)
    assert "arms-fanout.png" in {path.name for path in report.figures}
    assert "Which of the servers does better" in report.page.read_text(encoding="utf-8")
    rows = figure_rows(comparison_of(report.summary))
    assert rows[0].measure == "wal_bytes_per_message"
    assert len({id(row) for row in rows}) == len(rows)


def test_a_part_that_comes_twice_is_damage(build_run: Callable[..., RunFolder], parts: SimpleNamespace) -> None:
    """Blocks and arms make records distinct; the same block of the same arm twice is refused as ever."""
    folder = compared_run(build_run, parts, {"plain": 1.0, "other": 1.0}, {"plain": 1, "other": 1})
    manifest = folder.read_manifest()
    manifest.scenarios.append(manifest.scenarios[0])
    folder.write_manifest(manifest)
    with pytest.raises(Exception, match="names a scenario twice"):
        read_measurements(folder.path)
