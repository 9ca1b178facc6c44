"""The gate for stored runs, against objectives and an older run: what it says, and what it refuses to say."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reports.gate.outputs import Outcome, document, junit, markdown
from reports.gate.page import verdict_page
from reports.gate.stored import judge_stored
from reports.gate.thresholds import Threshold
from scenarios.objectives import parse_objective
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord, HistogramLine, WorkerRecord

DELIVERY = Threshold(parse_objective("delivery_ms_p95<=100"), "fanout", "people wait")
BYTES = Threshold(parse_objective("bytes_per_delivery<=200"), "fanout", "phones pay")
LATE = Threshold(parse_objective("late<=50"), "fanout", "people wait")
MISSING = Threshold(parse_objective("missing==0"), "fanout", "lost")

Stored = Callable[..., RunFolder]


@pytest.fixture
def stored(parts: SimpleNamespace, tmp_path: Path) -> Stored:
    """A function that writes a run of fan-out with one latency, one size, and as many late deliveries."""

    def write(
        name: str,
        *,
        ms: float = 10.0,
        size: int = 150,
        late: int = 5,
        more: tuple[HistogramLine, ...] = (),
        **changes: Any,
    ) -> RunFolder:
        lines = [
            line
            for second in range(16)
            for line in (
                parts.line(second, "delivery_us", [round(ms * 1000)] * 400, scenario="fanout", group_size="10"),
                parts.line(second, "delivery_wire_bytes", [size] * 400, scenario="fanout", group_size="10"),
            )
        ]
        ledgers = [parts.ledger("fanout", {"group_size": "10"}, 6400, late=late)]
        run = parts.manifest([parts.record("fanout", 0, started=640)], **{"run_id": name, **changes})
        folder: RunFolder = parts.write_run(tmp_path / name, run, [*lines, *more], ledgers)
        return folder

    return write  # type: ignore[return-value]


def judged(head: RunFolder, base: RunFolder | None = None) -> Outcome:
    return judge_stored(head.path, (DELIVERY, BYTES, LATE, MISSING), base.path if base else None)


def verdicts(outcome: Outcome) -> dict[str, str]:
    found = {one.metric.name.split()[-1]: str(one.verdict) for one in outcome.decision.findings}
    return found | {one.counter.name.split()[-1]: str(one.verdict) for one in outcome.counters}


def test_a_run_is_judged_without_a_baseline(stored: Stored) -> None:
    """By its objectives alone: no comparison, no warning."""
    outcome = judged(stored("a"))
    assert outcome.verdict == "PASS"
    assert [one.verdict for one in outcome.thresholds] == ["PASS"] * 4
    assert outcome.remarks == ()
    assert document(outcome)["exit_code"] == 0


@pytest.mark.parametrize(
    ("changes", "name", "verdict"),
    [
        ({}, "delivery_ms_p95", "PASS"),
        ({"ms": 10.1}, "delivery_ms_p95", "PASS"),  # below what anybody feels
        ({"ms": 12.0}, "delivery_ms_p95", "UNCERTAIN"),
        ({"ms": 15.2}, "delivery_ms_p95", "UNCERTAIN"),
        ({"ms": 15.6}, "delivery_ms_p95", "REGRESSED"),
        ({"ms": 6.7}, "delivery_ms_p95", "UNCERTAIN"),
        ({"ms": 6.4}, "delivery_ms_p95", "IMPROVED"),
        ({"size": 152}, "bytes_per_delivery", "PASS"),
        ({"size": 154}, "bytes_per_delivery", "REGRESSED"),
        ({"size": 140}, "bytes_per_delivery", "IMPROVED"),
        ({"late": 6}, "late", "REGRESSED"),
        ({"late": 4}, "late", "IMPROVED"),
    ],
)
def test_against_a_baseline_counts_decide_and_times_only_far_off(
    stored: Stored, changes: dict[str, Any], name: str, verdict: str
) -> None:
    """Times beyond the measured drift of 53 %, sizes beyond 2 %, counts exactly; and always with the warning."""
    outcome = judged(stored("head", **changes), stored("base"))
    assert verdicts(outcome)[name] == verdict
    assert any("A stored baseline judges the machine as much as the change" in remark for remark in outcome.remarks)
    assert not outcome.reasons


def test_every_form_tells_the_known_numbers(stored: Stored) -> None:
    """Markdown, JUnit XML, JSON and page of one comparison whose numbers are known."""
    outcome = judged(stored("head", ms=20.0, size=180), stored("base"))
    text, xml, values = markdown(outcome), junit(outcome).decode(), document(outcome)
    assert "### chatbench: REGRESSED" in text
    assert "| fanout: delivery_ms_p95 | <= 100 ms | 20.0 ms | 20.0 … 20.0 ms | people wait | PASS |" in text
    assert (
        "| fanout: delivery_ms_p95 | 10.0 ms | 20.0 ms | +100.0% | +30.7% … +206.0% | +53.0% | – | REGRESSED |" in text
    )
    assert "| fanout: bytes_per_delivery | 150 B | 180 B | +20.0% | counted | – | – | REGRESSED |" in text
    assert "change +100.0%, 95 % interval +30.7% … +206.0%" in xml
    assert 'classname="chatbench.objective" name="fanout: delivery_ms_p95"' in xml
    page = verdict_page(outcome)
    for cells in (
        ("&lt;= 100 ms", "20.0 ms", "20.0 … 20.0 ms", "people wait"),
        ("10.0 ms", "20.0 ms", "+100.0%", "+30.7% … +206.0%"),
    ):
        assert "".join(f"<td>{cell}</td>\n" for cell in cells) in page
    (time,) = values["metrics"]
    assert (time["base"], time["head"]) == (pytest.approx(10, rel=1e-3), pytest.approx(20, rel=1e-3))
    assert time["ratio_low"] == pytest.approx(2 / 1.53, rel=1e-3)
    assert values["thresholds"][0]["value"] == pytest.approx(20, rel=1e-3)
    assert values["thresholds"][0]["coverage"] > 0.99


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": {"cpu": "Other CPU", "cores": 2}}, "host: cpu was Example CPU and is Other CPU"),
        ({"dataset": None}, "data set: size was tiny and is absent"),
        ({"server_settings": {"pool_size": 4}}, "server settings: pool_size was 10 and is 4"),
        ({"postgres_settings": {"shared_buffers": "1GB"}}, "PostgreSQL settings: shared_buffers was 256MB and is 1GB"),
        ({"versions": {"chatbench": "0.1.0", "python": "3.9"}}, "versions: postgresql was 18.4 and is absent"),
        ({"seed": 8}, "workload: seed was 7 and is 8"),
        ({"verdict": "INVALID", "reasons": ["it was slow"]}, "the run is INVALID: it was slow"),
        ({"finished_at": None}, "the run is INVALID: the run never finished"),
    ],
)
def test_what_cannot_be_compared_is_invalid_and_named(stored: Stored, changes: dict[str, Any], sentence: str) -> None:
    """Exit code 3, whatever the numbers say."""
    outcome = judged(stored("head", **changes), stored("base"))
    assert outcome.verdict == "INVALID"
    assert document(outcome)["exit_code"] == 3
    assert any(reason.startswith(sentence) for reason in outcome.reasons), outcome.reasons


def test_a_baseline_that_must_not_be_believed_is_none(stored: Stored) -> None:
    """It is named as the baseline."""
    outcome = judged(stored("head"), stored("base", verdict="INVALID", reasons=["the generator was busy"]))
    assert outcome.verdict == "INVALID"
    assert "the baseline is INVALID: the generator was busy" in outcome.reasons


def test_another_scenario_is_no_baseline(stored: Stored, parts: SimpleNamespace, tmp_path: Path) -> None:
    """Both are named."""
    other = parts.write_run(
        tmp_path / "other",
        parts.manifest([parts.record("presence", 0)]),
        [parts.line(0, "presence_convergence_us", [1] * 9, scenario="presence", watchers="5")],
    )
    outcome = judged(stored("head"), other)
    assert outcome.verdict == "INVALID"
    assert "scenarios: presence was there and is absent" in outcome.reasons
    assert "fanout: delivery_us is measured now and was not in the baseline" in outcome.reasons


def test_a_metric_that_vanished_or_appeared_is_named(stored: Stored, parts: SimpleNamespace) -> None:
    """Even one that no objective asks for."""
    more = (parts.line(0, "delivery_last_us", [1000] * 9, scenario="fanout", group_size="10"),)
    with_more, without = stored("more", more=more), stored("less")
    assert judged(without, with_more).reasons == (
        "fanout: delivery_last_us was measured in the baseline and is no more",
    )
    assert judged(with_more, without).reasons == (
        "fanout: delivery_last_us is measured now and was not in the baseline",
    )


def test_a_changed_mix_is_not_averaged_away(stored: Stored, parts: SimpleNamespace) -> None:
    """A fifth of the deliveries now go to a larger group: their percentile is another thing."""
    more = tuple(
        parts.line(second, "delivery_us", [10_000] * 100, scenario="fanout", group_size="50") for second in range(16)
    )
    outcome = judged(stored("head", more=more), stored("base"))
    assert verdicts(outcome)["delivery_ms_p95"] == "INVALID"
    assert any("its mix changed: group_size " in one.sentence for one in outcome.decision.findings)


def test_a_run_of_several_servers_is_not_judged_as_one(stored: Stored) -> None:
    """A gate would pool the arms."""
    arms = {"fanout": [ArmRecord(name=name, settings={}) for name in ("json", "msgpack")]}
    outcome = judged(stored("head", arms=arms))
    assert outcome.verdict == "INVALID"
    assert any("compares json, msgpack in fanout" in reason for reason in outcome.reasons)


def test_objectives_about_something_else_judge_nothing(stored: Stored) -> None:
    """A file that asks nothing of what ran is no pass."""
    about_pages = Threshold(parse_objective("request_ms_p95<=100"), "pagination", "scrolling")
    outcome = judge_stored(stored("head").path, (about_pages,))
    assert outcome.verdict == "INVALID"
    assert outcome.reasons == ("no objective is about what ran; they are about pagination",)


def test_what_is_to_be_large_is_left_to_its_threshold(stored: Stored) -> None:
    """And said so: more of it is no regression."""
    delivered = Threshold(parse_objective("delivered>=100"), "fanout", "enough to judge")
    outcome = judge_stored(stored("head").path, (delivered, DELIVERY), stored("base").path)
    assert "delivered" not in verdicts(outcome)
    assert any("fanout: delivered is to be large" in remark for remark in outcome.remarks)


@pytest.mark.parametrize(
    ("operation", "worker_is_lost", "measured", "verdict"),
    [
        ("reconnect", False, 40, "PASS"),  # the soak's, which are among what began
        ("reconnect", False, 39, "INVALID"),
        ("reconnect, gentle", False, 40, "INVALID"),  # a storm's, which are not
        ("send_message", True, 45, "PASS"),  # lines of a worker whose account was lost with it
        ("send_message", True, 39, "INVALID"),
        ("send_message", False, 45, "INVALID"),
    ],
)
def test_what_began_and_what_is_measured_add_up(  # noqa: PLR0917 - the cases and two fixtures
    parts: SimpleNamespace, tmp_path: Path, operation: str, worker_is_lost: bool, measured: int, verdict: str
) -> None:
    """Each start once; of a worker that was lost, more is measured than anybody says began."""
    workers = [
        WorkerRecord(name=name, users=3, same_host=True, clock_offset_us=0, clock_error_us=0, lost=lost)
        for name, lost in (("1", False), ("2", worker_is_lost))
    ]
    lines = [
        parts.line(0, "start_delay_us", [5] * 60, scenario="soak", operation="send"),
        parts.line(1, "start_delay_us", [5] * measured, scenario="soak", operation=operation),
    ]
    written = parts.manifest([parts.record("soak", 0, started=100, workers=workers)])
    failed = Threshold(parse_objective("failed==0"), "soak", "nothing fails")
    outcome = judge_stored(parts.write_run(tmp_path / "run", written, lines).path, (failed,))
    assert outcome.verdict == verdict, outcome.reasons
    assert all("soak began 100 operations and" in reason for reason in outcome.reasons)
