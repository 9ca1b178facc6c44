"""Thresholds that need no baseline: objectives with a reason each, in one TOML file, judged on one stored run."""

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fixtures.errors import InputError
from reference_server.statements import shipped_strategies
from reports.gate.decisions import Verdict
from reports.gate.run_numbers import RunNumber
from reports.numbers import quantity
from scenarios.catalogue import SCENARIOS
from scenarios.objectives import Objective, judge, parse_objective
from scenarios.queries.request import available_statements
from scenarios.run_measures import Measure, parse_measure
from scenarios.run_records import ScenarioRecord
from scenarios.study import SCENARIO as LABORATORY

ASKABLE = (*SCENARIOS, LABORATORY)  # scenarios that have numbers of their own
SHIPPED = Path(__file__).parent / "objectives.toml"


@dataclass(frozen=True)
class Threshold:
    """One objective, asked of one scenario."""

    objective: Objective
    scenario: str
    reason: str  # why this bound

    @property
    def measure(self) -> Measure:
        """What is asked, within the scenario."""
        return measure_within(self.objective.measure, self.scenario)

    @property
    def name(self) -> str:
        """`fanout: delivery_ms_p99`."""
        return f"{self.scenario}: {self.objective.measure}"

    @property
    def bound(self) -> str:
        """`<= 150 ms`."""
        unit = self.measure.unit
        return f"{self.objective.comparison} {self.objective.bound:g}{f' {unit}' if unit else ''}"


@dataclass(frozen=True)
class ThresholdFinding:
    """What became of one threshold."""

    threshold: Threshold
    verdict: Verdict
    sentence: str
    number: RunNumber


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    holds: str
    scenarios: list[str]
    reason: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    objective: list[_Entry]


def measure_within(name: str, scenario: str) -> Measure:
    """The measure of that name, of one scenario; InputError when there is none."""
    return parse_measure(f"{name}{',' if '=' in name else '.'}scenario={scenario}")


def read_thresholds(path: Path) -> tuple[Threshold, ...]:
    """The thresholds of a file, in its order; InputError names the file, the entry and the way out."""
    try:
        entries = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).objective
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); name a file of objectives") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(
            f"{path} is no file of objectives: {error}; write [[objective]] with holds, scenarios and reason each"
        ) from error
    found: list[Threshold] = []
    for number, entry in enumerate(entries, start=1):
        try:
            found += _thresholds(entry)
        except InputError as error:
            raise InputError(f"{path}, objective {number}: {error}") from error
    if not found:
        raise InputError(f"{path} asks nothing; add an [[objective]]")
    twice = {one.name for one in found if [other.name for other in found].count(one.name) > 1}
    if twice:
        raise InputError(f"{path} asks twice for {', '.join(sorted(twice))}; keep one objective of each")
    return tuple(found)


def _thresholds(entry: _Entry) -> list[Threshold]:
    objective = parse_objective(entry.holds)
    if any(name == "scenario" for name, _ in parse_measure(objective.measure).labels):
        raise InputError(f"{entry.holds!r} names a scenario; name it under scenarios instead")
    if not entry.reason.strip():
        raise InputError(f"{entry.holds!r} has no reason; say why this bound")
    if not entry.scenarios:
        raise InputError(f"{entry.holds!r} is asked of no scenario; name at least one")
    for scenario in entry.scenarios:
        if scenario not in ASKABLE:
            raise InputError(f"no scenario named {scenario!r}; choose from {', '.join(ASKABLE)}")
    return [Threshold(objective, scenario, entry.reason) for scenario in entry.scenarios]


def applying(thresholds: Sequence[Threshold], records: Iterable[ScenarioRecord]) -> tuple[Threshold, ...]:
    """The thresholds of the scenarios that ran; of the laboratory, those of what it was asked to measure."""
    by_name = {record.name: record for record in records}
    return tuple(
        one for one in thresholds if one.scenario in by_name and not _is_unasked(one, by_name[one.scenario].options)
    )


def _is_unasked(threshold: Threshold, options: Mapping[str, Any]) -> bool:
    """Whether a threshold is about a strategy or a statement that the laboratory's record says was left out.

    InputError for one that neither the record nor the catalogue knows: a misspelt name would never be asked.
    """
    if threshold.scenario != LABORATORY:
        return False
    measured = {"strategy": "strategies", "statement": "statements"}
    left_out = [
        (name, value)
        for name, value in threshold.measure.labels
        if name in measured and measured[name] in options and value not in options[measured[name]]
    ]
    for name, value in left_out:
        shipped = shipped_strategies() if name == "strategy" else available_statements()
        if value not in shipped:
            near = difflib.get_close_matches(value, {*shipped, *options[measured[name]]}, n=3)
            meant = f"; did you mean {' or '.join(near)}?" if near else "."
            raise InputError(
                f"{threshold.name}: neither chatbench nor this run has a {name} named {value!r}{meant} "
                f"The run measured: {', '.join(sorted(options[measured[name]])) or 'none'}"
            )
    return bool(left_out)


def judge_threshold(threshold: Threshold, number: RunNumber) -> ThresholdFinding:
    """Whether a run keeps a threshold.

    The run's own number decides a miss. One that is kept passes only when its blocks keep it as well; what was not
    measured, is no number, or rests on too few values is INVALID.
    """
    verdict, sentence = _verdict(threshold, number)
    return ThresholdFinding(threshold, verdict, sentence, number)


def _verdict(threshold: Threshold, number: RunNumber) -> tuple[Verdict, str]:
    objective, value, unit = threshold.objective, number.value, number.measure.unit
    if value is None:
        return "INVALID", f"was not measured, and {threshold.scenario} ran; what is not measured is not kept"
    if not math.isfinite(value):
        return "INVALID", f"holds {value}, which is no number; look at the run's records"
    if not number.supported:
        return "INVALID", (
            f"rests on {number.values} values and {number.values_needed} are needed for such a percentile; run longer"
        )
    told = quantity(value, unit)
    if not judge(objective, value).met:
        return "REGRESSED", f"is {told} and must be {threshold.bound}"
    interval = number.interval
    if interval is not None and not all(judge(objective, end).met for end in (interval.low, interval.high)):
        return "UNCERTAIN", f"is {told}, as it must be {threshold.bound}, but not so in all blocks of the run's time"
    return "PASS", f"is {told}, as it must be {threshold.bound}"
