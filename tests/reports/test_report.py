"""Rendering into a run folder: files, repetition, and folders that cannot be written."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from fixtures.errors import InputError
from reports.report import Report, render, summarise
from reports.terminal import terminal_text
from scenarios.run_folder import RunFolder
from scenarios.run_records import ServerSecond

FIGURES = ("pagination", "fanout", "bytes", "presence", "strategies", "server", "health")


def files(run: Path) -> dict[str, bytes]:
    """What a report consists of."""
    return {path.name: path.read_bytes() for path in [run / "report.html", *sorted((run / "figures").iterdir())]}


def test_every_family_has_its_figure_as_a_file(rendered_tour: Report) -> None:
    """PNGs beside the page, one per section."""
    assert [path.name for path in rendered_tour.figures] == [f"{name}.png" for name in FIGURES]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_something(rendered_tour: Report, name: str) -> None:
    """Large enough to read, in several colours, and not blank at its edges only."""
    with Image.open(rendered_tour.page.parent / "figures" / f"{name}.png") as image:
        assert image.width > 1000
        assert image.height > 250
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 20
    assert max(count for count, _ in colours) < 0.99 * image.width * image.height


@pytest.fixture(scope="module")
def report_of_single_values(parts: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a run that measured everything once."""
    lines = [
        parts.line(0, "request_us", [500], scenario="pagination", request="get_messages", weight="heavy", depth="1"),
        parts.line(0, "delivery_last_us", [500], scenario="fanout", group_size="5"),
        parts.line(0, "delivery_wire_bytes", [500], scenario="fanout", group_size="5"),
        parts.line(0, "presence_convergence_us", [500], scenario="presence", watchers="many"),
        parts.line(0, "generator_cpu_permille", [0], scenario="fanout"),
    ]
    queries = [parts.query(0, "none", "s", "hot", latency_us=())]
    run = parts.write_run(
        tmp_path_factory.mktemp("single") / "run", parts.manifest([parts.record("fanout", 0)]), lines, (), queries
    )
    run.append_server([ServerSecond(second=0, scenario="fanout", seconds=1.0, server_cpu_percent=5.0)])
    return render(run.path)


def test_rendering_twice_gives_the_same_bytes(report_of_single_values: Report) -> None:
    """A report changes with its run and with nothing else."""
    run = report_of_single_values.page.parent
    before = files(run)
    render(run)
    assert files(run) == before


def test_nothing_else_is_left_in_the_folder(rendered_tour: Report) -> None:
    """No temporary files."""
    names = {path.name for path in rendered_tour.page.parent.iterdir()}
    lines = {"histograms.jsonl", "queries.jsonl", "server.jsonl"}
    assert names == {"run.json", "ledger.json", "report.html", "figures", *lines}


def test_figures_of_an_earlier_drawing_go(build_run: Any) -> None:
    """They would show data that the run does not hold."""
    run: RunFolder = build_run()
    (run.path / "figures").mkdir()
    (run.path / "figures" / "fanout.png").write_bytes(b"old")
    render(run.path)
    assert list((run.path / "figures").iterdir()) == []


@pytest.mark.parametrize("name", ["figures", "report.html"])
def test_a_folder_that_cannot_be_written_is_named(build_run: Any, name: str) -> None:
    """The sentence holds the path and the way out, and the run itself is untouched."""
    run: RunFolder = build_run()
    blocked = run.path / name
    if name == "figures":
        blocked.write_text("in the way", encoding="utf-8")
    else:
        (blocked / "in the way").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        render(run.path)
    assert "cannot write the report to" in str(caught.value)
    assert str(run.path) in str(caught.value)
    assert "make the folder writable" in str(caught.value)
    assert not (run.path / ".report.html.part").exists()
    assert run.read_manifest().run_id


def test_a_single_value_is_drawn(report_of_single_values: Report) -> None:
    """One point per figure, and no line to draw through it."""
    assert [path.stem for path in report_of_single_values.figures] == list(FIGURES)


def test_the_terminal_tells_verdict_numbers_and_place(known_run: RunFolder) -> None:
    """As golden text."""
    report = Report(known_run.path / "report.html", (), summarise(known_run.path))
    assert terminal_text(report).splitlines() == [
        "tour: VALID",
        "",
        "Missing or wrong        6 (missing, duplicate or leaked, of 2\N{NARROW NO-BREAK SPACE}000 expected)",
        "First page of messages  0.50 ms (p50 of 1\N{NARROW NO-BREAK SPACE}600 first pages)",
        "Last recipient reached  1.60 ms (p99 of 160 messages, groups of 100, too few to be sure)",
        "Every watcher knows     1.00 ms (p95 of 160 changes, 10 watchers)",
        "Fewer buffers by index  4.00 × (list_conversations (heavy) under “roadmap”)",
        "",
        "What surprised",
        *(f"  {sentence}" for sentence in report.summary.surprises),
        "",
        f"Report: {report.page}",
    ]


def test_the_terminal_tells_why_a_run_is_invalid(build_run: Any, parts: SimpleNamespace) -> None:
    """Reasons, what was not measured, and warnings by the count."""
    record = parts.record("fanout", 0)
    record.warnings = [f"group {size} was left out" for size in (1, 2, 3)]
    run = build_run(parts.manifest([record], verdict="INVALID", reasons=["the server died"]))
    assert terminal_text(render(run.path)).splitlines() == [
        "tour: INVALID",
        "  because the server died",
        "  because fanout: its measurements are missing",
        "",
        "Missing or wrong        not measured",
        "Last recipient reached  not measured",
        "",
        "What surprised",
        "  fanout ran and left no measurement.",
        "",
        "Warnings",
        "  fanout: 3 times: group … was left out",
        "",
        f"Report: {run.path / 'report.html'}",
    ]
