"""Reads a duet's run folder into what the gate judges: rounds, counters, and what else differs between the arms."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.distributions import Distribution, merge
from reports.gate.counters import Counter, compare_counters
from reports.gate.decisions import Gated, Round, decide, suspects
from reports.gate.outputs import Outcome
from reports.measurements import Measurements, Series, pooled, read_measurements
from reports.numbers import format_number, quantity
from scenarios.run_records import RunManifest, ScenarioRecord

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

# Which of the pool's connections a request meets, and for whom that acted, is chance: it counts by itself.
_CHANGE_OF_USER = "set_claims"
_OF_STATEMENTS = "asked in blocks whose statements were read"
_LOST = 0.001  # a share that a machine's hiccup may lose of requests or deliveries
_COUNTERS = (
    Counter("failed_requests_share", "", 0.0, "guess: one in a thousand may meet a timeout", slack=_LOST),
    Counter("missing_deliveries_share", "", 0.0, "guess: one in a thousand may come after the end", slack=_LOST),
    Counter("delivery_bytes", "B", 0.01, "measured: sequence numbers grow by a digit within a run"),
    *(
        Counter(f"{operation}_response_bytes", "B", 0.02, "measured: messages of random length are read and sent")
        for operation in REQUESTS
    ),
    Counter("statements_per_request", "", 0.01, "measured: who logs in again, and when, is chance"),
    Counter("user_changes_per_request", "", 0.20, "measured: 7 and 12 % between pools of 16 and of 5 connections"),
    Counter("buffers_per_request", "", 0.02, "measured: a session reads some hundred pages of the catalog at first"),
    Counter("wal_records_per_message", "", 0.02, "measured: the same within 0.4 % in blocks of 200 messages"),
    Counter("wal_bytes_per_message", "B", 0.10, "measured: 6 % in these, by whole pages that one arm touches first"),
    Counter("rows_written_per_message", "", 0.01, "measured: the same within this"),
    Counter("cold_updates_per_message", "", 0.10, "measured: which pages are full when is chance", slack=0.02),
)


@dataclass(frozen=True)
class DuetData:
    """Everything that a duet measured, but for blocks that a fresh one was measured for."""

    manifest: RunManifest
    values: Mapping[tuple[str, str, int, int], Distribution]  # (operation, arm, block, round) → latencies in µs
    base: Mapping[str, float]  # counters
    head: Mapping[str, float]

    @property
    def blocks(self) -> list[int]:
        """The numbers of the blocks that count, in their order."""
        return sorted({block for _, _, block, _ in self.values})

    def rounds(self, blocks: Collection[int]) -> dict[str, list[Round]]:
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
    return duet_of(read_measurements(path))


def duet_of(measurements: Measurements) -> DuetData:
    """The duet in a run that was read."""
    parts: dict[tuple[str, str, int, int], list[Series]] = defaultdict(list)
    replaced = {record.block for record in measurements.manifest.scenarios if record.replaced}
    for one in measurements.series:
        labels = one.labels
        if one.metric in ("duet_request_us", "duet_delivery_us") and int(labels["block"]) not in replaced:
            parts[labels.get("operation", DELIVERY), labels["arm"], int(labels["block"]), int(labels["round"])].append(
                one
            )
    totals = _totals(measurements.manifest)
    values = {key: pooled(found) for key, found in parts.items()}
    return DuetData(measurements.manifest, values, _per(totals, BASE), _per(totals, HEAD))


def judge_duet(data: DuetData, blocks: int) -> Outcome:
    """The verdict; of the blocks that count, those after the first `blocks` are the ones that confirm."""
    first, fresh = data.rounds(data.blocks[:blocks]), data.rounds(data.blocks[blocks:])
    arms = data.manifest.arms.get(DUET, [])
    names = [arm.settings.get("version", arm.name) for arm in arms] or [BASE, HEAD]
    return Outcome(
        title=f"{names[0]} (base) against {names[-1]} (head)",
        decision=decide(METRICS, first, fresh),
        counters=compare_counters(_COUNTERS, data.base, data.head),
        remarks=(
            *_differences(data.manifest),
            *_statement_changes(data.manifest),
            *dict.fromkeys(warning for record in data.manifest.scenarios for warning in record.warnings),
            *_reported(data),
        ),
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
    """(count, operation or statement, arm) → its sum over all blocks.

    What was asked in blocks whose statements were read is under _OF_STATEMENTS as well.
    """
    totals: dict[tuple[str, str, str], float] = defaultdict(float)
    for record in _counted(manifest):
        has_statements = any(count.name == "duet_statements" for count in record.counts)
        for count in record.counts:
            if "arm" in count.labels:
                part = count.labels.get("operation") or count.labels.get("statement", "")
                totals[count.name, part, count.labels["arm"]] += count.value
                if count.name == "duet_asked" and has_statements:
                    totals[_OF_STATEMENTS, "", count.labels["arm"]] += count.value
    return totals


def _counted(manifest: RunManifest) -> Iterable[ScenarioRecord]:
    return (record for record in manifest.scenarios if not record.replaced)


def _per(totals: Mapping[tuple[str, str, str], float], arm: str) -> dict[str, float]:
    """Means per request, message and delivery: the arms need not have answered equally many."""

    def total(name: str, operation: str = "") -> float:
        return totals.get((name, operation, arm), 0.0)

    requests = {operation: total("duet_requests", operation) for operation in REQUESTS}
    asked, expected, stored = total("duet_asked"), total("duet_expected_deliveries"), total("duet_messages_stored")
    user_changes = total("duet_statements", _CHANGE_OF_USER)
    executed = sum(value for (name, _, of), value in totals.items() if (name, of) == ("duet_statements", arm))
    statements = executed - user_changes
    ratios = {
        "failed_requests_share": (total("duet_failed"), total("duet_failed") + sum(requests.values())),
        "missing_deliveries_share": (max(0.0, expected - total("duet_deliveries")), expected),
        "delivery_bytes": (total("duet_delivery_bytes"), total("duet_deliveries")),
        **{f"{name}_response_bytes": (total("duet_response_bytes", name), requests[name]) for name in REQUESTS},
        # Those of a block as a whole, which neither server nor database tells apart by rounds.
        "statements_per_request": (statements, total(_OF_STATEMENTS) if statements else 0),
        "user_changes_per_request": (user_changes, total(_OF_STATEMENTS) if executed else 0),
        "buffers_per_request": (total("duet_buffers"), asked if stored else 0),
        "wal_records_per_message": (total("duet_wal_records"), stored if total("duet_wal_records") else 0),
        "wal_bytes_per_message": (total("duet_wal_bytes"), stored if total("duet_wal_bytes") else 0),
        "rows_written_per_message": (total("duet_rows_written"), stored),
        "cold_updates_per_message": (total("duet_cold_updates"), stored),
    }
    return {name: count / of for name, (count, of) in ratios.items() if of}


def _statement_changes(manifest: RunManifest) -> list[str]:
    """Statements that only one of the arms executed."""
    executed: dict[str, set[str]] = {BASE: set(), HEAD: set()}
    for record in _counted(manifest):
        for count in record.counts:
            if count.name == "duet_statements":
                executed[count.labels["arm"]].add(count.labels["statement"])
    if not all(executed.values()):
        return []  # one of them does not say
    return [
        f"the statement {name} is executed in {there} only"
        for there, absent in ((BASE, HEAD), (HEAD, BASE))
        for name in sorted(executed[there] - executed[absent])
    ]


def _differences(manifest: RunManifest) -> list[str]:
    """Settings that the arms do not share: wanted or not, they are named."""
    arms = manifest.arms.get(DUET, [])
    if len(arms) < 2:
        return ["the run does not say what its arms were"]
    base, head = arms[0].settings, arms[1].settings
    silent = [arm.name for arm in arms if not arm.settings.keys() - {"version"}]
    if silent:
        return [f"{' and '.join(silent)} did not say its settings: whether they differ is not known"]
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
            told.append(f"{operation} {format_number(base)} | {quantity(head, 'ms')}")
    return [f"p99, reported and not gated, base | head: {', '.join(told)}"] if told else []
