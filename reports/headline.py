"""The first screen: whether to believe the run, the numbers that matter most, and what surprised."""

from collections.abc import Iterator
from dataclasses import dataclass

from reports.deliveries import FAULTS, LedgerSummary, ledger_labels
from reports.fanout import FanoutSummary
from reports.health import HealthSummary
from reports.intervals import FLAT_FACTOR
from reports.latency import Latency
from reports.numbers import Number, format_number, number_key
from reports.pagination import PaginationSummary
from reports.presence import PresenceSummary
from reports.section import and_list, ratio_text
from reports.strategies import StrategiesSummary, StrategyCell, saved_factor
from scenarios.run_folder import RunManifest, Verdict

NAME = "headline"
COUNT = 5  # numbers on the first screen

LONG_TAIL = 20.0  # guess: p99 ÷ p50 from which a tail is worth a sentence
OWN_DELAY_MS = 1.0  # guess: from here the generator's reading delay would mislead a client without kernel stamps
HOT_LOST = 0.5  # guess: a drop of the HOT share that changes what a table costs to keep
WAL_FACTOR = 1.2  # guess: more WAL than this is a price to be named
_SURPRISES_PER_RULE = 3


@dataclass(frozen=True)
class RunVerdict:
    """Whether the run may be believed."""

    verdict: Verdict
    reasons: tuple[str, ...]  # why INVALID
    finished: bool  # False: killed, or still running
    cut_short: bool


@dataclass(frozen=True)
class Headline:
    """One number that matters."""

    title: str
    number: Number
    detail: str  # what exactly it is of


def run_verdict(manifest: RunManifest) -> RunVerdict:
    """The run's own verdict; a run that never finished is INVALID whatever it says."""
    finished = manifest.finished_at is not None
    reasons = list(dict.fromkeys(manifest.reasons))
    told = " ".join(reasons)
    reasons += [
        f"{record.name}: {reason}" for record in manifest.scenarios for reason in record.reasons if reason not in told
    ]
    if not finished:
        reasons.insert(0, "the run never finished: it was killed or still goes on, and this is what it had measured")
    if not manifest.scenarios:
        reasons.append("no scenario left a record")
    verdict: Verdict = "INVALID" if reasons or manifest.verdict == "INVALID" else "VALID"
    if verdict == "INVALID" and not reasons:
        reasons.append("the run gave no reason")
    return RunVerdict(verdict, tuple(reasons), finished, manifest.cut_short)


def headlines(
    ledger: LedgerSummary,
    pagination: PaginationSummary,
    fanout: FanoutSummary,
    presence: PresenceSummary,
    strategies: StrategiesSummary,
) -> tuple[Headline, ...]:
    """The COUNT most important numbers: measured ones first, in order of weight."""
    candidates = (
        _wrong_deliveries(ledger),
        _first_page(pagination),
        _last_recipient(fanout),
        _convergence(presence),
        _buffers_saved(strategies),
        _wire_bytes(fanout),
    )
    measured = [headline for headline in candidates if headline.number.value is not None]
    return tuple((measured + [headline for headline in candidates if headline.number.value is None])[:COUNT])


def _wrong_deliveries(ledger: LedgerSummary) -> Headline:
    wrong = ledger.wrong
    detail = f"missing, duplicate or leaked, of {format_number(ledger.expected)} expected" if ledger.ledgers else ""
    number = Number(number_key(NAME, "wrong_deliveries"), wrong, bad=bool(wrong))
    return Headline("Wrong deliveries", number, detail)


def _first_page(pagination: PaginationSummary) -> Headline:
    page = pagination.first_page
    detail = f"p50 of {format_number(page.count)} first pages" if page else ""
    number = Number(number_key(NAME, "first_page_ms_p50"), page.ms_p50 if page else None, "ms")
    return Headline("First page of messages", number, detail)


def _last_recipient(fanout: FanoutSummary) -> Headline:
    reached = [group for group in fanout.groups if group.recipients["last"].count]
    last = reached[-1].recipients["last"] if reached else None
    detail = f"p99 of {format_number(last.count)} messages, groups of {reached[-1].group_size}" if last else ""
    number = Number(number_key(NAME, "delivery_last_ms_p99"), last.ms_p99 if last else None, "ms", weak=_weak(last, 99))
    return Headline("Last recipient reached", number, detail)


def _convergence(presence: PresenceSummary) -> Headline:
    known = [one for one in presence.groups if one.convergence.count]
    latency = known[-1].convergence if known else None
    detail = f"p95 of {format_number(latency.count)} changes, {known[-1].watchers} watchers" if latency else ""
    value = latency.ms_p95 if latency else None
    number = Number(number_key(NAME, "convergence_ms_p95"), value, "ms", weak=_weak(latency, 95))
    return Headline("Every watcher knows", number, detail)


