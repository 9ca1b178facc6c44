"""A duet's report: the verdict first, its figure, and the numbers that the verdict rests on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.gate.duet import METRICS, DuetData
from reports.report import render

Build = Callable[..., DuetData]


def test_the_first_screen_is_the_verdict(build: Build, tmp_path: Path) -> None:
    """Before any number; what got slower leads the numbers."""
    build({"send_message": 1.4}, blocks=8)
    report = render(tmp_path / "run")
    page = report.page.read_text(encoding="utf-8")
    verdict = '<data value="REGRESSED" data-key="gate.verdict">REGRESSED</data>'
    assert page.index(verdict) < page.index("The numbers that matter")
    assert "main (base) against x (head): Something got slower beyond its margin" in page
    first = report.summary.headlines[0]
    assert (first.title, first.number.bad) in {("send message p50", True), ("send message p95", True)}
    assert first.number.value == pytest.approx(1.4, rel=0.01)


def test_every_metric_has_its_interval_in_table_and_figure(build: Build, tmp_path: Path) -> None:
    """By its keys; the figure is drawn, and beside the page as PNG."""
    build(blocks=5)
    report = render(tmp_path / "run")
    numbers = report.summary.numbers
    for metric in METRICS:
        low, ratio, high = (
            numbers[f"gate.{name}.metric={metric.name}"].value for name in ("ratio_low", "ratio", "ratio_high")
        )
        assert low is not None
        assert ratio is not None
        assert high is not None
        assert low <= ratio <= high
        assert numbers[f"gate.noise_percent.metric={metric.name}"].value is not None
    assert numbers["gate.counter_base.counter=delivery_bytes"].value == 200
    assert tmp_path / "run" / "figures" / "gate.png" in report.figures
    assert report.summary.arms == ()


def test_a_duet_without_rounds_says_so(build: Build, tmp_path: Path) -> None:
    """The figure is left out, the section tells why nothing can be said."""
    build()
    (tmp_path / "run" / "histograms.jsonl").write_bytes(b"")
    report = render(tmp_path / "run")
    assert report.summary.gate is not None
    assert report.summary.gate.verdict == "INVALID"
    assert not (tmp_path / "run" / "figures" / "gate.png").exists()
