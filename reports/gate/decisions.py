"""What may be concluded from paired rounds: pure, values in, verdicts out.

A round is a few seconds in which both arms ran side by side. Of every metric it gives one value per arm, and of the two
one difference: d = ln(head ÷ base). The rounds, not the requests, are what is tested:

    d − ln(1 + margin) of every round ──▶ exact signed-rank test ──▶ Holm over all metrics ──▶ confirmed on fresh blocks

Errors, chosen before any data is seen: a false failure of the whole gate in at most 1 of 100 decisions (Holm at 0.01),
then confirmed at 0.05.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np

from reports.gate.signed_rank import Estimate, critical_sum, differences_needed, estimate, greater_p

FAMILY_ALPHA = 0.01
CONFIRMING_ALPHA = 0.05
CONFIDENCE = 0.95
POWER = 0.95  # the smallest detectable effect is found this often
ROUND_OPERATIONS_MIN = 200  # per arm: fewer leave a p95 to ten values

_RESAMPLES = 200
CONFIRMING_ROUNDS_MIN = differences_needed(CONFIRMING_ALPHA)

Verdict = Literal["PASS", "IMPROVED", "REGRESSED", "UNCERTAIN", "INVALID"]
# The worst verdict of its metrics is the gate's; an improvement is worth telling when nothing else is.
_BY_WEIGHT: tuple[Verdict, ...] = ("INVALID", "REGRESSED", "UNCERTAIN", "IMPROVED", "PASS")


@dataclass(frozen=True)
class Round:
    """One metric in one round, in the metric's unit."""

    block: int
    base: float
    head: float
    operations: int  # of the arm that had fewer

    @property
    def log_ratio(self) -> float:
        """ln(head ÷ base); both have to be positive."""
        return math.log(self.head / self.base)


@dataclass(frozen=True)
class Gated:
    """A metric that the gate judges; more of it is worse."""

    name: str
    unit: str
    margin: float  # as a share: up to here, slower is not a regression
    floor: float  # in the unit: a smaller difference is none that anybody feels
    operations_min: int = ROUND_OPERATIONS_MIN  # per arm and round
    way_to_more: str = "raise the rate or lengthen the rounds"


@dataclass(frozen=True)
class Finding:
    """One metric's verdict, and everything it rests on."""

    metric: Gated
    verdict: Verdict
    sentence: str
    rounds: int = 0
    base: float | None = None  # median of the rounds, in the unit
    head: float | None = None
    ratio: Estimate | None = None  # head ÷ base
    p: float | None = None  # that the ratio is no more than 1 + margin
    confirming_p: float | None = None
    smallest_effect: float | None = None  # as a share; None: no effect could have been found
    noise: float | None = None  # as a share: how far one round's ratio lies from the estimate, median
    is_suspect: bool = False  # slower, and fresh blocks have not been asked yet


@dataclass(frozen=True)
class Decision:
    """The gate's verdict."""

    verdict: Verdict
    findings: tuple[Finding, ...]


def rounds_needed(metrics: int) -> int:
    """How many rounds the test needs so that the hardest step of Holm's method can be passed at all."""
    return differences_needed(FAMILY_ALPHA / metrics)


def decide(
    metrics: Sequence[Gated],
    rounds: Mapping[str, Sequence[Round]],
    confirming: Mapping[str, Sequence[Round]] | None = None,
    *,
    with_smallest_effect: bool = True,
) -> Decision:
    """The verdict on every metric and on the whole; `confirming`: rounds of fresh blocks, once a failure is suspected.

    Without `confirming`, a suspected failure is UNCERTAIN: `suspects` names them, and fresh blocks decide. The smallest
    effect takes most of the time and changes no verdict; without it, it is None.
    """
    fresh = {name: found for name, found in (confirming or {}).items() if found}
    complaints = {
        metric.name: _complaint(metric, rounds.get(metric.name, ()), rounds_needed(len(metrics)))
        or (_complaint(metric, fresh[metric.name], CONFIRMING_ROUNDS_MIN) if metric.name in fresh else None)
        for metric in metrics
    }
    logs = {name: _logs(rounds[name]) for name, complaint in complaints.items() if complaint is None}
    worse, better = (_tests(metrics, logs, direction) for direction in (1, -1))
    findings = []
    for metric in metrics:
        name, complaint = metric.name, complaints[metric.name]
        if complaint is not None:
            findings.append(Finding(metric, "INVALID", complaint))
            continue
        finding = _measured(metric, rounds[name], logs[name], worse[name], with_smallest_effect=with_smallest_effect)
        confirming_p = _p(metric, _logs(fresh[name]), 1) if name in fresh else None
        findings.append(_judged(finding, worse[name].rejects, better[name].rejects, confirming_p))
    findings += [
        Finding(
            Gated(name, "", 0, 0), "INVALID", f"{name} was measured and is no metric of this gate; name it or drop it"
        )
        for name in sorted(rounds.keys() - complaints.keys())
    ]
    return Decision(worst(finding.verdict for finding in findings), tuple(findings))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on the whole: the gravest of its parts, and INVALID when there are none."""
    found = set(verdicts)
    return next((one for one in _BY_WEIGHT if one in found), "INVALID")


def suspects(decision: Decision) -> tuple[str, ...]:
    """The metrics that fresh blocks have to confirm."""
    return tuple(finding.metric.name for finding in decision.findings if finding.is_suspect)


def _complaint(metric: Gated, rounds: Sequence[Round], needed: int) -> str | None:
    """Why nothing may be said of a metric by these rounds, of which a verdict needs so many."""
    if not rounds:
        return f"{metric.name} was not measured; a metric without data is no pass"
    values = [value for one in rounds for value in (one.base, one.head)]
    if not all(math.isfinite(value) and value > 0 for value in values):
        return f"{metric.name} holds a value that is no positive number; look at the run's records"
    fewest = min(one.operations for one in rounds)
    if fewest < metric.operations_min:
        return (
            f"{metric.name} rests on {fewest} operations in one round and {metric.operations_min} are needed; "
            f"{metric.way_to_more}"
        )
    if len(rounds) < needed:
        return (
            f"{metric.name} has {len(rounds)} rounds: the smallest probability they can give is above what the test "
            f"has to reach; run at least {needed}"
        )
    return None


def _logs(rounds: Sequence[Round]) -> list[float]:
    return [one.log_ratio for one in rounds]


def _p(metric: Gated, logs: Sequence[float], direction: int) -> float:
    """The probability of such logarithms of ratios when head is worse (1) or better (-1) by no more than the margin."""
    return greater_p([direction * d - math.log1p(metric.margin) for d in logs])


@dataclass(frozen=True)
class _Test:
    """One metric's test among those of all."""

    p: float
    alpha: float  # what `p` had to reach, in Holm's order
    rejects: bool