def _buffers_saved(strategies: StrategiesSummary) -> Headline:
    best = strategies.most_saved
    value = saved_factor(best) if best else None
    detail = f"{best.statement} ({best.parameter_class}) under “{best.strategy}”" if best else ""
    if not best and len(strategies.strategies) > 1:
        value, detail = 1.0, "no strategy touched fewer"
    return Headline("Fewer buffers by index", Number(number_key(NAME, "buffers_saved_factor"), value, "×"), detail)


def _wire_bytes(fanout: FanoutSummary) -> Headline:
    detail = "mean over all deliveries" if fanout.wire_bytes is not None else ""
    return Headline("On the wire", Number(number_key(NAME, "wire_bytes"), fanout.wire_bytes, "B"), detail)


def _weak(latency: Latency | None, percent: int) -> bool:
    return latency is not None and latency.weak(percent)


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
    yield from told[:_SURPRISES_PER_RULE]
    if len(told) > _SURPRISES_PER_RULE:
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
            yield f"{record.name}: of {format_number(record.started + record.dropped)} intended operations {told}."


def _deep_pages(pagination: PaginationSummary) -> Iterator[str]:
    for growth in pagination.growths:
        if growth.ratio is not None and growth.ratio.judgement == "higher":
            yield (
                f"Depth costs: in {growth.weight} conversations p{growth.ratio.percent} at {growth.deepest} pages back "
                f"is {ratio_text(growth.ratio)} that at {growth.first}, beyond {format_number(FLAT_FACTOR)} ×."
            )


def _long_tails(pagination: PaginationSummary, fanout: FanoutSummary) -> Iterator[str]:
    tails = [
        *((f"{page.weight} pages, {page.depth} back", page.latency) for page in pagination.pages),
        *((f"deliveries in groups of {group.group_size}", group.deliveries) for group in fanout.groups),
    ]
    for what, latency in tails:
        if latency.ms_p50 and latency.ms_p99 and not latency.weak(99) and latency.ms_p99 > LONG_TAIL * latency.ms_p50:
            yield (
                f"Long tail: {what} have a p99 of {format_number(latency.ms_p99)} ms, "
                f"{format_number(latency.ms_p99 / latency.ms_p50)} × their p50."
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
            yield f"Other rows: {_name(cell)} returned or changed another number of rows than “{strategies.baseline}”."


def _worse_strategies(strategies: StrategiesSummary) -> Iterator[str]:
    worst: dict[str, StrategyCell] = {}
    for cell in strategies.cells:
        if cell.latency_judgement == "higher" and cell.buffers_saved is not None and cell.buffers_saved < 0:
            known = worst.get(cell.statement)
            if known is None or saved_factor(cell) < saved_factor(known):
                worst[cell.statement] = cell
    for cell in worst.values():
        yield (
            f"An index made it worse: {_name(cell)} touches {format_number(cell.buffers, 0)} buffers instead of "
            f"{format_number(cell.buffers + (cell.buffers_saved or 0), 0)} and is slower."
        )


def _write_costs(strategies: StrategiesSummary) -> Iterator[str]:
    told = set()
    for (statement, _), cells in strategies.by_question.items():
        base = cells.get(strategies.baseline)
        if base is None or statement in told:
            continue
        others = [cell for cell in cells.values() if cell is not base]
        lost = [cell for cell in others if _hot_lost(base, cell) > HOT_LOST]
        dearer = [cell for cell in others if base.wal_bytes and cell.wal_bytes > WAL_FACTOR * base.wal_bytes]
        if lost:
            shares = and_list(
                [f"{format_number((cell.hot_share or 0) * 100, 0)} % under “{cell.strategy}”" for cell in lost]
            )
            yield (
                f"HOT lost: of the updates of {statement}, {format_number((base.hot_share or 0) * 100, 0)} % stay HOT "
                f"under “{base.strategy}”, {shares}."
            )
        if dearer:
            factors = and_list(
                [f"{format_number(cell.wal_bytes / base.wal_bytes)} × under “{cell.strategy}”" for cell in dearer]
            )
            yield f"Write price: {statement} writes more WAL than under “{base.strategy}”, {factors}."
        if lost or dearer:
            told.add(statement)


def _hot_lost(base: StrategyCell, cell: StrategyCell) -> float:
    if base.hot_share is None or cell.hot_share is None:
        return 0.0
    return base.hot_share - cell.hot_share


def _name(cell: StrategyCell) -> str:
    return f"{cell.statement} ({cell.parameter_class}) under “{cell.strategy}”"
