"""A duet's run folder with known truth gives exactly these rounds, counters and remarks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.errors import InputError
from reports.gate.duet import METRICS, DuetData, judge_duet, needs_confirmation, read_duet
from reports.gate.outputs import markdown
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord, CountRecord

Build = Callable[..., DuetData]


def test_rounds_are_read_as_they_were_measured(build: Build) -> None:
    """25 rounds of each metric, in ms, with their operations."""
    rounds = build({"deep_page": 1.5}).rounds(range(5))
    assert set(rounds) == {metric.name for metric in METRICS}
    assert all(len(found) == 25 for found in rounds.values())
    first = rounds["deep_page_ms_p50"][0]
    assert (first.block, first.base, first.operations) == (0, pytest.approx(1.0), 300)
    assert first.head / first.base == pytest.approx(1.5, rel=2e-3)


def test_identical_arms_pass(build: Build) -> None:
    """Every metric and counter, with the arms' names in the title."""
    outcome = judge_duet(build(), 5)
    assert outcome.verdict == "PASS"
    assert outcome.title == "main (base) against x (head)"
    assert [(one.counter.name, one.base) for one in outcome.counters] == [("delivery_bytes", 200)]


def test_one_slower_operation_is_found_once_fresh_blocks_confirm_it(build: Build) -> None:
    """Eight blocks, of which the last three confirm."""
    outcome = judge_duet(build({"send_message": 1.4}, blocks=8), 5)
    slower = {finding.metric.name for finding in outcome.decision.findings if finding.verdict == "REGRESSED"}
    assert slower == {"send_message_ms_p50", "send_message_ms_p95"}
    assert outcome.verdict == "REGRESSED"


def test_without_fresh_blocks_they_are_asked_for(build: Build) -> None:
    """Five blocks alone are no verdict."""
    outcome = judge_duet(build({"send_message": 1.4}), 5)
    assert needs_confirmation(outcome)
    assert outcome.verdict == "UNCERTAIN"


def test_too_few_operations_are_no_pass(build: Build) -> None:
    """150 in a round leave a p95 to seven values."""
    assert judge_duet(build(requests=150), 5).verdict == "INVALID"


def test_a_run_that_must_not_be_believed_is_no_pass(build: Build) -> None:
    """Its own reasons are told."""
    outcome = judge_duet(build(reasons=["head ended in block 2: out of memory"]), 5)
    assert outcome.verdict == "INVALID"
    assert "head ended in block 2" in markdown(outcome)


def test_a_block_that_was_replaced_does_not_count_and_is_told(build: Build) -> None:
    """Neither its times nor its counters; the blocks that count judge and confirm in their order."""
    outcome = judge_duet(build({"send_message": 1.4}, blocks=9, replaced=2), 5)
    slower = {finding.metric.name for finding in outcome.decision.findings if finding.verdict == "REGRESSED"}
    assert slower == {"send_message_ms_p50", "send_message_ms_p95"}
    assert all(finding.rounds == 25 for finding in outcome.decision.findings)
    assert [one.head for one in outcome.counters] == [200]
    assert "duet (pair, block 3) was replaced by a fresh block: it was late" in markdown(outcome)


def test_settings_that_differ_are_named(build: Build) -> None:
    """Wanted or not."""
    arms = [
        ArmRecord(name="base", settings={"version": ".", "pool_size_max": "16"}),
        ArmRecord(name="head", settings={"version": "set:pool_size_max=4", "pool_size_max": "4"}),
    ]
    outcome = judge_duet(build(arms=arms), 5)
    assert "pool_size_max differs: 16 in base, 4 in head" in outcome.remarks


def test_an_arm_that_does_not_say_its_settings_is_named(build: Build) -> None:
    """A server that somebody else started."""
    arms = [
        ArmRecord(name="base", settings={"version": ".", "pool_size_max": "16"}),
        ArmRecord(name="head", settings={"version": "http://127.0.0.1:8000"}),
    ]
    remarks = judge_duet(build(arms=arms), 5).remarks
    assert "head did not say its settings: whether they differ is not known" in remarks
    assert not any("pool_size_max" in remark for remark in remarks)


