"""The highest load that keeps an objective: the steps of the search, the interval, and what gave way beyond it."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from reports.headline import NAME as HEADLINE
from reports.headline import Headline
from reports.measurements import Measurements
from reports.numbers import Cell, Column, Number, Table, format_number, number_key
from reports.section import Section, whole_percent
from scenarios.objectives import Objective, parse_objective
from scenarios.run_records import CapacityFile, CapacityResult, CapacityStep

NAME = "capacity"
TITLE = "Capacity"
QUESTION = "Which load keeps the objective, and what gives way beyond it?"

_HOW = (
    "Each step is a load run of its own against the same server, and a run folder below steps/. The load is doubled "
    "until a miss is confirmed; then come rounds of three steps around the knee, in random order. Estimate and "
    "interval are of the posterior of the load at which half of all steps keep the objective, from all steps "
    "(psychometric function with unknown slope). A step also misses when over 1 % of its operations fail; one whose "
    "generator gave way does not count."
)
_OUTCOMES: dict[Literal["kept", "missed", "generator"], str] = {
    "kept": "kept",
    "missed": "missed",
    "generator": "the generator gave way",
}
# Figure of a step → its column and unit.
_FIGURES = {
    "server_cpu_percent": ("server CPU", "%"),
    "database_cpu_percent": ("PostgreSQL CPU, of all cores", "%"),
    "others_cpu_percent": ("other programs, of all cores", "%"),
    "pool_wait_ms": ("wait for a connection", "ms"),
    "lock_waiting": ("backends waiting for a lock", ""),
}


@dataclass(frozen=True)
class CapacitySummary:
    """One search."""

    file: CapacityFile | None = None  # None: this run was none

    @property
    def steps(self) -> tuple[CapacityStep, ...]:
        """In the order in which they ran."""
        return tuple(self.file.steps) if self.file is not None else ()

    @property
    def result(self) -> CapacityResult:
        """What was found."""
        found = self.file.result if self.file is not None else None
        return found or CapacityResult(kind="nothing")

    @property
    def objective(self) -> Objective:
        """The first one: the one that is drawn."""
        assert self.file is not None, "asked of a search"
        return parse_objective(self.file.objectives[0])

    @property
    def load_meaning(self) -> str:
        """What a load is, such as "messages per second"."""
        return self.file.load_meaning if self.file is not None else ""

    @property
    def promise(self) -> str:
        """All objectives as they were written."""
        return " and ".join(self.file.objectives) if self.file is not None else ""


def summarise_capacity(measurements: Measurements) -> CapacitySummary:
    """The search of this run; an empty summary when it was none."""
    return CapacitySummary(measurements.capacity)


def capacity_headlines(summary: CapacitySummary) -> tuple[Headline, ...]:
    """The load that was found; none when the run was no search."""
    if summary.file is None:
        return ()
    number = Number(number_key(HEADLINE, "capacity_load"), summary.result.load, bad=summary.result.kind == "below")
    titles = {"found": "Capacity", "at_least": "Capacity, at least", "below": "Capacity, below", "nothing": "Capacity"}
    detail = f"{summary.file.scenario}: {summary.file.load_meaning}, keeping {summary.promise}{_interval(summary)}"
    return (Headline(titles[summary.result.kind], number, detail),)


def capacity_sections(summary: CapacitySummary) -> tuple[Section, ...]:
    """The section of a search; none when the run was no search."""
    if summary.file is None:
        return ()
    return (
        Section(
            NAME,
            TITLE,
            f"{QUESTION} The objective: {summary.promise}.",
            _reading(summary),
            _HOW,
            measured=bool(summary.steps),
            tables=(_result_table(summary), _steps_table(summary)),
        ),
    )


def _interval(summary: CapacitySummary) -> str:
    result = summary.result
    if result.low is None or result.high is None or result.confidence is None:
        return ""
    low, high = format_number(result.low), format_number(result.high)
    return f" ({whole_percent(result.confidence)} % interval {low}–{high})"


def _result_table(summary: CapacitySummary) -> Table:
    result = summary.result
    outcomes = Counter(step.outcome for step in summary.steps)
    rows: list[tuple[Cell, ...]] = [
        ("load", Number(number_key(NAME, "load"), result.load)),
        ("interval, from", Number(number_key(NAME, "load_low"), result.low)),
        ("interval, to", Number(number_key(NAME, "load_high"), result.high)),
        ("the generator gave way at", Number(number_key(NAME, "generator_limit"), result.generator_limit)),
        *(
            (f"steps: {text}", Number(number_key(NAME, f"steps_{name}"), outcomes[name]))
            for name, text in _OUTCOMES.items()
        ),
    ]
    return Table(f"What was found, in {summary.load_meaning}", (Column(""), Column("")), tuple(rows))


def _steps_table(summary: CapacitySummary) -> Table:
    columns = (
        Column("step"),
        Column("load"),
        Column("operations begun", "/s"),
        Column("outcome"),
        Column(summary.objective.measure),
        *(Column(title, unit) for title, unit in _FIGURES.values()),
    )
    rows = tuple(_step_row(number, step, summary.objective) for number, step in enumerate(summary.steps, start=1))
    return Table("The steps, in the order in which they ran", columns, rows)


def _step_row(number: int, step: CapacityStep, objective: Objective) -> tuple[Cell, ...]:
    labels = {"step": str(number)}
    return (
        f"{number}: {step.phase}{f' {step.round}' if step.round else ''}",
        Number(number_key(NAME, "step_load", labels), step.load),
        Number(number_key(NAME, "step_operations_per_second", labels), step.operations_per_second),
        _OUTCOMES[step.outcome],
        Number(
            number_key(NAME, "step_value", labels), step.values.get(objective.measure), weak=step.outcome == "generator"
        ),
        *(
            Number(number_key(NAME, f"step_{name}", labels), step.figures.get(name), unit)
            for name, (_, unit) in _FIGURES.items()
        ),
    )


def _reading(summary: CapacitySummary) -> str:
    result, load = summary.result, format_number(summary.result.load)
    meaning = summary.load_meaning
    causes = "; ".join(result.gave_way)
    if result.kind == "found":
        return f"{summary.promise} is kept up to a load of {load}{_interval(summary)} ({meaning}). Beyond: {causes}."
    if result.kind == "at_least":
        beyond = f"gave way first: {causes}" if causes else "no higher load was looked at"
        return f"{summary.promise} is kept at {load} ({meaning}), the highest load that says anything; {beyond}."
    if result.kind == "below":
        return f"{summary.promise} is missed at {load} ({meaning}) already, the lowest load looked at: {causes}."
    return f"No step says whether {summary.promise} is kept: the generator gave way in all of them."
