"""Many stored runs in the order of time: known values, known changes, breaks and what is left out."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import finish

from fixtures.errors import InputError
from fixtures.progress import silent
from reports.followed import of_objectives
from reports.gate.thresholds import Threshold
from reports.trend import follow, trend_document, trend_text
from reports.trend_page import write_trend
from scenarios.objectives import parse_objective
from scenarios.run_records import ArmRecord

DELIVERY = Threshold(parse_objective("delivery_ms_p50<=100"), "fanout", "people wait")
MISSING = Threshold(parse_objective("missing==0"), "fanout", "lost")
ABOUT_PAGES = Threshold(parse_objective("request_ms_p50<=100"), "pagination", "scrolling")

WriteRuns = Callable[..., Path]


@pytest.fixture
def write_runs(parts: SimpleNamespace, tmp_path: Path) -> WriteRuns:
    """A function that writes a run of fan-out per latency, a day apart, each with changes of its own."""

    def write(latencies_us: list[int], changes: dict[int, dict[str, Any]] | None = None) -> Path:
        folder = tmp_path / "runs"
        folder.mkdir()
        # Written in another order than they ran in: time counts, not the order on disk.
        for number, latency_us in reversed(list(enumerate(latencies_us))):
            own = {
                "run_id": f"run-{number}",
                "started_at": f"2025-01-{number + 1:02}T00:00:00+00:00",
                "commit": f"c{number}",
                **(changes or {}).get(number, {}),
            }
            line = parts.line(0, "delivery_us", [latency_us] * 50, scenario="fanout", group_size="10")
            run = parts.manifest([parts.record("fanout", 0)], **own)
            parts.write_run(folder / f"z{len(latencies_us) - number:02}", run, [line], [parts.ledger("fanout", {}, 50)])
        return folder

    return write


STEADY = [1000, 1010, 990, 1005, 995, 1002]


def test_a_known_change_is_found_with_its_run(write_runs: WriteRuns) -> None:
    """Medians before and after, and the commit that brought it."""
    trends = follow(write_runs(STEADY + [value * 3 // 2 for value in STEADY]), of_objectives([DELIVERY]), silent)
    (trend,) = trends.trends
    assert [point.value for point in trend.points[:2]] == [pytest.approx(1.0), pytest.approx(1.01)]
    (change,) = trend.changes
    assert (change.place, change.before, change.after) == (6, pytest.approx(1.001), pytest.approx(1.5015, rel=1e-3))
    assert trend.reading == "It changed from 1.00 ms to 1.50 ms with run-6 (commit c6)."
    assert trend.breaks == ()


def test_a_break_is_named_and_hides_no_change(write_runs: WriteRuns) -> None:
    """Another pool from the seventh run on: what changed with it is no change of the code."""
    changes: dict[int, dict[str, Any]] = {number: {"server_settings": {"pool_size": 4}} for number in range(6, 12)}
    folder = write_runs(STEADY + [value * 3 // 2 for value in STEADY], changes)
    (trend,) = follow(folder, of_objectives([DELIVERY]), silent).trends
    assert trend.changes == ()
    (cut,) = trend.breaks
    assert (cut.place, cut.sentences) == (6, ("server settings: pool_size was 10 and is 4",))
    assert trend.reading == "At most 6 runs are comparable; 10 are needed to find a change."
    assert "run-6: server settings: pool_size was 10 and is 4" in trend_text(
        follow(folder, of_objectives([DELIVERY]), silent)
    )


def test_what_must_not_be_believed_is_left_out_and_named(write_runs: WriteRuns) -> None:
    """INVALID runs, comparisons, damaged folders and runs without the number; the others are followed."""
    arms = {"fanout": [ArmRecord(name=name, settings={}) for name in "ab"]}
    changes: dict[int, dict[str, Any]] = {0: {"verdict": "INVALID", "reasons": ["busy"]}, 1: {"arms": arms}}
    folder = write_runs(STEADY, changes)
    (folder / "z04" / "run.json").write_text("{")
    (folder / "z03" / "histograms.jsonl").unlink()
    (folder / "no run").mkdir()
    trends = follow(folder, of_objectives([DELIVERY, MISSING]), silent)
    told = trend_text(trends)
    assert "z06 is INVALID: busy" in told
    assert "z05 compares several servers" in told
    assert "z04/run.json is damaged" in told
    assert trends.trends[0].lacking == ("run-3",)
    assert "run-3 has no fanout: delivery_ms_p50 of enough values" in told
    assert [point.run for point in trends.trends[0].points] == ["run-4", "run-5"]
    assert trends.trends[1].is_steady


def test_nothing_to_follow_is_refused(write_runs: WriteRuns, tmp_path: Path) -> None:
    """With the way out."""
    with pytest.raises(InputError, match="holds no run that can be followed; name a folder of run folders"):
        follow(tmp_path, of_objectives([DELIVERY]), silent)
    with pytest.raises(InputError, match=r"cannot read .*nowhere"):
        follow(tmp_path / "nowhere", of_objectives([DELIVERY]), silent)
    with pytest.raises(
        InputError,
        match=r"nothing that was asked for is what the 6 runs in .* measured; name other numbers",
    ):
        follow(write_runs(STEADY), of_objectives([ABOUT_PAGES]), silent)


def test_every_form_holds_the_known_numbers(write_runs: WriteRuns, tmp_path: Path) -> None:
    """Page and document, with a figure in two widths."""
    trends = follow(write_runs(STEADY), of_objectives([DELIVERY, MISSING]), silent)
    write_trend(trends, tmp_path / "trend.html")
    page = (tmp_path / "trend.html").read_text()
    for number, latency_us in enumerate(STEADY):
        value = trends.trends[0].points[number].value
        assert value == pytest.approx(latency_us / 1000, rel=1e-3)
        assert f'<data value="{value}" data-key="trend.fanout: delivery_ms_p50.run=run-{number}"' in page
    assert page.count("<svg") == 2
    document = json.loads(json.dumps(trend_document(trends), allow_nan=False))
    assert [point["value"] for point in document["trends"][1]["points"]] == [0.0] * 6


def test_the_verb_follows_a_folder(write_runs: WriteRuns, tmp_path: Path) -> None:
    """One document, a page, exit code 0 whatever changed; and one sentence for what is no folder of runs."""
    folder = write_runs(STEADY + [value * 3 // 2 for value in STEADY])
    (tmp_path / "o.toml").write_text(
        '[[objective]]\nholds = "delivery_ms_p50<=1"\nscenarios = ["fanout"]\nreason = "known"\n'
    )
    result = finish("trend", folder, "--objectives", "o.toml", "--html", "t.html", "--json", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["trends"][0]["changes"][0]["place"] == 6
    assert (tmp_path / "t.html").exists()
    result = finish("trend", "nowhere", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("chatbench: cannot read nowhere")
