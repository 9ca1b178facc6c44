"""A gate's verdict in the forms that CI reads: JUnit XML, Markdown, annotations and JSON.

Every form names the metric, the estimate and its interval, and what to look at; none says less than another.
"""

import math
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from reports.gate.counters import CounterFinding
from reports.gate.decisions import Decision, Finding, Verdict, worst
from reports.gate.thresholds import ThresholdFinding
from reports.numbers import format_number, quantity

DOCUMENT_VERSION = 1
_FAILING: tuple[Verdict, ...] = ("REGRESSED",)
_BROKEN: tuple[Verdict, ...] = ("INVALID",)
_COMPARED = ("base", "head", "change", "95 % interval", "would have found", "noise")
# What a column is called where there is room.
_IN_FULL = {"would have found": "smallest effect that would have been found", "noise": "noise of a round"}
NOTHING_DECIDED = Decision("INVALID", ())  # no rounds, no verdict on them
_WHY = "why this bound"
_PROMISED = ("bound", "measured", "its blocks", _WHY)


@dataclass(frozen=True)
class Outcome:
    """Everything a gate has to say."""

    title: str  # what was compared: "main against 1a2b3c4"
    decision: Decision = NOTHING_DECIDED
    counters: tuple[CounterFinding, ...] = ()
    remarks: tuple[str, ...] = ()  # what differs between the arms beside the code, and what the reader should know
    reasons: tuple[str, ...] = ()  # why the run itself must not be believed
    thresholds: tuple[ThresholdFinding, ...] = ()
    is_stored: bool = False  # judged long after it was measured: nothing can be confirmed

    @property
    def verdict(self) -> Verdict:
        """Of thresholds, metrics and counters together; INVALID when there are none."""
        found: list[Verdict] = ["INVALID"] if self.reasons else []
        found += [one.verdict for one in self.thresholds]
        found += [one.verdict for one in self.decision.findings]
        found += [one.verdict for one in self.counters]
        return worst(found)


def exit_code(verdict: Verdict) -> int:
    """0 fine, 1 regression, 3 no judgement possible. UNCERTAIN is 0: it is no evidence against the change."""
    return 1 if verdict in _FAILING else 3 if verdict in _BROKEN else 0


