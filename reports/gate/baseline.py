"""A stored run against an older one: what that can tell, which is little about times and much about counts."""

from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence

from reports.differences import DRIFT, differences, obstacles
from reports.gate.counters import Counter, CounterFinding, compare_counters
from reports.gate.decisions import Finding, Gated, Verdict
from reports.gate.run_numbers import RunNumber, run_number, series_of
from reports.gate.signed_rank import Estimate
from reports.gate.thresholds import Threshold
from reports.measurements import Measurements
from scenarios.run_measures import Measure

FLOOR_MS = 0.2  # cited: this project's facts on noisy machines; a smaller difference is none that anybody feels
_MIX_TOLERANCE = 0.05  # guess: half of what would move a percentile of equally frequent parts visibly

WARNING = (
    "A stored baseline judges the machine as much as the change: times of identical code were measured to differ by up "
    f"to {DRIFT * 100:.0f} % between two runs, so only what lies beyond counts here. To find less, let "
    "chatbench ab run both versions side by side; how much less, chatbench doctor --gate measures."
)

_TIME_UNITS = frozenset({"µs", "ms", "s", "%", "‰"})
_SIZE_TOLERANCE = 0.02
_BUFFERS_TOLERANCE = 0.02
_BUFFERS_REASON = "measured: those of the shipped objectives did not move at all between two runs of one seed"
_SIZE_REASON = "measured: texts of random length moved the mean by 1.4 % between two runs of one seed"


def hindrances(base: Measurements, head: Measurements) -> tuple[str, ...]:
    """Why the two runs cannot be compared at all; each names what differs."""
    found = [one.sentence for one in obstacles(differences(base.manifest, head.manifest))]
    before, after = (_metrics(one) for one in (base, head))
    found += [f"{name} was measured in the baseline and is no more" for name in sorted(before - after)]
    found += [f"{name} is measured now and was not in the baseline" for name in sorted(after - before)]
    return tuple(found)


def against_baseline(
    thresholds: Iterable[Threshold], base: Measurements, head: Measurements
) -> tuple[tuple[Finding, ...], tuple[CounterFinding, ...], tuple[str, ...]]:
    """Verdicts on times, verdicts on counts, and remarks; of every measure that a threshold asks for, once."""
    findings: list[Finding] = []
    counters: list[CounterFinding] = []
    remarks: list[str] = []
    for threshold in thresholds:
        name, measure = threshold.name, threshold.measure
        if threshold.objective.comparison in (">=", ">"):
            remarks.append(f"{name} is to be large; its threshold judges it, not the baseline")
        if threshold.objective.comparison not in ("<=", "<"):
            continue  # what is to equal a number has nothing to be compared with
        before, after = run_number(base, measure), run_number(head, measure)
        if measure.metrics and measure.unit in _TIME_UNITS:
            findings.append(compare_times(name, before, after, _mix_complaint(threshold, base, head)))
        else:
            tolerance, reason = _tolerance(measure)
            counter = Counter(name, measure.unit, tolerance, reason)
            counters += compare_counters([counter], _known(name, before), _known(name, after))
    return tuple(findings), tuple(counters), tuple(remarks)


def _metrics(measurements: Measurements) -> set[str]:
    return {f"{one.scenario}: {one.metric}" for one in measurements.series}


def _tolerance(measure: Measure) -> tuple[float, str]:
    """How far counts of identical code may lie apart, and why."""
    if measure.metrics:
        return _SIZE_TOLERANCE, _SIZE_REASON
    if measure.is_of_queries:
        return _BUFFERS_TOLERANCE, _BUFFERS_REASON
    return 0.0, "exact"


def _known(name: str, number: RunNumber) -> Mapping[str, float]:
    return {} if number.value is None else {name: number.value}


def _mix_complaint(threshold: Threshold, base: Measurements, head: Measurements) -> str | None:
    """What makes a pooled percentile of two runs incomparable: their parts do not come in the same shares."""
    before, after = (_shares(threshold, one) for one in (base, head))
    moved = sum(abs(before.get(part, 0.0) - after.get(part, 0.0)) for part in before.keys() | after.keys()) / 2
    if moved <= _MIX_TOLERANCE:
        return None
    part = max(sorted(before.keys() | after.keys()), key=lambda one: abs(before.get(one, 0.0) - after.get(one, 0.0)))
    return (
        f"its mix changed: {part} was {before.get(part, 0.0):.0%} of it and is {after.get(part, 0.0):.0%}; "
        "ask for it by label, such as MEASURE.label=value"
    )


def _shares(threshold: Threshold, measurements: Measurements) -> dict[str, float]:
    counts: Counts[str] = Counts()
    for one in series_of(measurements, threshold.measure):
        labels = ", ".join(f"{name} {value}" for name, value in sorted(one.labels.items()) if name != "scenario")
        counts[labels or "all"] += sum(part.count for part in one.blocks.values())
    total = counts.total()
    return {part: count / total for part, count in counts.items()} if total else {}


def compare_times(name: str, base: RunNumber, head: RunNumber, complaint: str | None = None) -> Finding:
    """The verdict on one time; `complaint`: why nothing may be said of it."""
    unit = head.measure.unit
    metric = Gated(name, unit, DRIFT, FLOOR_MS if unit == "ms" else 0.0)
    complaint = _unmeasured(base, head) or complaint
    if complaint is not None:
        return Finding(metric, "INVALID", complaint, base=base.value, head=head.value)
    assert base.value is not None
    assert head.value is not None
    (base_low, base_high), (head_low, head_high) = _ends(base), _ends(head)
    value = head.value / base.value
    low, high = head_low / base_high / (1 + DRIFT), head_high / base_low * (1 + DRIFT)
    coverages = [one.interval.coverage for one in (base, head) if one.interval is not None]
    verdict, sentence = _time_verdict(metric, base.value, head.value, low, high)
    return Finding(
        metric,
        verdict,
        sentence,
        rounds=min(len(base.blocks), len(head.blocks)),
        base=base.value,
        head=head.value,
        ratio=Estimate(value, low, high, min(coverages, default=0.0)),
        smallest_effect=value / low - 1,
    )


def _unmeasured(base: RunNumber, head: RunNumber) -> str | None:
    for run, number in (("the baseline", base), ("the run", head)):
        if not number.value:
            return f"{run} has no value of it above zero; what is not measured cannot be compared"
        if not number.supported:
            return f"{run} has {number.values} values of it and {number.values_needed} are needed; run longer"
    return None


def _ends(number: RunNumber) -> Sequence[float]:
    """The number's own interval, the number itself included."""
    assert number.value is not None
    interval = number.interval
    if interval is None or interval.low <= 0:
        return number.value, number.value
    return min(interval.low, number.value), max(interval.high, number.value)


def _time_verdict(metric: Gated, base: float, head: float, low: float, high: float) -> tuple[Verdict, str]:
    if abs(head - base) < metric.floor:
        return "PASS", f"differs by less than {metric.floor:g} {metric.unit}, which nobody feels"
    if low > 1:
        return "REGRESSED", f"slower by more than the {DRIFT:.0%} that one machine drifts between runs"
    if high < 1:
        return "IMPROVED", f"faster by more than the {DRIFT:.0%} that one machine drifts between runs"
    return "UNCERTAIN", "within what one machine drifts between runs; chatbench ab would tell"