def _tests(metrics: Sequence[Gated], logs: Mapping[str, Sequence[float]], direction: int) -> dict[str, _Test]:
    """Holm's step-down method over all metrics; those without data take their share of the error all the same."""
    p = {metric.name: _p(metric, logs[metric.name], direction) for metric in metrics if metric.name in logs}
    found: dict[str, _Test] = {}
    rejects = True
    for place, name in enumerate(sorted(p, key=lambda name: p[name])):
        alpha = FAMILY_ALPHA / (len(metrics) - place)
        rejects = rejects and p[name] <= alpha
        found[name] = _Test(p[name], alpha, rejects)
    return found


def _measured(
    metric: Gated, rounds: Sequence[Round], logs: Sequence[float], test: _Test, *, with_smallest_effect: bool
) -> Finding:
    located = estimate(logs, CONFIDENCE)
    residuals = [d - located.value for d in logs]
    return Finding(
        metric=metric,
        verdict="PASS",
        sentence="",
        rounds=len(rounds),
        base=median(one.base for one in rounds),
        head=median(one.head for one in rounds),
        ratio=located.exponential,
        p=test.p,
        smallest_effect=smallest_effect(residuals, [one.block for one in rounds], metric.margin, test.alpha)
        if with_smallest_effect
        else None,
        noise=math.expm1(median(abs(one) for one in residuals)),
    )


def _judged(finding: Finding, is_worse: bool, is_better: bool, confirming_p: float | None) -> Finding:
    metric, ratio = finding.metric, finding.ratio
    assert ratio is not None
    assert finding.base is not None
    felt = abs(finding.base * (ratio.value - 1)) >= metric.floor
    is_suspect = is_worse and felt and confirming_p is None
    verdict: Verdict
    if is_worse and not felt:
        verdict = "PASS"
        sentence = f"slower by less than {metric.floor:g} {metric.unit}, which nobody feels"
    elif is_suspect:
        verdict, sentence = "UNCERTAIN", "slower, to be confirmed on fresh blocks"
    elif is_worse and confirming_p is not None and confirming_p <= CONFIRMING_ALPHA:
        verdict = "REGRESSED"
        sentence = f"slower by more than {metric.margin:.0%}, confirmed on fresh blocks"
    elif is_worse:
        verdict, sentence = "UNCERTAIN", "slower at first, and not on fresh blocks"
    elif is_better and felt:
        verdict, sentence = "IMPROVED", f"faster by more than {metric.margin:.0%}"
    elif ratio.high <= 1 + metric.margin or finding.base * (ratio.high - 1) < metric.floor:
        verdict, sentence = "PASS", f"no slower than {metric.margin:.0%} beyond doubt"
    else:
        verdict = "UNCERTAIN"
        sentence = f"its interval reaches beyond {metric.margin:.0%}; more rounds would tell"
    return replace(finding, verdict=verdict, sentence=sentence, confirming_p=confirming_p, is_suspect=is_suspect)


def smallest_effect(residuals: Sequence[float], blocks: Sequence[int], margin: float, alpha: float) -> float | None:
    """The slow-down, as a share, that noise like this run's would have let through in at most 1 - POWER of cases.

    By resampling whole blocks of this run's residuals, seeded, because rounds of one block are alike. The rank sum of
    values shifted by s counts the pairwise means above -s, so it reaches its critical value exactly when s passes minus
    the critical-th largest of them: no search is needed. None when so few rounds cannot attain `alpha`.
    """
    count = len(residuals)
    critical = critical_sum(count, alpha)
    if critical is None:
        return None
    random = np.random.default_rng(20260101)
    values, of_block = np.asarray(residuals), np.asarray(blocks)
    members = [values[of_block == block] for block in np.unique(of_block)]
    draws = random.integers(len(members), size=(_RESAMPLES, len(members)))
    resampled = np.stack([np.resize(np.concatenate([members[one] for one in draw]), count) for draw in draws])
    first, second = np.triu_indices(count)
    place = len(first) - critical
    means = np.partition((resampled[:, first] + resampled[:, second]) / 2, place, axis=1)
    shift = float(np.quantile(-means[:, place], POWER))
    return (1 + margin) * math.exp(max(shift, 0.0)) - 1
