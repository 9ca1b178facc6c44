"""What a reader would not have expected of a run, found by fixed rules."""

from collections.abc import Iterator

from reports.deliveries import FAULTS, LedgerSummary, ledger_labels
from reports.fanout import FanoutSummary
from reports.health import HealthSummary
from reports.intervals import FLAT_FACTOR
from reports.numbers import format_number
from reports.pagination import PaginationSummary, page_name
from reports.section import and_list, ratio_text
from reports.strategies import StrategiesSummary, StrategyCell, saved_factor
from scenarios.run_records import RunManifest

LONG_TAIL = 20.0  # guess: p99 ÷ p50 from which a tail is worth a sentence
OWN_DELAY_MS = 1.0  # guess: from here the generator's reading delay would mislead a client without kernel stamps
HOT_LOST = 0.5  # guess: a drop of the HOT share that changes what a table costs to keep
WAL_FACTOR = 1.2  # guess: more WAL than this is a price to be named
_SURPRISES_PER_RULE = 3


def surprises(
    *,
    manifest: RunManifest,
    measured_scenarios: frozenset[str],
    ledger: LedgerSummary,
    pagination: PaginationSummary,
    fanout: FanoutSummary,
    strategies: StrategiesSummary,
    health: HealthSummary,
) -> tuple[str, ...]:
    """What a reader would not have expected, by fixed rules; empty when none applies."""
    return tuple(
        sentence
        for rule in (
            _silent_scenarios(manifest, measured_scenarios),
            _ledger_faults(ledger),
            _failures(health),
            _closed_loops(health),
            _deep_pages(pagination),
            _long_tails(pagination, fanout),
            _own_delay(fanout),
            _wrong_rows(strategies),
            _worse_strategies(strategies),
            _write_costs(strategies),
        )
        for sentence in _first(rule)
    )


def _first(sentences: Iterator[str]) -> Iterator[str]:
    told = list(sentences)
    if len(told) <= _SURPRISES_PER_RULE + 1:  # to name the last one takes no more room than to count it
        yield from told
        return
    yield from told[:_SURPRISES_PER_RULE]
    yield f"… and {len(told) - _SURPRISES_PER_RULE} more of that kind, in the tables below."


def _silent_scenarios(manifest: RunManifest, measured: frozenset[str]) -> Iterator[str]:
    for record in manifest.scenarios:
        if record.name not in measured:
            yield f"{record.name} ran and left no measurement."


def _ledger_faults(summary: LedgerSummary) -> Iterator[str]:
    for ledger in summary.ledgers:
        faults = [f"{format_number(getattr(ledger, fault))} {fault}" for fault in FAULTS if getattr(ledger, fault)]
        if faults:
            yield (
                f"{ledger.scenario}, {ledger_labels(ledger)}: {', '.join(faults)} "
                f"of {format_number(ledger.expected)} expected deliveries."
            )


def _failures(health: HealthSummary) -> Iterator[str]:
    for record in health.records:
        faults = [(record.failed, "failed"), (record.dropped, "were never begun")]
        told = and_list([f"{format_number(count)} {what}" for count, what in faults if count])
        if told:
            yield f"{record.part}: of {format_number(record.started + record.dropped)} intended operations {told}."


def _closed_loops(health: HealthSummary) -> Iterator[str]:
    for record in health.records:
        if record.model == "closed":
            yield (
                f"{record.name} ran closed-loop: its users waited for answers, so its latencies leave out whatever "
                "would have been asked during a stall."
            )


def _deep_pages(pagination: PaginationSummary) -> Iterator[str]:
    for growth in pagination.growths:
        if growth.ratio is not None and growth.ratio.judgement == "higher":
            yield (
                f"Depth costs: in {growth.weight} conversations the p{growth.ratio.percent} of "
                f"{page_name(growth.deepest)} is {ratio_text(growth.ratio)} that of {page_name(growth.first)}, beyond "
                f"{format_number(FLAT_FACTOR)} ×."
            )


