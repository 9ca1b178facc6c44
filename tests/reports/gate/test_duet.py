"""A duet's run folder with known truth gives exactly these rounds, counters and remarks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.errors import InputError
from reports.gate.duet import METRICS, DuetData, judge_duet, needs_confirmation, read_duet
from reports.gate.outputs import markdown
from scenarios import histograms
from scenarios.run_folder import ArmRecord, CountRecord, HistogramLine, RunFolder, RunManifest, ScenarioRecord

OPERATIONS = ("first_page", "deep_page", "list_conversations", "send_message")
BASE_US = 1000
Build = Callable[..., DuetData]


def line(metric: str, values: list[int], **labels: str) -> HistogramLine:
    """One line of exactly these values."""
    payload = histograms.encode(histograms.histogram_of(values))
    return HistogramLine(second=0, worker="1", metric=metric, labels=labels, count=len(values), payload=payload)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A function that writes and reads a duet of `blocks` × 5 rounds, 300 requests each."""

    def make(
        slow: dict[str, float] | None = None,
        *,
        blocks: int = 5,
        requests: int = 300,
        arms: list[ArmRecord] | None = None,
        reasons: list[str] | None = None,
    ) -> DuetData:
        folder = RunFolder(tmp_path / "run")
        folder.path.mkdir()
        records = []
        for block in range(blocks):
            for number in range(5):
                for arm in ("base", "head"):
                    place = {"scenario": "duet", "arm": arm, "block": str(block), "round": str(number)}
                    # Nothing is exactly alike: rounds differ by a few µs, in both arms alike.
                    for operation in (*OPERATIONS, "delivery"):
                        factor = (slow or {}).get(operation, 1.0) if arm == "head" else 1.0
                        value = round((BASE_US + 10 * number + block) * factor)
                        if operation == "delivery":
                            folder.append_histograms([line("duet_delivery_us", [value] * requests, **place)])
                        else:
                            more = {**place, "operation": operation}
                            folder.append_histograms([line("duet_request_us", [value] * requests, **more)])
            counts = [
                CountRecord(name=f"duet_{name}", labels={"arm": arm}, value=value)
                for arm in ("base", "head")
                for name, value in (("deliveries", 100), ("delivery_bytes", 20_000))
            ]
            records.append(
                ScenarioRecord(
                    name="duet", options={}, started_second=0, seconds=20, arm="pair", block=block, counts=counts
                )
            )
        known = [
            ArmRecord(name="base", settings={"version": "main"}),
            ArmRecord(name="head", settings={"version": "x"}),
        ]
        folder.write_manifest(
            RunManifest(
                run_id="run",
                title="duet",
                started_at="2025-01-02T03:04:05+00:00",
                seed=1,
                commit=None,
                versions={},
                host={},
                dataset=None,
                postgres_settings={},
                server_settings={},
                options={},
                scenarios=records,
                arms={"duet": known if arms is None else arms},
                reasons=reasons or [],
            )
        )
        return read_duet(folder.path)

    return make


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


def test_settings_that_differ_are_named(build: Build) -> None:
    """Wanted or not."""
    arms = [
        ArmRecord(name="base", settings={"version": ".", "pool_size_max": "16"}),
        ArmRecord(name="head", settings={"version": "set:pool_size_max=4", "pool_size_max": "4"}),
    ]
    outcome = judge_duet(build(arms=arms), 5)
    assert "pool_size_max differs: 16 in base, 4 in head" in outcome.remarks


def test_a_folder_that_holds_no_duet_is_no_pass(tmp_path: Path, build: Build) -> None:
    """A truncated run, and no run at all."""
    build()
    (tmp_path / "run" / "histograms.jsonl").write_bytes(b"")
    assert judge_duet(read_duet(tmp_path / "run"), 5).verdict == "INVALID"
    with pytest.raises(InputError, match="no run folder"):
        read_duet(tmp_path / "nothing")
