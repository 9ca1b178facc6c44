"""What the gate's decisions are worth on this machine: real rounds, resampled into decisions, and real decisions.

    run folders of trials ──▶ blocks ──▶ decisions drawn from blocks ──▶ shares of failures and finds

A drawn decision takes whole blocks with replacement, because rounds of one block are alike: five to judge, three to
confirm. Where both arms are identical, each block's arms are swapped by the toss of a coin, which changes nothing about
what is true. Beside it, from the same rounds: what stored baselines would have said.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from statistics import median

from reports.gate.decisions import Round, Verdict, decide
from reports.gate.duet import DELIVERY, METRICS, REQUESTS, DuetData, judge_duet
from reports.gate.signed_rank import Estimate, estimate
from reports.gate.stored_baseline import StoredBaseline, compare_with_stored
from scenarios.run_folder import RunManifest

DRAWN_DECISIONS = 300
FALSE_FAILURES_MAX = 0.01
FOUND_MIN = {0.10: 0.95, 0.20: 1.0}  # slow-down at p50 → share of decisions that have to find it
_CONFIDENCE = 0.95

Block = Mapping[str, Sequence[Round]]  # metric → its rounds in one block


@dataclass(frozen=True, order=True)
class TrialKey:
    """What was tried: identical arms (no effect), or what was slow, by how much, and the metric that has to show it."""

    name: str
    effect: float = 0.0
    metric: str = ""


@dataclass
class TrialBlocks:
    """Everything measured of one trial."""

    blocks: list[Block] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # why blocks were: the run's own reasons
    real: list[bool] = field(default_factory=list)  # real decisions: whether each failed, or found what was slow
    unjudged: int = 0  # real decisions that were INVALID


@dataclass(frozen=True)
class TrialResult:
    """What decisions on one trial came to."""

    key: TrialKey
    blocks: int
    left_out: tuple[str, ...]
    verdicts: Mapping[Verdict, int]  # of resampled decisions
    hits: int  # resampled decisions that failed (identical arms), or found the slow metric
    real_hits: int
    real: int
    real_unjudged: int
    shift: Estimate | None  # what the slow-down came to in the metric: head ÷ base

    @property
    def share(self) -> float | None:
        """Of resampled decisions that found it, or of judged ones that failed; None without any.

        A decision that judges nothing is a find missed, and is no evidence that identical code passes.
        """
        invalid = 0 if self.key.effect else self.verdicts.get("INVALID", 0)
        drawn = sum(self.verdicts.values()) - invalid
        return self.hits / drawn if drawn else None

    @property
    def aim(self) -> float:
        """The share that it has to keep to: at most for identical arms, at least for others."""
        return FOUND_MIN[self.key.effect] if self.key.effect else FALSE_FAILURES_MAX

    @property
    def is_met(self) -> bool:
        """Whether the aim is met; not without decisions."""
        if self.share is None:
            return False
        return self.share >= self.aim if self.key.effect else self.share <= self.aim


@dataclass(frozen=True)
class Proof:
    """Everything that the trials show."""

    results: tuple[TrialResult, ...]
    stored: StoredBaseline | None  # of identical arms; None when they were not measured
    manifests: tuple[RunManifest, ...]

    @property
    def is_met(self) -> bool:
        """Whether every aim is."""
        return bool(self.results) and all(result.is_met for result in self.results)


def prove(
    trials: Iterable[tuple[TrialKey, DuetData]], judging: int, confirming: int, drawn: int = DRAWN_DECISIONS
) -> Proof:
    """The gate's worth by these duets, of which a decision takes so many blocks to judge and to confirm.

    `drawn` decisions are drawn per trial.
    """
    found: dict[TrialKey, TrialBlocks] = defaultdict(TrialBlocks)
    identical: list[DuetData] = []
    manifests = []
    for key, data in trials:
        manifests.append(data.manifest)
        _add(found[key], key, data, judging)
        if not key.effect:
            identical.append(data)
    results = tuple(_result(key, trial, (judging, confirming), drawn) for key, trial in found.items())
    return Proof(results, compare_with_stored(identical) if identical else None, tuple(manifests))


def _add(trial: TrialBlocks, key: TrialKey, data: DuetData, judging: int) -> None:
    """Takes a duet's sound blocks, and its own decision as a real one."""
    for record in data.manifest.scenarios:
        if record.reasons:
            trial.left_out += record.reasons
        elif record.block is not None:
            trial.blocks.append(data.rounds(range(record.block, record.block + 1)))
    outcome = judge_duet(data, judging)
    if outcome.verdict == "INVALID":
        trial.unjudged += 1
    else:
        slower = {one.metric.name for one in outcome.decision.findings if one.verdict == "REGRESSED"}
        trial.real.append(_hits(key, slower))


def _hits(key: TrialKey, slower: set[str]) -> bool:
    return key.metric in slower if key.effect else bool(slower)


def _result(key: TrialKey, trial: TrialBlocks, blocks: tuple[int, int], drawn: int) -> TrialResult:
    random = Random(f"{key.name} {key.effect}")
    verdicts: Counter[Verdict] = Counter()
    hits = 0
    for _ in range(drawn if trial.blocks else 0):
        judging, confirming = (_drawn(trial.blocks, count, random, is_identical=not key.effect) for count in blocks)
        decision = decide(METRICS, judging, confirming)
        verdicts[decision.verdict] += 1
        hits += _hits(key, {one.metric.name for one in decision.findings if one.verdict == "REGRESSED"})
    return TrialResult(
        key=key,
        blocks=len(trial.blocks),
        left_out=tuple(trial.left_out),
        verdicts=verdicts,
        hits=hits,
        real_hits=sum(trial.real),
        real=len(trial.real),
        real_unjudged=trial.unjudged,
        shift=_shift(trial.blocks, key.metric),
    )


def _drawn(blocks: Sequence[Block], count: int, random: Random, *, is_identical: bool) -> dict[str, list[Round]]:
    """The rounds of so many blocks, drawn with replacement; those of identical arms with the arms as a coin falls."""
    rounds: dict[str, list[Round]] = defaultdict(list)
    for number in range(count):
        block = random.choice(blocks)
        is_swapped = is_identical and random.random() < 0.5
        for name, found in block.items():
            for one in found:
                base, head = (one.head, one.base) if is_swapped else (one.base, one.head)
                rounds[name].append(replace(one, block=number, base=base, head=head))
    return rounds


def _shift(blocks: Sequence[Block], metric: str) -> Estimate | None:
    logs = [
        math.log(one.head / one.base)
        for block in blocks
        for one in block.get(metric, ())
        if one.base > 0 and one.head > 0
    ]
    if not logs:
        return None
    found = estimate(logs, _CONFIDENCE)
    return Estimate(math.exp(found.value), math.exp(found.low), math.exp(found.high), found.coverage)


def base_medians_ms(data: Iterable[DuetData]) -> dict[str, tuple[float, float]]:
    """By operation: the base's median over all rounds, and how far a round's ratio lies from 1, median, as a share."""
    values: dict[str, list[Round]] = defaultdict(list)
    for one in data:
        for name, rounds in one.rounds(range(10_000)).items():
            values[name] += rounds
    return {
        operation: (
            median(one.base for one in values[f"{operation}_ms_p50"]),
            math.expm1(median(abs(math.log(one.head / one.base)) for one in values[f"{operation}_ms_p50"])),
        )
        for operation in (*REQUESTS, DELIVERY)
        if values[f"{operation}_ms_p50"]
    }
