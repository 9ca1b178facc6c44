"""What a trend follows: numbers of stored runs by name, each of one scenario.

fanout: delivery_ms_p95           a measure of scenarios/run_measures.py, within a scenario
duet: first_page_ms_p50           head ÷ base of what `chatbench ab` judges
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fixtures.errors import InputError
from reports.gate.duet import DUET, METRICS
from reports.gate.run_numbers import run_number
from reports.gate.section import summarise_gate
from reports.gate.thresholds import ASKABLE, SHIPPED, Threshold, measure_within, read_thresholds
from reports.measurements import Measurements
from scenarios.run_measures import Measure
from scenarios.study import SCENARIO as LABORATORY
from scenarios.study import WRONG_RESULTS

EVERY = "all"
# The generator's own, and what is recorded beside the latency that counts.
_NOT_THE_SYSTEMS = ("start_delay_us", "generator_loop_lag_us", "service_us", "delivery_observed_us")
_PERCENTS = (50, 95)  # as `chatbench ab` judges
_BOOKS = ("missing", "duplicate", "leaked")


@dataclass(frozen=True)
class Followed:
    """One number that runs may have."""

    scenario: str
    measure: str  # its name within the scenario
    unit: str
    value: Callable[[Measurements], float | None]  # None: not measured, or of too few values
    bound: str = ""  # what an objective asks of it

    @property
    def name(self) -> str:
        """`fanout: delivery_ms_p99`."""
        return f"{self.scenario}: {self.measure}"


def choose(objectives: Path | None, names: Sequence[str]) -> tuple[Followed, ...] | None:
    """What is asked for by a file of objectives or by names; None for every number."""
    if objectives is not None and names:
        raise InputError(f"{objectives} and {', '.join(names)} both say what to follow; leave one of them out")
    if EVERY in names:
        return None
    return tuple(named(name) for name in names) or of_objectives(read_thresholds(objectives or SHIPPED))


def of_objectives(thresholds: Iterable[Threshold]) -> tuple[Followed, ...]:
    """The numbers that objectives are about."""
    return tuple(
        Followed(one.scenario, one.objective.measure, one.measure.unit, _reader(one.measure), one.bound)
        for one in thresholds
    )


def named(text: str) -> Followed:
    """The number that `SCENARIO:MEASURE` names; InputError with the way to name one."""
    scenario, separator, name = (part.strip() for part in text.partition(":"))
    if not separator or not name:
        raise InputError(
            f"{text!r} names no number of a scenario; "
            f"write SCENARIO:MEASURE, such as fanout:delivery_ms_p95, or {EVERY} for every one"
        )
    if scenario == DUET:
        known = [metric.name for metric in METRICS]
        if name not in known:
            raise InputError(f"{text!r}: a duet has no metric {name!r}; choose from {', '.join(known)}")
        return _ratio(name)
    if scenario not in ASKABLE:
        raise InputError(f"{text!r}: no scenario named {scenario!r}; choose from {', '.join((*ASKABLE, DUET))}")
    return _number(scenario, name)


def every(runs: Sequence[Measurements]) -> tuple[Followed, ...]:
    """What the runs measured and a gate judges: p50 and p95 of times, sizes, the books, the laboratory, ratios."""
    found: dict[str, Followed] = {}
    for run in runs:
        records = {record.name for record in run.manifest.scenarios}
        names = [(DUET, metric.name) for metric in METRICS] if DUET in records else _measured(run)
        for scenario, name in names:
            if f"{scenario}: {name}" not in found:
                one = _ratio(name) if scenario == DUET else _number(scenario, name)
                found[one.name] = one
    return tuple(found.values())


def _measured(run: Measurements) -> list[tuple[str, str]]:
    names = [
        (scenario, name)
        for scenario, metric in sorted({(one.scenario, one.metric) for one in run.series})
        for name in _statistics(metric)
    ]
    names += [(scenario, name) for scenario in sorted({one.scenario for one in run.ledger.ledgers}) for name in _BOOKS]
    names += [(record.name, "failed_percent") for record in run.manifest.scenarios if record.name != LABORATORY]
    statements = sorted({one.statement for one in run.queries if one.policy is None})
    names += [(LABORATORY, f"query_buffers_max.statement={statement}") for statement in statements]
    return [*names, *([(LABORATORY, WRONG_RESULTS)] if statements else [])]


def _statistics(metric: str) -> tuple[str, ...]:
    stem, _, unit = metric.rpartition("_")
    if unit == "us" and metric not in _NOT_THE_SYSTEMS:
        return tuple(f"{stem}_ms_p{percent}" for percent in _PERCENTS)
    return (f"{metric}_mean",) if unit == "bytes" else ()


def _number(scenario: str, name: str) -> Followed:
    measure = measure_within(name, scenario)
    return Followed(scenario, name, measure.unit, _reader(measure))


def _reader(measure: Measure) -> Callable[[Measurements], float | None]:
    def value(run: Measurements) -> float | None:
        number = run_number(run, measure)
        return number.value if number.value is not None and math.isfinite(number.value) and number.supported else None

    return value


def _ratio(name: str) -> Followed:
    """Head ÷ base of one metric of a duet: both met the same arrivals, so the machine's drift is not in it."""

    def value(run: Measurements) -> float | None:
        outcome = summarise_gate(run)
        findings = outcome.decision.findings if outcome is not None else ()
        return next((one.ratio.value for one in findings if one.metric.name == name and one.ratio is not None), None)

    return Followed(DUET, name, "×", value)
