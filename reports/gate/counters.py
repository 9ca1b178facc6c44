"""Exact counts of both arms, compared as such: they decide where times cannot."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.gate.decisions import Verdict


@dataclass(frozen=True)
class Counter:
    """Something that is counted and not timed; more of it is worse."""

    name: str
    unit: str
    tolerance: float  # as a share: what chance moves it by although nothing changed
    reason: str  # of the tolerance
    slack: float = 0.0  # in the unit, beside the tolerance: for what is nothing in the base


@dataclass(frozen=True)
class CounterFinding:
    """One counter's verdict."""

    counter: Counter
    verdict: Verdict
    sentence: str
    base: float | None
    head: float | None


def compare_counters(
    counters: Sequence[Counter], base: Mapping[str, float], head: Mapping[str, float]
) -> tuple[CounterFinding, ...]:
    """A verdict on each counter that either arm has; one that only one arm has is INVALID, never left out."""
    return tuple(
        _compare(counter, base.get(counter.name), head.get(counter.name))
        for counter in counters
        if counter.name in base or counter.name in head
    )


def _compare(counter: Counter, base: float | None, head: float | None) -> CounterFinding:
    if base is None or head is None:
        there, missing = ("head", "base") if base is None else ("base", "head")
        sentence = f"{counter.name} was counted in {there} and not in {missing}"
        return CounterFinding(counter, "INVALID", sentence, base, head)
    if not (math.isfinite(base) and math.isfinite(head)) or min(base, head) < 0:
        return CounterFinding(counter, "INVALID", f"{counter.name} holds a value that is no count", base, head)
    verdict: Verdict
    if head > base * (1 + counter.tolerance) + counter.slack:
        verdict, sentence = "REGRESSED", "more than before"
    elif head < base * (1 - counter.tolerance) - counter.slack:
        verdict, sentence = "IMPROVED", "less than before"
    else:
        verdict, sentence = "PASS", "the same" if head == base else "the same within what chance moves it by"
    return CounterFinding(counter, verdict, sentence, base, head)
