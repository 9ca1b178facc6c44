"""What the gate's decisions are worth on this machine: real rounds, resampled into decisions, and real decisions.

    records of trials ──▶ blocks ──▶ decisions drawn from blocks ──▶ shares of failures and finds

A drawn decision takes whole blocks with replacement, because rounds of one block are alike: five to judge, three to
confirm. Where both arms are identical, each block's arms are swapped by the toss of a coin, which changes nothing about
what is true; and where one metric of theirs is made slower by exactly so much, what is found says what the noise lets
through. Beside it, from the same rounds: what stored baselines would have said.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from reports.gate.decisions import Round, Verdict, decide
from reports.gate.duet import METRICS
from reports.gate.signed_rank import Estimate, estimate
from scenarios.trial_records import EFFECTS, FULL, Amount, StoredCounts, Trial, TrialRecord

DRAWN_DECISIONS = 300
FALSE_FAILURES_MAX = 0.01
FOUND_MIN = {0.10: 0.95, 0.20: 1.0}  # slow-down at p50 → share of decisions that have to find it
_CONFIDENCE = 0.95
_GATED = {metric.name: metric for metric in METRICS}
MEDIANS = tuple(name for name in _GATED if name.endswith("_p50"))

Block = Mapping[str, Sequence[tuple[float, float, int]]]  # metric → (base, head, operations) of its rounds in a block


@dataclass(frozen=True)
class TrialResult:
    """What decisions on one trial came to."""

    trial: Trial
    blocks: int
    verdicts: Mapping[Verdict, int]  # of drawn decisions
    hits: int  # drawn decisions that failed (identical arms), or found the slow metric
    needed: int  # real decisions; fewer can only contradict the aim
    decisions: tuple[TrialRecord, ...]  # the real ones
    unjudged: tuple[TrialRecord, ...]  # that were INVALID
    meant: tuple[TrialRecord, ...]  # the real ones that were to be of this trial, whatever they came to
    shift: Estimate | None  # what the slow-down came to in the metric: head ÷ base

    @property
    def real_hits(self) -> int:
        """Real decisions that failed (identical arms), or found the slow metric."""
        return sum(_is_hit(one) for one in self.decisions)

    @property
    def meant_hits(self) -> int:
        """The same of those that were meant: they are not chosen by the rounds that decide."""
        return sum(_is_hit(one) for one in self.meant)

    @property
    def real_share(self) -> float | None:
        """Of real decisions, like `share`."""
        count = len(self.decisions) + (len(self.unjudged) if self.trial.effect else 0)
        return self.real_hits / count if count else None

    @property
    def share(self) -> float | None:
        """Of drawn decisions that found it, or of judged ones that failed; None without any.

        A decision that judges nothing is a find missed, and is no evidence that identical code passes.
        """
        invalid = 0 if self.trial.effect else self.verdicts.get("INVALID", 0)
        drawn = sum(self.verdicts.values()) - invalid
        return self.hits / drawn if drawn else None

    @property
    def aim(self) -> float:
        """The share that it has to keep to: at most for identical arms, at least for others."""
        return FOUND_MIN[self.trial.effect] if self.trial.effect else FALSE_FAILURES_MAX

    @property
    def is_missed(self) -> bool:
        """Whether drawn or real decisions do not keep to the aim, or there are none of either."""
        drawn, real = self.share, self.real_share
        if drawn is None or real is None:
            return True
        return min(drawn, real) < self.aim if self.trial.effect else max(drawn, real) > self.aim

    @property
    def is_met(self) -> bool:
        """Whether both keep to the aim, and the real ones are enough to say so."""
        return not self.is_missed and len(self.decisions) >= self.needed


@dataclass(frozen=True)
class Power:
    """How often one metric is found to be slow by exactly so much, at the noise of identical arms."""

    metric: str
    effect: float
    base_ms: float
    hits: int
    drawn: int

    @property
    def is_felt(self) -> bool:
        """Whether so much is more than the metric's floor, below which the gate does not look."""
        return self.base_ms * self.effect >= _GATED[self.metric].floor


@dataclass(frozen=True)
class Proof:
    """Everything that the trials show."""

    results: tuple[TrialResult, ...]
    powers: tuple[Power, ...]
    uncounted: tuple[TrialRecord, ...]  # slow-downs that came to something else than any trial asks for
    stored: StoredCounts | None  # of identical arms; None when they were not measured
    records: tuple[TrialRecord, ...]  # under the newest one's load
    elsewhere: tuple[TrialRecord, ...]  # under another, which are left out

    @property
    def is_met(self) -> bool:
        """Whether every aim is."""
        return bool(self.results) and all(result.is_met for result in self.results)


