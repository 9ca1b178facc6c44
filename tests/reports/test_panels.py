"""Every scenario that `panels.py` describes: its names exist, and a run with known values shows exactly those."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from reports import scenario_sections
from reports.numbers import number_key
from reports.panels import PANELS, Panel, ScenarioPanels
from reports.report import render, summarise
from scenarios.catalogue import SCENARIOS
from scenarios.metrics import COUNTS, METRICS
from scenarios.run_folder import RunFolder
from scenarios.run_records import CountRecord

EXAMPLE = ScenarioPanels(
    title="Example",
    question="Does it show what was measured?",
    how="By hand.",
    panels=(
        Panel("Requests", "request_us", "depth", "page"),
        Panel("Requests of each kind", "service_us", "depth", "page", curve="weight", where=(("request", "read"),)),
        Panel("Frames", "presence_frames_per_change", "watchers", "watchers", statistic="mean"),
        Panel("Bytes", "presence_wire_bytes", "watchers", "watchers"),
    ),
)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ScenarioPanels:
    """A described scenario of one panel of each kind, alone."""
    monkeypatch.setattr(scenario_sections, "PANELS", {"example": EXAMPLE})
    return EXAMPLE


def example_lines(parts: SimpleNamespace) -> list[object]:
    """Twelve seconds: pages 1 and 100, two weights, two audiences."""
    lines = []
    for second in range(12):
        for depth, factor in (("1", 1), ("100", 2)):
            for weight, extra_us in (("light", 0), ("heavy", 100)):
                labels = {"scenario": "example", "request": "read", "depth": depth, "weight": weight}
                lines.append(parts.line(second, "request_us", [400 * factor] * 50, **labels))
                lines.append(parts.line(second, "service_us", [300 * factor + extra_us] * 50, **labels))
        for watchers in ("5", "20"):
            labels = {"scenario": "example", "watchers": watchers}
            lines.append(parts.line(second, "presence_frames_per_change", [int(watchers), int(watchers) + 1], **labels))
            lines.append(parts.line(second, "presence_wire_bytes", [80] * 30, **labels))
    return lines


@pytest.fixture
def example_run(example: ScenarioPanels, parts: SimpleNamespace, tmp_path: Path) -> RunFolder:
    """The run of the example."""
    run = parts.manifest([parts.record("example", 0, 12)])
    folder: RunFolder = parts.write_run(tmp_path / "run", run, example_lines(parts))
    return folder


def test_panels_show_what_was_measured(example_run: RunFolder) -> None:
    """Percentiles, means and maxima by axis and curve; times in ms, other units as they are."""
    numbers = {key: number.value for key, number in summarise(example_run.path).numbers.items()}
    one, hundred = {"depth": "1"}, {"depth": "100"}
    assert numbers[number_key("example", "request_ms_p50", one)] == pytest.approx(0.4)
    assert numbers[number_key("example", "request_ms_p99", hundred)] == pytest.approx(0.8)
    assert numbers[number_key("example", "request_count", hundred)] == 12 * 2 * 50
    heavy = {"depth": "100", "weight": "heavy", "request": "read"}
    assert numbers[number_key("example", "service_ms_p95", heavy)] == pytest.approx(0.7)
    twenty = {"watchers": "20"}
    assert numbers[number_key("example", "presence_frames_per_change_mean", twenty)] == pytest.approx(20.5)
    assert numbers[number_key("example", "presence_wire_bytes_p95", twenty)] == 80


def test_the_reading_says_how_the_far_end_compares(example_run: RunFolder) -> None:
    """The ratio from the first to the last value of the axis, with its judgement."""
    section = next(one for one in summarise(example_run.path).sections if one.name == "example")
    assert "from 1 to 100 the p95 grows: 2.00 ×" in section.reading
    assert "bytes: p95 80 B at watchers 20, and from 5 to 20 the p50 stays flat: 1.00 ×" in section.reading
    assert "frames: 20.5 frames on average at watchers 20" in section.reading


def test_the_first_panel_gives_the_headline(example_run: RunFolder) -> None:
    """Its far end, by the highest percentile that its sample carries."""
    headline = summarise(example_run.path).headlines[0]
    assert (headline.title, headline.number.value) == ("Requests", pytest.approx(0.8))


def test_panels_are_drawn(example_run: RunFolder) -> None:
    """One figure with every panel's title, on the page and as a file."""
    report = render(example_run.path)
    page = report.page.read_text(encoding="utf-8")
    assert "example.png" in [figure.name for figure in report.figures]
    for panel in EXAMPLE.panels:
        assert page.count(panel.title) >= 3  # both drawings and the table


@pytest.mark.parametrize("name", PANELS)
def test_descriptions_name_what_exists(name: str) -> None:
    """Scenario, metrics, labels and counts are those of the contracts."""
    assert name in SCENARIOS
    for panel in PANELS[name].panels:
        labels = {panel.axis, *([panel.curve] if panel.curve else []), *(label for label, _ in panel.where)}
        assert labels <= {*METRICS[panel.metric].labels, "arm"}
    assert set(PANELS[name].counts) <= COUNTS.keys()


@pytest.mark.parametrize("name", PANELS)
def test_a_described_scenario_shows_its_values(name: str, parts: SimpleNamespace, tmp_path: Path) -> None:
    """Each panel and each count of a run with known values, by its key and on the page."""
    lines = []
    for panel in PANELS[name].panels:
        for second in range(12):
            for value in ("2", "10"):
                labels = {**dict(panel.where), panel.axis: value, **({panel.curve: "a"} if panel.curve else {})}
                lines.append(parts.line(second, panel.metric, [int(value) * 100] * 20, scenario=name, **labels))
    counts = [
        CountRecord(name=count, labels=dict.fromkeys(COUNTS[count].labels, "x"), value=41 + place)
        for place, count in enumerate(PANELS[name].counts)
    ]
    run = parts.manifest([parts.record(name, 0, 12, counts=counts)])
    report = render(parts.write_run(tmp_path / "run", run, lines).path)
    shown = {key: number.value for key, number in report.summary.numbers.items()}
    told = {count.name: count.value for count in counts}
    for count in counts:
        quotient_of = COUNTS[count.name].quotient_of  # of sums, whatever each record says
        value = count.value if quotient_of is None else round(told[quotient_of[0]] / told[quotient_of[1]], 3)
        assert shown[number_key(name, count.name, count.labels)] == value
    for panel in PANELS[name].panels:
        assert any(table.caption == panel.title for one in report.summary.sections for table in one.tables)
    page = report.page.read_text(encoding="utf-8")
    assert PANELS[name].question in page
