"""What a gate's proof came to, as Markdown for people and plain values for programs."""

from collections.abc import Iterator
from statistics import median
from typing import Any

import msgspec

from reports.gate.proof import Power, Proof, TrialResult, noise_of_rounds
from scenarios.trial_records import StoredCounts, TrialRecord

BEGIN, END = "<!-- what `chatbench doctor --gate` wrote -->", "<!-- to here -->"  # in a document that holds it
_HEAD = (
    "trial", "what it came to at p50", "blocks", "drawn decisions", "real decisions", "aim, and whether it is met",
    "a real one took",
)  # fmt: skip


def markdown(proof: Proof) -> str:
    """Machine, dates and commands, the table of trials, the noise, what stored baselines said, what does not count."""
    lines = [*_machine(proof), "", *_trials(proof), "", *_powers(proof), ""]
    if proof.stored is not None and proof.stored.pairs:
        lines += [*_stored(proof.stored), ""]
    lines += [*_noise(proof), "", *_left_out(proof)]
    return "\n".join(lines).rstrip() + "\n"


def with_section(text: str, section: str) -> str | None:
    """A document with the section between its marks written anew; None when it has no such marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{section}\n{END}{after}" if begin and end else None


def document(proof: Proof) -> dict[str, Any]:
    """The same as plain values; None where nothing was measured."""
    return {
        "is_met": proof.is_met,
        "trials": [
            {
                "name": one.trial.name,
                "effect": one.trial.effect,
                "metric": one.trial.metric,
                "blocks": one.blocks,
                "resampled_decisions": sum(one.verdicts.values()),
                "resampled_hits": one.hits,
                "resampled_verdicts": dict(one.verdicts),
                "real_decisions": len(one.decisions),
                "real_needed": one.needed,
                "real_hits": one.real_hits,
                "real_meant": len(one.meant),
                "real_meant_hits": one.meant_hits,
                "real_unjudged": len(one.unjudged),
                "real_seconds": [record.seconds for record in one.decisions],
                "shift": None if one.shift is None else one.shift.value,
                "shift_low": None if one.shift is None else one.shift.low,
                "shift_high": None if one.shift is None else one.shift.high,
                "aim": one.aim,
                "is_met": one.is_met,
            }
            for one in proof.results
        ],
        "exact_slow_downs": [
            {"metric": one.metric, "effect": one.effect, "hits": one.hits, "drawn": one.drawn, "is_felt": one.is_felt}
            for one in proof.powers
        ],
        "stored_baseline": None if proof.stored is None else msgspec.to_builtins(proof.stored),
        "uncounted": [
            {"run": one.run_id, "name": one.trial.name, "meant": one.trial.effect, "effect": one.effect}
            for one in proof.uncounted
        ],
        "runs": [one.run_id for one in proof.records],
    }


def _machine(proof: Proof) -> Iterator[str]:
    records = proof.records
    if not records:
        return
    yield f"{_host(records[-1].host)}; {records[-1].rate:g} pairs per second to each arm. By these commands:"
    yield ""
    yield "| when (UTC) | code | command | decisions | calibrations |"
    yield "|---|---|---|--:|--:|"
    for command, commit in dict.fromkeys((one.command, one.commit) for one in records):
        own = [one for one in records if (one.command, one.commit) == (command, commit)]
        times = f"{_minute(min(one.started_at for one in own))} to {_minute(max(one.finished_at for one in own))}"
        calibrations = sum(one.trial.is_calibration for one in own)
        code = commit or "an installed version"
        yield f"| {times} | {code} | `{command}` | {len(own) - calibrations} | {calibrations} |"


def _host(host: dict[str, Any]) -> str:
    return f"{host.get('cores', '?')} cores ({host.get('cpu', '?')}), kernel {host.get('kernel', '?')}"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _trials(proof: Proof) -> Iterator[str]:
    yield f"| {' | '.join(_HEAD)} |"
    yield "|---|---|--:|---|---|---|--:|"
    for one in proof.results:
        shift = one.shift
        came = "–" if shift is None else f"{shift.value - 1:+.1%} ({shift.low - 1:+.1%} … {shift.high - 1:+.1%})"
        name = f"{one.trial.name}, {one.trial.effect:+.0%}" if one.trial.effect else "identical code"
        yield f"| {name} | {came} | {one.blocks} | {_drawn(one)} | {_real(one)} | {_aim(one)} | {_took(one)} |"


def _drawn(one: TrialResult) -> str:
    drawn = sum(one.verdicts.values())
    if not drawn:
        return "none"
    if one.trial.effect:
        return f"{one.hits} of {drawn} found"
    told = ", ".join(f"{count} {name}" for name, count in sorted(one.verdicts.items()))
    return f"{one.hits} of {drawn} failed ({told})"


def _real(one: TrialResult) -> str:
    invalid = len(one.unjudged)
    if not one.trial.effect:
        more = f", and {invalid} INVALID" if invalid else ""
        return f"{one.real_hits} of {len(one.decisions)} failed{more}" if one.decisions else f"none{more}"
    count = len(one.decisions) + invalid  # what judges nothing has found nothing
    found = f"{one.real_hits} of {count} found" if count else "none"
    more = f" ({invalid} INVALID)" if invalid else ""
    meant = f"; of {len(one.meant)} meant to be so {one.meant_hits} found" if one.meant else ""
    return f"{found}{more}{meant}"


def _aim(one: TrialResult) -> str:
    sign = "≥" if one.trial.effect else "≤"
    few = f"not contradicted by {len(one.decisions)} of the {one.needed} real decisions that it takes"
    met = "not shown" if not one.blocks else "met" if one.is_met else "missed" if one.is_missed else few
    return f"{sign} {one.aim:.0%}: {met}"


def _took(one: TrialResult) -> str:
    seconds = [record.seconds for record in one.decisions]
    return f"{median(seconds):.0f} s" if seconds else "–"


def _powers(proof: Proof) -> Iterator[str]:
    if not proof.powers:
        return
    yield "**A slow-down of exactly so much**, in one metric of the identical arms' rounds, by drawn decisions:"
    yield ""
    effects = list(dict.fromkeys(one.effect for one in proof.powers))
    yield f"| metric | base | {' | '.join(f'{effect:+.0%} found' for effect in effects)} |"
    yield f"|---|--:|{'--:|' * len(effects)}"
    for metric in dict.fromkeys(one.metric for one in proof.powers):
        own = [one for one in proof.powers if one.metric == metric]
        yield f"| `{metric}` | {own[0].base_ms:.2f} ms | {' | '.join(_found(one) for one in own)} |"


def _found(one: Power) -> str:
    return _of(one.hits, one.drawn) if one.is_felt else f"{_of(one.hits, one.drawn)}; below the floor of 0.2 ms"


def _stored(stored: StoredCounts) -> Iterator[str]:
    yield "**What a stored baseline would have said of the same identical code**, a block of it against another block:"
    yield ""
    yield "| rule | single comparisons it calls slower or different | pairs of blocks with at least one |"
    yield "|---|--:|--:|"
    yield (
        "| pytest-benchmark's `--benchmark-compare-fail=mean:5%` "
        f"| {_of(stored.mean_failures, stored.comparisons)} | {_of(stored.mean_failed_pairs, stored.pairs)} |"
    )
    yield (
        "| Mann-Whitney over requests, p < 0.05 "
        f"| {_of(stored.rank_differences, stored.comparisons)} | {_of(stored.rank_different_pairs, stored.pairs)} |"
    )


def _of(count: int, total: int) -> str:
    return f"{count} of {total} ({count / total:.0%})" if total else "none"


def _noise(proof: Proof) -> Iterator[str]:
    told = [f"`{name}` {noise:.1%}" for name, (_, noise) in noise_of_rounds(proof.records).items()]
    if told:
        yield f"How far the ratio of one round of identical arms lies from 1, median: {', '.join(told)}."


def _left_out(proof: Proof) -> Iterator[str]:
    if proof.uncounted:
        yield (
            "Counted nowhere, because the slow-down came to something else: "
            f"{'; '.join(_uncounted(one) for one in proof.uncounted)}."
        )
        yield ""
    unjudged = [one for result in proof.results for one in result.unjudged]
    if unjudged:
        yield f"INVALID: {len(unjudged)} decisions. For example: {next(iter(unjudged[0].reasons), 'no reason given')}."
        yield ""
    if proof.elsewhere:
        yield f"Left out, because they are of another load: {len(proof.elsewhere)} trials."
        yield ""
    replaced = [reason for one in proof.records for reason in one.replaced]
    if replaced:
        yield f"Late blocks that were replaced by fresh ones: {len(replaced)}. For example: {replaced[0]}."


def _uncounted(one: TrialRecord) -> str:
    was = "found" if one.trial.metric in one.slower else "not found"
    return f"{one.trial.name}, meant {one.trial.effect:+.0%}, came to {one.effect or 0.0:+.1%}, {was}"
