"""What a report says of a search for the capacity."""

from types import SimpleNamespace
from typing import Any

import pytest

from reports.report import render, summarise
from reports.section import Section
from reports.terminal import terminal_text
from scenarios.run_folder import RunFolder
from scenarios.run_records import CapacityFile, CapacityResult, CapacityStep

CAUSE = "CPU of the chat server: 95 % of one core (counts as used up from 85)"


def step(load: float, value: float | None, outcome: str, **figures: float) -> CapacityStep:
    return CapacityStep(
        folder="steps/x",
        load=load,
        phase="bracket",
        round=0,
        outcome=outcome,  # type: ignore[arg-type]
        values={"delivery_ms_p99": value, "missing": 0.0},
        operations_per_second=load,
        figures=figures,
    )


STEPS = (
    step(40, 20.0, "kept", server_cpu_percent=30.0),
    step(80, 400.0, "missed", server_cpu_percent=95.0),
    step(160, 900.0, "generator"),
    step(60, None, "missed"),
)
FOUND = CapacityResult(
    kind="found", load=61.5, low=55.0, high=70.25, confidence=0.95, generator_limit=160.0, gave_way=[CAUSE]
)


@pytest.fixture
def search(build_run: Any, parts: SimpleNamespace) -> Any:
    """A function that writes the folder of a search with a result."""

    def write(result: CapacityResult | None, steps: tuple[CapacityStep, ...] = STEPS) -> RunFolder:
        folder: RunFolder = build_run(parts.manifest([parts.record("capacity", 0)], title="capacity"))
        folder.write_capacity(
            CapacityFile(
                scenario="fanout",
                load_meaning="messages per second in total",
                objectives=["delivery_ms_p99<=100", "missing==0"],
                steps=list(steps),
                result=result,
            )
        )
        return folder

    return write


def section_of(run: RunFolder) -> Section:
    return next(section for section in summarise(run.path).sections if section.name == "capacity")


def test_the_interval_the_steps_and_the_cause_are_told(search: Any) -> None:
    """In one sentence, in the headline, and by key."""
    run = search(FOUND)
    assert section_of(run).reading == (
        "delivery_ms_p99<=100 and missing==0 is kept up to a load of 61.5 (95 % interval 55.0–70.2) "
        f"(messages per second in total). Beyond: {CAUSE}."
    )
    summary = summarise(run.path)
    (headline,) = summary.headlines
    assert (headline.title, headline.number.value) == ("Capacity", 61.5)
    assert "95 % interval 55.0–70.2" in headline.detail
    numbers = {key: number.value for key, number in summary.numbers.items()}
    assert numbers["capacity.load_low"] == 55.0
    assert numbers["capacity.generator_limit"] == 160
    assert [numbers[f"capacity.steps_{name}"] for name in ("kept", "missed", "generator")] == [1, 2, 1]
    assert numbers["capacity.step_value.step=2"] == 400
    assert numbers["capacity.step_value.step=4"] is None
    assert numbers["capacity.step_server_cpu_percent.step=2"] == 95
    assert summary.verdict.verdict == "VALID"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            CapacityResult(kind="at_least", load=80.0, generator_limit=160.0, gave_way=["the load generator, at 160"]),
            (
                "is kept at 80.0 (messages per second in total), the highest load that says anything; "
                "gave way first: the load generator, at 160."
            ),
        ),
        (CapacityResult(kind="at_least", load=80.0), "; no higher load was looked at."),
        (CapacityResult(kind="below", load=5.0, gave_way=[CAUSE]), f"the lowest load looked at: {CAUSE}."),
        (CapacityResult(kind="nothing"), "the generator gave way in all of them."),
        (None, "the generator gave way in all of them."),
    ],
)
def test_what_was_not_found_is_not_told_as_found(search: Any, result: CapacityResult | None, said: str) -> None:
    """Bounds are bounds, and have no interval."""
    reading = section_of(search(result)).reading
    assert said in reading
    assert "interval" not in reading


def test_the_figure_is_drawn(search: Any) -> None:
    """Steps, the objective and the interval; without a value there is nothing to draw."""
    report = render(search(FOUND).path)
    assert [figure.name for figure in report.figures] == ["capacity.png"]
    page = report.page.read_text(encoding="utf-8")
    assert "delivery_ms_p99&lt;=100" in page
    assert "Capacity  61.5 (fanout: messages per second in total" in terminal_text(report)


def test_a_search_without_a_value_draws_nothing(search: Any) -> None:
    """The table still says what ran."""
    report = render(search(None, (step(40, None, "generator"),)).path)
    assert report.figures == ()


def test_other_runs_have_no_such_section(known_run: RunFolder) -> None:
    """A tour does not search."""
    assert "capacity" not in {section.name for section in summarise(known_run.path).sections}
