"""Reads a duet of the gate's trials into its line of the machine's file."""

import math
from pathlib import Path
from statistics import median

import msgspec

from reports.gate.decisions import Round
from reports.gate.duet import DELIVERY, REQUESTS, DuetData, judge_duet, read_duet
from reports.gate.signed_rank import estimate
from reports.gate.stored_baseline import compare_with_stored
from scenarios.run_records import RunManifest
from scenarios.trial_records import Trial, TrialRecord

_DIGITS = 4  # of a time in ms: a tenth of a microsecond
_CONFIDENCE = 0.95


def trial_record(path: Path, seconds: float, command: str) -> TrialRecord:
    """The record of the trial in a run folder, which took so many seconds and was asked for by `command`.

    InputError when the folder cannot be read.
    """
    return record_of(read_duet(path), seconds, command)


def record_of(data: DuetData, seconds: float, command: str) -> TrialRecord:
    """The same of a duet that was read."""
    manifest = data.manifest
    said = manifest.options["trial"]
    trial = msgspec.convert(said, type=Trial)
    judging = int(manifest.options["blocks"])
    outcome = judge_duet(data, judging)
    sound = _sound(data)
    rounds = data.rounds(sound)
    effect = _effect(rounds.get(trial.metric, []))
    is_identical = trial == Trial(trial.name)
    head = str(manifest.options.get("head", ""))
    return TrialRecord(
        trial=trial,
        run_id=manifest.run_id,
        started_at=manifest.started_at,
        finished_at=manifest.finished_at or manifest.started_at,
        seconds=round(seconds, 1),
        commit=manifest.commit,
        host=manifest.host,
        command=command,
        rate=float(manifest.options.get("rate") or _rate(manifest)),  # as asked for: what is measured is rounded
        judging=judging,
        readers=_readers(manifest),
        delay=head.removeprefix("set:") if trial.effect else None,
        delay_ms=float(said.get("delay_ms", 0.0)),
        base_ms={
            operation: round(median(one.base for one in rounds[f"{operation}_ms_p50"]), _DIGITS)
            for operation in (*REQUESTS, DELIVERY)
            if f"{operation}_ms_p50" in rounds
        },
        effect=effect[0],
        effect_low=effect[1],
        effect_high=effect[2],
        verdict=outcome.verdict,
        slower=[one.metric.name for one in outcome.decision.findings if one.verdict == "REGRESSED"],
        more=[one.counter.name for one in outcome.counters if one.verdict == "REGRESSED"],
        reasons=_reasons(outcome.reasons, [one.sentence for one in outcome.decision.findings if not one.rounds]),
        replaced=[warning for one in manifest.scenarios if one.replaced for warning in one.warnings],
        blocks=[_block(data, number) for number in sound],
        stored=compare_with_stored([data]) if is_identical else None,
    )


def _sound(data: DuetData) -> list[int]:
    """The blocks to draw from: what one arm lacks in a round is no value, and such a block measured no pairs."""
    unsound = {one.block for one in data.manifest.scenarios if one.reasons}
    return [number for number in data.blocks if number not in unsound and _is_whole(data, number)]


def _is_whole(data: DuetData, block: int) -> bool:
    values = (value for found in data.rounds([block]).values() for one in found for value in (one.base, one.head))
    return all(math.isfinite(value) for value in values)


def _block(data: DuetData, number: int) -> dict[str, list[tuple[float, float, int]]]:
    return {
        name: [(round(one.base, _DIGITS), round(one.head, _DIGITS), one.operations) for one in found]
        for name, found in data.rounds([number]).items()
    }


def _effect(rounds: list[Round]) -> tuple[float | None, float | None, float | None]:
    """What head took longer by, as a share: Hodges and Lehmann's estimate over all rounds, and its interval."""
    logs = [one.log_ratio for one in rounds if one.base > 0 and one.head > 0]
    if not logs:
        return None, None, None
    found = estimate(logs, _CONFIDENCE).exponential
    return found.value - 1, found.low - 1, found.high - 1


def _reasons(reasons: tuple[str, ...], sentences: list[str]) -> list[str]:
    return list(dict.fromkeys([*reasons, *sentences]))


def _rate(manifest: RunManifest) -> float:
    rates = [count.value for one in manifest.scenarios for count in one.counts if count.name == "duet_rate_per_second"]
    return rates[0] if rates else 0.0


def _readers(manifest: RunManifest) -> list[str]:
    """One member of each heavy conversation."""
    conversations = manifest.dataset.conversations if manifest.dataset is not None else ()
    return [str(one.member_ids[0]) for one in conversations if one.weight == "heavy" and one.member_ids]