def _long_tails(pagination: PaginationSummary, fanout: FanoutSummary) -> Iterator[str]:
    tails = [
        *((f"{page_name(page.depth)} of {page.weight} conversations", page.latency) for page in pagination.pages),
        *((f"deliveries in groups of {group.group_size}", group.deliveries) for group in fanout.groups),
    ]
    for what, latency in tails:
        if latency.ms_p50 and latency.ms_p99 and not latency.weak(99) and latency.ms_p99 > LONG_TAIL * latency.ms_p50:
            yield (
                f"Long tail: the p99 of {what} is {format_number(latency.ms_p99)} ms, "
                f"{format_number(latency.ms_p99 / latency.ms_p50)} × the p50."
            )


def _own_delay(fanout: FanoutSummary) -> Iterator[str]:
    delayed = [
        (group.observed.ms_p50 - group.deliveries.ms_p50, group)
        for group in fanout.groups
        if group.observed.ms_p50 is not None and group.deliveries.ms_p50 is not None
    ]
    delay, group = max(delayed, key=lambda item: item[0], default=(0.0, None))
    if group is not None and delay > OWN_DELAY_MS:
        yield (
            f"The load generator would have measured itself: in groups of {group.group_size} its code read deliveries "
            f"{format_number(delay)} ms (p50) after the kernel had them; the figures use the kernel's time."
        )


def _wrong_rows(strategies: StrategiesSummary) -> Iterator[str]:
    for cell in strategies.cells:
        if cell.rows_differ:
            yield f"Other rows: {cell.name} returned or changed another number of rows than “{strategies.baseline}”."


def _worse_strategies(strategies: StrategiesSummary) -> Iterator[str]:
    worst: dict[str, StrategyCell] = {}
    for cell in strategies.cells:
        if cell.latency_judgement == "higher" and cell.buffers_saved is not None and cell.buffers_saved < 0:
            known = worst.get(cell.statement)
            if known is None or saved_factor(cell) < saved_factor(known):
                worst[cell.statement] = cell
    for cell in worst.values():
        yield (
            f"An index made it worse: {cell.name} touches {format_number(cell.buffers, 0)} buffers instead of "
            f"{format_number(cell.buffers + (cell.buffers_saved or 0), 0)} and is slower."
        )


def _write_costs(strategies: StrategiesSummary) -> Iterator[str]:
    """Per strategy one sentence on HOT and one on WAL, each statement at its dearest class."""
    for strategy in strategies.strategies[1:]:
        lost: dict[str, tuple[float, float]] = {}  # statement → shares of HOT updates, baseline and strategy
        dearer: dict[str, float] = {}  # statement → WAL ÷ baseline's
        for (statement, _), cells in strategies.by_question.items():
            base, cell = cells.get(strategies.baseline), cells.get(strategy)
            if base is None or cell is None:
                continue
            if base.hot_share is not None and cell.hot_share is not None:
                shares = (base.hot_share, cell.hot_share)
                if _drop(shares) > max(HOT_LOST, _drop(lost.get(statement, (0.0, 0.0)))):
                    lost[statement] = shares
            if base.wal_bytes and cell.wal_bytes > WAL_FACTOR * base.wal_bytes:
                dearer[statement] = max(cell.wal_bytes / base.wal_bytes, dearer.get(statement, 0.0))
        if lost:
            told = [
                f"{statement} ({format_number(before * 100, 0)} % → {format_number(after * 100, 0)} %)"
                for statement, (before, after) in lost.items()
            ]
            than = f"than under “{strategies.baseline}”"
            yield f"HOT lost: under “{strategy}” fewer updates stay HOT {than}: {and_list(told)}."
        if dearer:
            told = [f"{statement} {format_number(factor)} ×" for statement, factor in dearer.items()]
            than = f"than under “{strategies.baseline}”"
            yield f"Write price: under “{strategy}” more WAL is written {than}: {and_list(told)}."


def _drop(shares: tuple[float, float]) -> float:
    return shares[0] - shares[1]
