"""The ways of paging in a report: exact figures from known lines."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from reports.numbers import number_key
from reports.report import render, summarise
from scenarios.run_records import CountRecord


def counts(paging: str, weight: str, **amounts: int) -> list[CountRecord]:
    return [
        CountRecord(name=f"paging_{name}", labels={"paging": paging, "weight": weight}, value=value)
        for name, value in amounts.items()
    ]


@pytest.fixture
def run(parts: SimpleNamespace, tmp_path: Path) -> Path:
    """Twelve seconds: offset's deep pages take three times as long, created_at lost two messages."""
    lines = []
    for second in range(12):
        for paging, deep_us in (("own cursor", 500), ("created_at", 500), ("offset", 1500)):
            for depth, us in (("1", 500), ("10-99", deep_us)):
                labels = {"scenario": "pagination", "paging": paging, "weight": "heavy", "depth": depth}
                lines.append(parts.line(second, "paging_page_us", [us] * 50, **labels))
    told = [
        *counts("own cursor", "heavy", pages=12, messages=600, lost=0, repeated=0),
        *counts("created_at", "heavy", pages=10, messages=500, lost=2, repeated=0),
        *counts("offset", "heavy", pages=10, messages=500, lost=0, repeated=7),
    ]
    record = parts.record("pagination", 0, 12, counts=told, options={"peers": "created_at,offset"})
    folder = parts.write_run(tmp_path / "run", parts.manifest([record]), lines)
    return Path(folder.path)


def test_each_way_shows_its_cost_and_its_books(run: Path) -> None:
    """Latency by depth, its ratio to the server's own way, and what was lost or repeated; the own way comes first."""
    summary = summarise(run)
    numbers = {key: number.value for key, number in summary.numbers.items()}
    deep = {"paging": "offset", "weight": "heavy", "depth": "10-99"}
    assert numbers[number_key("paging", "page_ms_p50", deep)] == pytest.approx(1.5)
    assert numbers[number_key("paging", "page_ratio", deep)] == pytest.approx(3, rel=0.01)
    heavy = {"paging": "created_at", "weight": "heavy"}
    assert numbers[number_key("paging", "walk_lost", heavy)] == 2
    assert summary.paging.ways == ("own cursor", "created_at", "offset")
    (section,) = [one for one in summary.sections if one.name == "paging"]
    assert "Paging by created_at takes 0.50 ms on page 1 and 0.50 ms on page 10–99" in section.reading
    assert "lost 2 and repeated 0 of 500 messages" in section.reading
    assert "Paging by offset takes 0.50 ms on page 1 and 1.50 ms on page 10–99 (3.00 ×" in section.reading


def test_the_ways_are_drawn(run: Path) -> None:
    """One figure; a run of one way has neither it nor the section."""
    assert "paging.png" in [figure.name for figure in render(run).figures]


def test_a_run_of_one_way_has_no_such_section(parts: SimpleNamespace, tmp_path: Path) -> None:
    """Nothing is said of a comparison that did not happen."""
    labels = {"scenario": "pagination", "request": "get_messages", "weight": "heavy", "depth": "1"}
    lines = [parts.line(second, "request_us", [500] * 50, **labels) for second in range(12)]
    folder = parts.write_run(tmp_path / "run", parts.manifest([parts.record("pagination", 0, 12)]), lines)
    assert "paging" not in [section.name for section in summarise(folder.path).sections]
