"""What a gate's proof came to, as Markdown for people and plain values for programs."""

from collections.abc import Iterator
from typing import Any

from reports.gate.duet import DuetData
from reports.gate.proof import Proof, TrialResult, base_medians_ms
from reports.gate.stored_baseline import StoredBaseline

_HEAD = (
    "what was slow", "slow-down at p50", "what it came to", "blocks", "drawn decisions that found it", "aim",
    "real ones that found it",
)  # fmt: skip


def markdown(proof: Proof, identical: list[DuetData]) -> str:
    """Machine and dates, the table of trials, what stored baselines would have said, and what was left out."""
    lines = [*_machine(proof), "", *_identical(proof), "", *_slowed(proof), ""]
    if proof.stored is not None and proof.stored.pairs:
        lines += [*_stored(proof.stored), ""]
    lines += [*_medians(identical), "", *_left_out(proof)]
    return "\n".join(lines).rstrip() + "\n"


def document(proof: Proof) -> dict[str, Any]:
    """The same as plain values; None where nothing was measured."""
    stored = proof.stored
    return {
        "is_met": proof.is_met,
        "trials": [
            {
                "name": one.key.name,
                "effect": one.key.effect,
                "metric": one.key.metric,
                "blocks": one.blocks,
                "blocks_left_out": len(one.left_out),
                "resampled_decisions": sum(one.verdicts.values()),
                "resampled_hits": one.hits,
                "resampled_verdicts": dict(one.verdicts),
                "real_decisions": one.real,
                "real_hits": one.real_hits,
                "real_unjudged": one.real_unjudged,
                "shift": None if one.shift is None else one.shift.value,
                "shift_low": None if one.shift is None else one.shift.low,
                "shift_high": None if one.shift is None else one.shift.high,
                "aim": one.aim,
                "is_met": one.is_met,
            }
            for one in proof.results
        ],
        "stored_baseline": None
        if stored is None
        else {
            "pairs": stored.pairs,
            "comparisons": stored.comparisons,
            "mean_failures": stored.mean_failures,
            "mean_failed_pairs": stored.mean_failed_pairs,
            "rank_differences": stored.rank_differences,
            "rank_different_pairs": stored.rank_different_pairs,
        },
        "runs": [manifest.run_id for manifest in proof.manifests],
    }


def _machine(proof: Proof) -> Iterator[str]:
    hosts = sorted({_host(manifest.host) for manifest in proof.manifests})
    times = sorted(manifest.started_at for manifest in proof.manifests)
    ends = sorted(manifest.finished_at or manifest.started_at for manifest in proof.manifests)
    commits = sorted({manifest.commit or "an installed version" for manifest in proof.manifests})
    if times:
        yield f"{_minute(times[0])} to {_minute(ends[-1])} UTC, {'; '.join(hosts)}. Code: {', '.join(commits)}."


def _host(host: dict[str, Any]) -> str:
    return f"{host.get('cores', '?')} cores ({host.get('cpu', '?')}), kernel {host.get('kernel', '?')}"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _identical(proof: Proof) -> Iterator[str]:
    for one in proof.results:
        if one.key.effect:
            continue
        drawn = sum(one.verdicts.values())
        told = ", ".join(f"{name} {count}" for name, count in sorted(one.verdicts.items())) or "none"
        yield (
            f"**Identical code** ({one.blocks} blocks): {one.hits} of {drawn} drawn decisions failed "
            f"(aim: at most {one.aim:.0%}; {_met(one)}); {one.real_hits} of {_real(one)} failed. "
            f"Drawn verdicts: {told}."
        )


def _slowed(proof: Proof) -> Iterator[str]:
    yield f"| {' | '.join(_HEAD)} |"
    yield "|---|--:|---|--:|--:|---|--:|"
    for one in sorted((one for one in proof.results if one.key.effect), key=lambda one: one.key):
        drawn = sum(one.verdicts.values())
        shift = one.shift
        came = "–" if shift is None else f"{shift.value - 1:+.1%} ({shift.low - 1:+.1%} … {shift.high - 1:+.1%})"
        yield (
            f"| {one.key.name} (`{one.key.metric}`) | {one.key.effect:+.0%} | {came} | {one.blocks} "
            f"| {one.hits} of {drawn} | ≥ {one.aim:.0%}: {_met(one)} | {one.real_hits} of {_real(one)} |"
        )


def _real(one: TrialResult) -> str:
    more = f" and {one.real_unjudged} INVALID" if one.real_unjudged else ""
    return f"{one.real} real{more}"


def _met(one: TrialResult) -> str:
    return "met" if one.is_met else "missed"


def _stored(stored: StoredBaseline) -> Iterator[str]:
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
    return f"{count} of {total} ({count / total:.0%})"


def _medians(identical: list[DuetData]) -> Iterator[str]:
    told = [
        f"{operation} {milliseconds:.2f} ms (noise of a round {noise:.1%})"
        for operation, (milliseconds, noise) in base_medians_ms(identical).items()
    ]
    if told:
        yield f"Medians of the base, and how far the ratio of one round lies from 1, median: {', '.join(told)}."


def _left_out(proof: Proof) -> Iterator[str]:
    count = sum(len(one.left_out) for one in proof.results)
    if count:
        said = sorted({reason for one in proof.results for reason in one.left_out})
        yield f"Left out, because the run itself said so: {count} blocks. For example: {said[0]}."
