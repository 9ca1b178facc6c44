"""The top of the page: verdict and headline numbers."""

from types import SimpleNamespace
from typing import Any

import pytest

from reports.headline import run_verdict
from reports.report import summarise
from scenarios.run_folder import RunFolder

ALL = ("pagination", "fanout", "presence", "queries", "indexes")


def headlines(run: RunFolder) -> dict[str, float | int | None]:
    return {headline.number.key: headline.number.value for headline in summarise(run.path).headlines}


def test_a_tour_shows_one_number_of_every_scenario(known_run: RunFolder) -> None:
    """In order of weight."""
    assert headlines(known_run) == {
        "headline.wrong_deliveries": 6,
        "headline.first_page_ms_p50": 0.5,
        "headline.delivery_last_ms_p99": 1.6,
        "headline.convergence_ms_p95": 1.0,
        "headline.buffers_saved_factor": 4.0,
    }


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("pagination", {"first_page_ms_p50": 0.5, "deepest_page_ms_p50": 1.5, "send_ms_p50": 1.0}),
        ("fanout", {"delivery_last_ms_p99": 1.6, "delivery_ms_p50": 0.8, "wire_bytes": 250.0}),
        ("presence", {"convergence_ms_p95": 1.0, "frames_per_change": 10.0, "event_wire_bytes": 90.0}),
    ],
)
def test_a_single_scenario_shows_its_own_numbers(
    build_run: Any, parts: SimpleNamespace, scenario: str, expected: dict[str, float]
) -> None:
    """And none of scenarios that did not run."""
    lines = [line for line in parts.known_lines() if line.labels["scenario"] == scenario]
    run = build_run(parts.manifest([parts.record(scenario, 0, 8)]), lines, [parts.ledger(scenario, {}, 10)])
    assert headlines(run) == {
        "headline.wrong_deliveries": 0,
        **{f"headline.{name}": value for name, value in expected.items()},
    }


def test_the_laboratory_alone_shows_its_own_numbers(build_run: Any, parts: SimpleNamespace) -> None:
    """Buffers, judged latencies and the write price."""
    run = build_run(parts.manifest([parts.record("queries", 0)]), queries=parts.known_queries())
    assert headlines(run) == {
        "headline.buffers_saved_factor": 4.0,
        "headline.faster_pairs": 1,
        "headline.slower_pairs": 0,
        "headline.wal_factor": 1.5,
    }


def test_a_scenario_that_ran_and_measured_nothing_is_not_hidden(build_run: Any, parts: SimpleNamespace) -> None:
    """Its number is there, not measured, after those that are."""
    lines = [line for line in parts.known_lines() if line.labels["scenario"] == "fanout"]
    run = build_run(parts.manifest([parts.record("fanout", 0, 8), parts.record("presence", 20)]), lines)
    found = headlines(run)
    assert list(found)[-1] == "headline.convergence_ms_p95"
    assert found["headline.convergence_ms_p95"] is None
    assert list(found.values())[:3] == [1.6, 0.8, 250.0]


def test_a_percentile_of_few_values_says_so(known_run: RunFolder) -> None:
    """The p99 of 160 messages is nearly their maximum."""
    headline = summarise(known_run.path).headlines[2]
    assert headline.number.weak
    assert headline.detail == "p99 of 160 messages, groups of 100, too few to be sure"


def test_a_finished_run_without_reasons_is_valid(parts: SimpleNamespace) -> None:
    """As it says itself."""
    verdict = run_verdict(parts.known_manifest(), ALL)
    assert (verdict.verdict, verdict.reasons, verdict.finished, verdict.cut_short) == ("VALID", (), True, False)


def test_a_killed_run_is_invalid_whatever_it_says(parts: SimpleNamespace) -> None:
    """Nobody finished it."""
    verdict = run_verdict(parts.known_manifest(finished_at=None), ALL)
    assert (verdict.verdict, verdict.finished) == ("INVALID", False)
    assert verdict.reasons[0].startswith("the run never finished")


def test_an_invalid_run_gives_its_reasons_once(parts: SimpleNamespace) -> None:
    """A scenario's reason that the run repeats is not told twice."""
    scenario = parts.record("fanout", 0)
    scenario.reasons = ["too slow", "too late"]
    verdict = run_verdict(parts.manifest([scenario], verdict="INVALID", reasons=["fanout: too slow"]), ALL)
    assert verdict.reasons == ("fanout: too slow", "fanout: too late")


def test_a_scenario_s_reason_makes_the_run_invalid(parts: SimpleNamespace) -> None:
    """Even where the manifest forgot it."""
    scenario = parts.record("fanout", 0)
    scenario.reasons = ["the generator was overloaded"]
    verdict = run_verdict(parts.manifest([scenario]), ALL)
    assert (verdict.verdict, verdict.reasons) == ("INVALID", ("fanout: the generator was overloaded",))


def test_a_run_without_scenarios_is_invalid(parts: SimpleNamespace) -> None:
    """There is nothing to believe."""
    assert run_verdict(parts.manifest(), ALL).reasons == ("no scenario left a record",)


def test_invalid_without_a_reason_says_that_there_is_none(parts: SimpleNamespace) -> None:
    """A bare INVALID would look like a fault of the report."""
    assert run_verdict(parts.known_manifest(verdict="INVALID"), ALL).reasons == ("the run gave no reason",)


def test_missing_data_fails(parts: SimpleNamespace) -> None:
    """A record without its measurements is no reason to believe anything, whatever the manifest says."""
    verdict = run_verdict(parts.known_manifest(), ())
    assert verdict.verdict == "INVALID"
    assert "fanout: its measurements are missing" in verdict.reasons