def junit(outcome: Outcome) -> bytes:
    """One test case per metric and counter: failures are regressions, errors are what could not be judged."""
    lines = _lines(outcome)
    failures = sum(line.verdict in _FAILING for line in lines)
    errors = sum(line.verdict in _BROKEN for line in lines)
    counts = {"tests": str(len(lines)), "failures": str(failures), "errors": str(errors)}
    root = ElementTree.Element("testsuites", {"name": "chatbench", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": outcome.title, **counts})
    for line in lines:
        case = ElementTree.SubElement(suite, "testcase", {"classname": f"chatbench.{line.kind}", "name": line.name})
        if line.verdict in _FAILING or line.verdict in _BROKEN:
            kind = "failure" if line.verdict in _FAILING else "error"
            told = ElementTree.SubElement(case, kind, {"type": line.verdict, "message": line.sentence})
            told.text = line.whole
        else:
            ElementTree.SubElement(case, "system-out").text = line.whole
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def markdown(outcome: Outcome) -> str:
    """For a pull request: verdict, a table of each kind, what to look at."""
    parts = [f"### chatbench: {outcome.verdict}", "", f"{outcome.title}. {reading(outcome)}", ""]
    for columns, lines in lines_by_columns(outcome).items():
        sides = "".join("---|" if name == _WHY else "--:|" for name in columns)
        parts += [f"| metric | {' | '.join(columns)} | verdict |", f"|---|{sides}---|"]
        parts += [
            f"| {' | '.join(_escaped(cell) for cell in (line.name, *line.cells, line.verdict))} |" for line in lines
        ]
        parts.append("")
    told = things_to_look_at(outcome)
    if told:
        parts += ["**What to look at**", "", *(f"- {_escaped(sentence)}" for sentence in told)]
    return "\n".join(parts).rstrip() + "\n"


def things_to_look_at(outcome: Outcome) -> tuple[str, ...]:
    """A sentence for everything that did not pass, then the remarks."""
    told = [f"{line.name}: {line.sentence}" for line in _lines(outcome) if line.verdict not in ("PASS", "IMPROVED")]
    return (*told, *outcome.remarks)


def lines_by_columns(outcome: Outcome) -> dict[tuple[str, ...], list["Line"]]:
    """The lines that have cells, by what these are: one table each."""
    found: dict[tuple[str, ...], list[Line]] = {}
    for line in _lines(outcome):
        if line.columns:
            found.setdefault(line.columns, []).append(line)
    return found


def annotations(outcome: Outcome) -> tuple[str, ...]:
    """GitHub workflow commands: errors for failures, warnings for what is uncertain."""
    commands = {"REGRESSED": "error", "INVALID": "error", "UNCERTAIN": "warning"}
    return tuple(
        f"::{commands[line.verdict]} title={_property(f'{line.verdict}: {line.name}')}::{_data(line.whole)}"
        for line in _lines(outcome)
        if line.verdict in commands
    )


def document(outcome: Outcome) -> dict[str, Any]:
    """Plain JSON values; None where something could not be computed."""
    return {
        "document_version": DOCUMENT_VERSION,
        "title": outcome.title,
        "verdict": outcome.verdict,
        "exit_code": exit_code(outcome.verdict),
        "reasons": list(outcome.reasons),
        "remarks": list(outcome.remarks),
        "thresholds": [_threshold_document(finding) for finding in outcome.thresholds],
        "metrics": [_metric_document(finding) for finding in outcome.decision.findings],
        "counters": [
            {
                "name": one.counter.name,
                "unit": one.counter.unit,
                "verdict": one.verdict,
                "base": one.base,
                "head": one.head,
                "tolerance": one.counter.tolerance,
                "sentence": one.sentence,
            }
            for one in outcome.counters
        ],
    }


@dataclass(frozen=True)
class Line:
    """What a gate says of one thing."""

    name: str
    verdict: Verdict
    sentence: str
    columns: tuple[str, ...] = ()  # what the cells are; none where there is no more to say
    cells: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What keeps test cases of one name apart."""
        return "objective" if self.columns == _PROMISED else "gate"

    @property
    def whole(self) -> str:
        """Everything in one sentence."""
        cells = zip(self.columns, self.cells, strict=True)
        told = [f"{_IN_FULL.get(name, name)} {cell}" for name, cell in cells if cell != "–"]
        return f"{self.name}: {self.sentence} ({', '.join(told)})" if told else f"{self.name}: {self.sentence}"


def _lines(outcome: Outcome) -> tuple[Line, ...]:
    return (
        *(Line("the run", "INVALID", reason) for reason in outcome.reasons),
        *(_threshold_line(finding) for finding in outcome.thresholds),
        *(_metric_line(finding) for finding in outcome.decision.findings),
        *(_counter_line(finding) for finding in outcome.counters),
    )


def _threshold_line(finding: ThresholdFinding) -> Line:
    threshold, number = finding.threshold, finding.number
    unit, interval = number.measure.unit, number.interval
    ends = "–" if interval is None else f"{format_number(interval.low)} … {_value(interval.high, unit)}"
    cells = (threshold.bound, _value(number.value, unit), ends, threshold.reason)
    return Line(threshold.name, finding.verdict, finding.sentence, _PROMISED, cells)


def _metric_line(finding: Finding) -> Line:
    metric, ratio = finding.metric, finding.ratio
    cells = [_value(finding.base, metric.unit), _value(finding.head, metric.unit)]
    if ratio is None:
        cells += ["–"] * 4
    else:
        cells += [_change(ratio.value), f"{_change(ratio.low)} … {_change(ratio.high)}"]
        cells.append("none" if finding.smallest_effect is None else f"{finding.smallest_effect:+.1%}")
        cells.append("–" if finding.noise is None else f"{finding.noise:.1%}")
    return Line(metric.name, finding.verdict, finding.sentence, _COMPARED, tuple(cells))


def _counter_line(finding: CounterFinding) -> Line:
    unit = finding.counter.unit
    change = _change(finding.head / finding.base) if finding.base and finding.head is not None else "–"
    cells = (_value(finding.base, unit), _value(finding.head, unit), change, "counted", "–", "–")
    return Line(finding.counter.name, finding.verdict, finding.sentence, _COMPARED, cells)


def _value(value: float | None, unit: str) -> str:
    return "–" if value is None or not math.isfinite(value) else quantity(value, unit)


def _change(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"


def reading(outcome: Outcome) -> str:
    """The verdict in one sentence."""
    stored = {
        "PASS": "Every objective is kept.",
        "IMPROVED": "Every objective is kept, and something got better.",
        "REGRESSED": "An objective is missed, or something got worse than in the baseline.",
        "UNCERTAIN": "No objective is missed, and not everything is beyond doubt.",
        "INVALID": "Nothing may be concluded from this run.",
    }
    compared = {
        "PASS": "Nothing got slower beyond its margin.",
        "IMPROVED": "Something got faster, and nothing slower beyond its margin.",
        "REGRESSED": "Something got slower beyond its margin, and fresh blocks confirmed it.",
        "UNCERTAIN": "No slow-down was proven, and none beyond the margin can be ruled out.",
        "INVALID": "Nothing may be concluded from this comparison.",
    }
    return (stored if outcome.is_stored else compared)[outcome.verdict]


def _threshold_document(finding: ThresholdFinding) -> dict[str, Any]:
    threshold, number = finding.threshold, finding.number
    interval = number.interval
    return {
        "name": threshold.name,
        "scenario": threshold.scenario,
        "objective": threshold.objective.text,
        "reason": threshold.reason,
        "unit": number.measure.unit,
        "verdict": finding.verdict,
        "sentence": finding.sentence,
        "value": number.value,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "coverage": None if interval is None else interval.coverage,
        "values": number.values,
    }


def _metric_document(finding: Finding) -> dict[str, Any]:
    ratio = finding.ratio
    return {
        "name": finding.metric.name,
        "unit": finding.metric.unit,
        "verdict": finding.verdict,
        "sentence": finding.sentence,
        "margin": finding.metric.margin,
        "floor": finding.metric.floor,
        "rounds": finding.rounds,
        "base": finding.base,
        "head": finding.head,
        "ratio": None if ratio is None else ratio.value,
        "ratio_low": None if ratio is None else ratio.low,
        "ratio_high": None if ratio is None else ratio.high,
        "coverage": None if ratio is None else ratio.coverage,
        "p": finding.p,
        "confirming_p": finding.confirming_p,
        "smallest_effect": finding.smallest_effect,
        "noise": finding.noise,
    }


def _escaped(text: str) -> str:
    """Text within a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
