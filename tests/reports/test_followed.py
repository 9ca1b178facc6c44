"""What a trend follows: numbers by name, every one that a gate judges, and the ratios of duets."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import finish

from fixtures.errors import InputError
from fixtures.progress import silent
from reports.followed import choose, every, named
from reports.measurements import read_measurements
from reports.trend import follow, trend_document
from reports.trend_page import PANELS_MAX, drawn_trends, write_trend
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord

KNOWN = {
    "pagination: request_ms_p50": 0.5,
    "pagination: request_ms_p95": 1.5,
    "fanout: delivery_ms_p50": 0.6,
    "fanout: delivery_last_ms_p95": 1.6,
    "fanout: delivery_wire_bytes_mean": 250,
    "fanout: missing": 3,
    "fanout: duplicate": 2,
    "fanout: leaked": 1,
    "presence: presence_convergence_ms_p95": 1.0,
    "presence: failed_percent": 0.25,
    "queries: query_buffers_max.statement=list_conversations": 100,
    "queries: query_buffers_max.statement=send_message": 30,
}


def test_every_number_that_a_gate_judges_is_followed(known_run: RunFolder) -> None:
    """Times, sizes, books and buffers of a known run, under the names by which each can be asked for alone."""
    run = read_measurements(known_run.path)
    found = {one.name: one for one in every([run, run])}
    assert KNOWN.keys() <= found.keys()
    assert not [name for name in found if "generator" in name or "start_delay" in name or "service" in name]
    for name, value in KNOWN.items():
        assert found[name].value(run) == pytest.approx(value, rel=1e-3), name
        assert named(name).value(run) == found[name].value(run)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("delivery_ms_p95", "'delivery_ms_p95' names no number of a scenario; write SCENARIO:MEASURE"),
        ("fanout:", "'fanout:' names no number of a scenario"),
        ("fanuot:missing", "no scenario named 'fanuot'; choose from pagination"),
        ("fanout:lost", "no number of a run is named 'lost"),
        ("duet:lost", "a duet has no metric 'lost'; choose from first_page_ms_p50"),
    ],
)
def test_a_number_that_is_none_is_refused(text: str, sentence: str) -> None:
    """With what was asked for, and the way to ask."""
    with pytest.raises(InputError) as caught:
        named(text)
    assert sentence in str(caught.value)


def test_names_and_objectives_do_not_mix(tmp_path: Path) -> None:
    """One of them says what to follow; neither means the shipped objectives, `all` every number."""
    with pytest.raises(InputError, match=r"o\.toml and fanout:missing both say what to follow"):
        choose(tmp_path / "o.toml", ["fanout:missing"])
    assert choose(None, ["all"]) is None
    assert [one.name for one in choose(None, ["fanout: missing"]) or ()] == ["fanout: missing"]
    assert "fanout: delivery_ms_p99" in {one.name for one in choose(None, []) or ()}


def duet(parts: SimpleNamespace, number: int, factor: float, base: str = "v1") -> tuple[object, list[object]]:
    """Five blocks of five rounds, the head slower by a factor on deliveries."""
    lines = [
        parts.line(
            0, "duet_delivery_us", [round((1000 + block + 10 * place) * (factor if arm == "head" else 1))] * 200,
            scenario="duet", arm=arm, block=str(block), round=str(place),
        )
        for block in range(5) for place in range(5) for arm in ("base", "head")
    ]  # fmt: skip
    run = parts.manifest(
        [parts.record("duet", 0, arm="pair", block=block) for block in range(5)],
        run_id=f"run-{number}",
        started_at=f"2025-01-{number + 1:02}T00:00:00+00:00",
        options={"base": base, "head": f"c{number}", "blocks": 5},
        arms={"duet": [ArmRecord(name=arm, settings={"version": f"{arm}{number}"}) for arm in ("base", "head")]},
    )
    return run, lines


def test_ratios_of_duets_are_followed(parts: SimpleNamespace, tmp_path: Path) -> None:
    """Head ÷ base of each; another head is no break, another base is."""
    for number in range(14):
        run, lines = duet(parts, number, 1.3 if number >= 7 else 1.0, base="v1" if number < 12 else "v2")
        parts.write_run(tmp_path / f"r{number}", run, lines)
    (trend,) = follow(tmp_path, [named("duet:delivery_ms_p50")], silent).trends
    assert [point.value for point in trend.points] == [pytest.approx(1.0)] * 7 + [pytest.approx(1.3, rel=1e-3)] * 7
    assert [(cut.place, cut.sentences) for cut in trend.breaks] == [(12, ("workload: base was v1 and is v2",))]
    assert [change.place for change in trend.changes] == [7]
    assert "changed from 1.00 × to 1.30 × with run-7" in trend.reading
    with pytest.raises(InputError, match="compares several servers"):
        follow(tmp_path, [named("fanout:missing")], silent)


def test_the_verb_follows_what_is_named(known_run: RunFolder, tmp_path: Path) -> None:
    """Several names; and a sentence with exit code 2 for one that is none."""
    runs = known_run.path.parent
    result = finish(
        "trend", runs, "--metric", "fanout:delivery_ms_p50", "--metric", "queries:wrong_results", "--json",
        folder=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [one["name"] for one in json.loads(result.stdout)["trends"]] == ["fanout: delivery_ms_p50"]
    result = finish("trend", runs, "--metric", "nothing", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "'nothing' names no number of a scenario" in result.stderr


def test_many_numbers_make_a_page_that_can_be_looked_at(parts: SimpleNamespace, tmp_path: Path) -> None:
    """Changed ones are told and drawn first, no more than a page bears; every one has its table."""
    for number in range(12):
        factor = 1 + number * 0.001 + (number > 5)
        lines = [
            parts.line(one.second, one.metric, [round(900 * factor)] * one.count, **one.labels)
            if one.metric == "delivery_us"
            else parts.line(one.second, one.metric, [800 + number % 2] * one.count, **one.labels)
            for one in parts.known_lines()
        ]
        run = parts.known_manifest(run_id=f"run-{number}", started_at=f"2025-01-{number + 1:02}T00:00:00+00:00")
        parts.write_run(tmp_path / f"r{number}", run, lines, parts.known_ledgers(), parts.known_queries())
    trends = follow(tmp_path, None, silent)
    assert [one.name for one in trends.trends[:2]] == ["fanout: delivery_ms_p50", "fanout: delivery_ms_p95"]
    drawn = drawn_trends(trends)
    assert drawn[:2] == trends.trends[:2]
    assert len(drawn) <= PANELS_MAX
    write_trend(trends, tmp_path / "trend.html")
    page = (tmp_path / "trend.html").read_text()
    assert page.count('<section id="trend-') == len(trends.trends) == len(trend_document(trends)["trends"])
