"""Reads a duet's run folder into what the gate judges: rounds, counters, and what else differs between the arms."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.distributions import Distribution, decode, merge
from reports.gate.counters import Counter, compare_counters
from reports.gate.decisions import Gated, Round, decide, suspects
from reports.gate.outputs import Outcome
from scenarios.run_folder import RunFolder, RunManifest

DUET = "duet"
BASE, HEAD = "base", "head"
REQUESTS = ("first_page", "deep_page", "list_conversations", "send_message")
DELIVERY = "delivery"

# cited: this project's facts on noisy machines; a difference below 0.2 ms is none that anybody feels.
_MARGINS = {50: 0.05, 95: 0.10}
_FLOOR_MS = 0.2

METRICS = tuple(
    Gated(f"{operation}_ms_p{percent}", "ms", margin, _FLOOR_MS)
    for operation in (*REQUESTS, DELIVERY)
    for percent, margin in _MARGINS.items()
)
REPORTED_PERCENT = 99  # shown and not gated: a round holds two values beyond it

_COUNTERS = (
    Counter("delivery_bytes", "B", 0.01, "measured: sequence numbers grow by a digit within a run"),
    *(
        Counter(f"{operation}_response_bytes", "B", 0.02, "measured: messages of random length are read and sent")
        for operation in REQUESTS
    ),
)


@dataclass(frozen=True)
class DuetData:
    """Everything that a duet measured."""

    manifest: RunManifest
    values: Mapping[tuple[str, str, int, int], Distribution]  # (operation, arm, block, round) → latencies in µs
    base: Mapping[str, float]  # counters
    head: Mapping[str, float]

    def rounds(self, blocks: range) -> dict[str, list[Round]]:
        """The rounds of these blocks, by metric; a round that one arm lacks is a value that is none."""
        found: dict[str, list[Round]] = {}
        places = sorted({(block, number) for _, _, block, number in self.values if block in blocks})
        for operation in (*REQUESTS, DELIVERY):
            arms = [
                [self.values.get((operation, arm, block, number)) for block, number in places] for arm in (BASE, HEAD)
            ]
            if not any(one for arm in arms for one in arm):
                continue
            for percent in _MARGINS:
                found[f"{operation}_ms_p{percent}"] = [
                    Round(block, _ms(base, percent), _ms(head, percent), min(_count(base), _count(head)))
                    for (block, _), base, head in zip(places, *arms, strict=True)
                ]
        return found

    def reported_ms(self, operation: str, arm: str) -> float | None:
        """The p99 over all rounds."""
        parts = [one for (name, of, _, _), one in self.values.items() if (name, of) == (operation, arm)]
        value = merge(parts).percentile(REPORTED_PERCENT)
        return None if value is None else value / 1000


def read_duet(path: Path) -> DuetData:
    """The duet in a run folder; InputError names the file that cannot be read."""
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    parts: dict[tuple[str, str, int, int], list[Distribution]] = defaultdict(list)
    for line in folder.read_histograms():
        if line.metric in ("duet_request_us", "duet_delivery_us"):
            labels = line.labels
            operation = labels.get("operation", DELIVERY)
            parts[operation, labels["arm"], int(labels["block"]), int(labels["round"])].append(decode(line.payload))
    totals = _totals(manifest)
    return DuetData(
        manifest, {key: merge(found) for key, found in parts.items()}, _per(totals, BASE), _per(totals, HEAD)
    )


def judge_duet(data: DuetData, blocks: int) -> Outcome:
    """The verdict; blocks from `blocks` on are the ones that confirm."""
    first = data.rounds(range(blocks))
    fresh = data.rounds(range(blocks, 10_000))
    arms = data.manifest.arms.get(DUET, [])
    names = [arm.settings.get("version", arm.name) for arm in arms] or [BASE, HEAD]
    return Outcome(
        title=f"{names[0]} (base) against {names[-1]} (head)",
        decision=decide(METRICS, first, fresh),
        counters=compare_counters(_COUNTERS, data.base, data.head),
        remarks=(*_differences(data.manifest), *_reported(data)),
        # Until it is finished, a run is INVALID for no reason yet.
        reasons=tuple(data.manifest.reasons),
    )


def needs_confirmation(outcome: Outcome) -> bool:
    """Whether a failure is suspected that fresh blocks have to confirm."""
    return bool(suspects(outcome.decision))


def _ms(distribution: Distribution | None, percent: int) -> float:
    value = distribution.percentile(percent) if distribution is not None else None
    return float("nan") if value is None else value / 1000


def _count(distribution: Distribution | None) -> int:
    return distribution.count if distribution is not None else 0


def _totals(manifest: RunManifest) -> dict[tuple[str, str, str], float]:
    """(count, operation, arm) → its sum over all blocks."""
    totals: dict[tuple[str, str, str], float] = defaultdict(float)
    for record in manifest.scenarios:
        for count in record.counts:
            if "arm" in count.labels:
                totals[count.name, count.labels.get("operation", ""), count.labels["arm"]] += count.value
    return totals


def _per(totals: Mapping[tuple[str, str, str], float], arm: str) -> dict[str, float]:
    """Means per request and delivery: the arms need not have answered equally many."""
    found: dict[str, float] = {}
    deliveries = totals.get(("duet_deliveries", "", arm), 0)
    if deliveries:
        found["delivery_bytes"] = totals["duet_delivery_bytes", "", arm] / deliveries
    for operation in REQUESTS:
        requests = totals.get(("duet_requests", operation, arm), 0)
        if requests:
            found[f"{operation}_response_bytes"] = totals["duet_response_bytes", operation, arm] / requests
    return found


def _differences(manifest: RunManifest) -> list[str]:
    """Settings that the arms do not share: wanted or not, they are named."""
    arms = manifest.arms.get(DUET, [])
    if len(arms) < 2:
        return ["the run does not say what its arms were"]
    base, head = arms[0].settings, arms[1].settings
    return [
        f"{name} differs: {base.get(name, 'absent')} in base, {head.get(name, 'absent')} in head"
        for name in sorted(base.keys() | head.keys())
        if name != "version" and base.get(name) != head.get(name)
    ]


def _reported(data: DuetData) -> Sequence[str]:
    told = []
    for operation in (*REQUESTS, DELIVERY):
        base, head = data.reported_ms(operation, BASE), data.reported_ms(operation, HEAD)
        if base is not None and head is not None:
            told.append(f"{operation} {base:.3g} | {head:.3g} ms")
    return [f"p99, reported and not gated, base | head: {', '.join(told)}"] if told else []