def prove(
    records: Sequence[TrialRecord],
    trials: Sequence[Trial],
    judging: int,
    confirming: int,
    *,
    drawn: int = DRAWN_DECISIONS,
    needed: Amount = FULL,
) -> Proof:
    """The gate's worth by those of the records that are of the newest one's load, for each of `trials`.

    A decision takes so many blocks to judge and to confirm; `drawn` of them are drawn per trial,
    and per metric and effect. An aim is met by `needed` real ones.
    """
    blocks = (judging, confirming)
    under_load = [one for one in records if one.rate == records[-1].rate]
    tried = [one for one in under_load if not one.trial.is_calibration]
    found: dict[Trial | None, list[TrialRecord]] = defaultdict(list)
    meant: dict[Trial, list[TrialRecord]] = defaultdict(list)
    for one in tried:
        found[one.counts_for].append(one)
        meant[one.meant_for].append(one)
    identical = [one for one in tried if not one.trial.effect]
    alike = _blocks(identical)
    slowed = [(metric, effect) for metric in MEDIANS for effect in EFFECTS] if alike else []
    return Proof(
        results=tuple(_result(trial, found[trial], meant[trial], blocks, drawn, needed) for trial in trials),
        powers=tuple(_power(alike, metric, effect, blocks, drawn) for metric, effect in slowed),
        uncounted=tuple(one for one in found[None] if one.is_decision),
        stored=_added([one.stored for one in identical if one.stored is not None]),
        records=tuple(under_load),
        elsewhere=tuple(one for one in records if one not in under_load),
    )


def _hits(trial: Trial, slower: Sequence[str]) -> bool:
    return trial.metric in slower if trial.effect else bool(slower)


def _is_hit(one: TrialRecord) -> bool:
    """Of a real duet: identical code fails by its counters as well, which are part of the verdict."""
    if not one.is_decision:
        return False
    return one.trial.metric in one.slower if one.trial.effect else one.verdict == "REGRESSED"


def _blocks(records: Sequence[TrialRecord]) -> list[Block]:
    return [block for one in records for block in one.blocks]


def _result(  # noqa: PLR0917 - one call, every name spelled there
    trial: Trial,
    records: Sequence[TrialRecord],
    meant: Sequence[TrialRecord],
    counts: tuple[int, int],
    drawn: int,
    needed: Amount,
) -> TrialResult:
    random = Random(f"{trial.name} {trial.effect}")
    blocks = _blocks(records)
    verdicts: Counter[Verdict] = Counter()
    hits = 0
    for _ in range(drawn if blocks else 0):
        judging, confirming = (_drawn(blocks, count, random, is_identical=not trial.effect) for count in counts)
        decision = decide(METRICS, judging, confirming, with_smallest_effect=False)
        verdicts[decision.verdict] += 1
        hits += _hits(trial, [one.metric.name for one in decision.findings if one.verdict == "REGRESSED"])
    return TrialResult(
        trial=trial,
        blocks=len(blocks),
        verdicts=verdicts,
        hits=hits,
        needed=needed.of(trial),
        decisions=tuple(one for one in records if one.is_decision),
        unjudged=tuple(one for one in records if not one.is_decision),
        meant=tuple(meant),
        shift=_shift(blocks, trial.metric),
    )


def _power(blocks: Sequence[Block], metric: str, effect: float, counts: tuple[int, int], drawn: int) -> Power:
    random = Random(f"{metric} {effect}")
    hits = 0
    for _ in range(drawn if blocks else 0):
        slowed = [_drawn(blocks, count, random, is_identical=True) for count in counts]
        for rounds in slowed:
            rounds[metric] = [replace(one, head=one.head * (1 + effect)) for one in rounds[metric]]
        decision = decide(METRICS, *slowed, with_smallest_effect=False)
        hits += any(one.metric.name == metric and one.verdict == "REGRESSED" for one in decision.findings)
    bases = [base for block in blocks for base, _, _ in block.get(metric, ())]
    return Power(metric, effect, median(bases) if bases else 0.0, hits, drawn if blocks else 0)


def _drawn(blocks: Sequence[Block], count: int, random: Random, *, is_identical: bool) -> dict[str, list[Round]]:
    """The rounds of so many blocks, drawn with replacement; those of identical arms with the arms as a coin falls."""
    rounds: dict[str, list[Round]] = defaultdict(list)
    for number in range(count):
        block = random.choice(blocks)
        is_swapped = is_identical and random.random() < 0.5
        for name, found in block.items():
            for base, head, operations in found:
                first, second = (head, base) if is_swapped else (base, head)
                rounds[name].append(Round(number, first, second, operations))
    return rounds


def _shift(blocks: Sequence[Block], metric: str) -> Estimate | None:
    logs = [
        Round(0, base, head, count).log_ratio
        for block in blocks
        for base, head, count in block.get(metric, ())
        if base > 0 and head > 0
    ]
    return estimate(logs, _CONFIDENCE).exponential if logs else None


def _added(counts: Sequence[StoredCounts]) -> StoredCounts | None:
    if not counts:
        return None
    names = StoredCounts.__struct_fields__
    return StoredCounts(**{name: sum(getattr(one, name) for one in counts) for name in names})


def noise_of_rounds(records: Sequence[TrialRecord]) -> dict[str, tuple[float, float]]:
    """By metric: identical arms' median in ms, and how far a round's ratio lies from 1, median, as a share."""
    values: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for block in _blocks([one for one in records if not one.trial.effect]):
        for name in MEDIANS:
            values[name] += [(base, abs(math.log(head / base))) for base, head, _ in block.get(name, ())]
    return {
        name: (median(base for base, _ in found), math.expm1(median(log for _, log in found)))
        for name, found in values.items()
    }