def test_a_folder_that_holds_no_duet_is_no_pass(tmp_path: Path, build: Build) -> None:
    """A truncated run, and no run at all."""
    build()
    (tmp_path / "run" / "histograms.jsonl").write_bytes(b"")
    assert judge_duet(read_duet(tmp_path / "run"), 5).verdict == "INVALID"
    with pytest.raises(InputError, match="no run folder"):
        read_duet(tmp_path / "nothing")


def per_arm(name: str, base: float, head: float, **labels: str) -> list[CountRecord]:
    """One count of both arms."""
    return [
        CountRecord(name=name, labels={"arm": arm, **labels}, value=value)
        for arm, value in (("base", base), ("head", head))
    ]


def test_counters_decide_where_times_cannot(build: Build) -> None:
    """Twice the pages per request is a regression though no time has changed; so are lost answers and deliveries."""
    counts = [
        *per_arm("duet_asked", 1000, 1000),
        *per_arm("duet_requests", 500, 490, operation="send_message"),
        *per_arm("duet_failed", 0, 10),
        *per_arm("duet_expected_deliveries", 100, 110),
        *per_arm("duet_messages_stored", 500, 500),
        *per_arm("duet_buffers", 40_000, 80_000),
        *per_arm("duet_rows_written", 1500, 1500),
        *per_arm("duet_cold_updates", 0, 9),
    ]
    outcome = judge_duet(build(more_counts=counts), 5)
    found = {one.counter.name: (one.verdict, one.base, one.head) for one in outcome.counters}
    assert found["buffers_per_request"] == ("REGRESSED", 40, 80)
    assert found["failed_requests_share"] == ("REGRESSED", 0, 0.02)
    assert found["missing_deliveries_share"] == ("REGRESSED", 0, pytest.approx(10 / 110))
    assert found["rows_written_per_message"] == ("PASS", 3, 3)
    assert found["cold_updates_per_message"][0] == "PASS"  # 9 in 500 is chance
    assert outcome.verdict == "REGRESSED"


def test_requests_of_a_block_without_statements_are_not_divided_by(build: Build, tmp_path: Path) -> None:
    """A block in which a server did not answer: what was asked there has no statements to it."""
    counts = [*per_arm("duet_asked", 100, 100), *per_arm("duet_statements", 300, 300, statement="read")]
    build(more_counts=counts)
    folder = RunFolder(tmp_path / "run")
    manifest = folder.read_manifest()
    first = manifest.scenarios[0]
    first.counts = [count for count in first.counts if count.name != "duet_statements"]
    folder.write_manifest(manifest)
    data = read_duet(folder.path)
    assert (data.base["statements_per_request"], data.head["statements_per_request"]) == (3, 3)


@pytest.mark.parametrize(("changes", "verdict"), [(2893, "PASS"), (3850, "REGRESSED")])
def test_changes_of_user_count_by_themselves(build: Build, changes: int, verdict: str) -> None:
    """What chance makes of them passes; one for every request is more. Other statements are as they were."""
    counts = [
        *per_arm("duet_asked", 3850, 3850),
        *per_arm("duet_statements", 3850, 3850, statement="read"),
        *per_arm("duet_statements", 2575, changes, statement="set_claims"),
    ]
    found = {one.counter.name: one.verdict for one in judge_duet(build(more_counts=counts), 5).counters}
    assert (found["user_changes_per_request"], found["statements_per_request"]) == (verdict, "PASS")


def test_a_statement_of_one_arm_alone_is_named(build: Build) -> None:
    """What vanished and what appeared; and a count that only one arm has is no pass."""
    counts = [
        CountRecord(name="duet_statements", labels={"arm": arm, "statement": name}, value=5)
        for arm, name in (("base", "old"), ("base", "both"), ("head", "both"), ("head", "new"))
    ]
    counts += [
        *per_arm("duet_asked", 10, 10),
        CountRecord(name="duet_messages_stored", labels={"arm": "base"}, value=1),
    ]
    outcome = judge_duet(build(more_counts=counts), 5)
    assert "the statement old is executed in base only" in outcome.remarks
    assert "the statement new is executed in head only" in outcome.remarks
    assert not any("both" in remark for remark in outcome.remarks)
    assert outcome.verdict == "INVALID"
