"""The top of the page: whether to believe the run, and the numbers that matter most."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from reports.deliveries import LedgerSummary
from reports.fanout import FanoutSummary
from reports.intervals import Judgement
from reports.latency import Latency
from reports.numbers import Number, format_number, number_key
from reports.pagination import PaginationSummary, page_name
from reports.presence import PresenceSummary
from reports.scenario_sections import ScenarioSummary, value_of
from reports.strategies import StrategiesSummary, saved_factor
from scenarios.run_records import RunManifest, Verdict

NAME = "headline"
COUNT = 5  # numbers on the first screen

# The scenarios that can measure each number; one that ran and left it unmeasured shows.
_LOAD = ("pagination", "fanout", "presence")
_QUERIES = ("queries", "indexes")


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


def run_verdict(manifest: RunManifest, measured: Collection[str]) -> RunVerdict:
    """The run's own verdict. A run that never finished is INVALID whatever it says, and so is one without data.

    `measured`: the scenarios whose measurements are there.
    """
    finished = manifest.finished_at is not None
    reasons = list(dict.fromkeys(manifest.reasons))
    told = " ".join(reasons)
    reasons += [
        f"{record.part}: {reason}" for record in manifest.scenarios for reason in record.reasons if reason not in told
    ]
    if not finished:
        reasons.insert(0, "the run never finished: it was killed or still goes on, and this is what it had measured")
    told = " ".join(reasons)
    reasons += [
        f"{record.name}: its measurements are missing"
        for record in manifest.scenarios
        if record.name not in measured and record.name not in told
    ]
    if not manifest.scenarios:
        reasons.append("no scenario left a record")
    verdict: Verdict = "INVALID" if reasons or manifest.verdict == "INVALID" else "VALID"
    if verdict == "INVALID" and not reasons:
        reasons.append("the run gave no reason")
    return RunVerdict(verdict, tuple(reasons), finished, manifest.cut_short)


def headlines(
    *,
    ran: Iterable[str],
    ledger: LedgerSummary,
    pagination: PaginationSummary,
    fanout: FanoutSummary,
    presence: PresenceSummary,
    scenarios: tuple[ScenarioSummary, ...],
    strategies: StrategiesSummary,
) -> tuple[Headline, ...]:
    """The COUNT most important numbers of the scenarios that ran; all scenarios when none did.

    Every scenario's first number comes before any scenario's second; a number that should be there and is not closes
    the row.
    """
    with_ledger = (*_LOAD, *(one.scenario for one in ledger.ledgers))
    first = (
        (with_ledger, _wrong_deliveries(ledger)),
        (("pagination",), _first_page(pagination)),
        (("fanout",), _last_recipient(fanout)),
        (("presence",), _convergence(presence)),
        *(((one.name,), _first_panel(one)) for one in scenarios if one.panels),
        (_QUERIES, _buffers_saved(strategies)),
    )
    second = (
        _deepest_page(pagination),
        _typical_delivery(fanout),
        _frames(presence),
        _faster(strategies),
        _wire_bytes(fanout),
        _event_bytes(presence),
        _slower(strategies),
        _send(pagination),
        _write_price(strategies),
    )
    present = frozenset(ran)
    due = [headline for names, headline in first if not present or present.intersection(names)]
    measured = [headline for _, headline in first if headline.number.value is not None]
    measured += [headline for headline in second if headline.number.value is not None]
    return tuple((measured + [headline for headline in due if headline.number.value is None])[:COUNT])


def _wrong_deliveries(ledger: LedgerSummary) -> Headline:
    wrong = ledger.wrong
    detail = f"missing, duplicate or leaked, of {format_number(ledger.expected)} expected" if ledger.ledgers else ""
    number = Number(number_key(NAME, "wrong_deliveries"), wrong, bad=bool(wrong))
    return Headline("Missing or wrong", number, detail)


def _first_page(pagination: PaginationSummary) -> Headline:
    page = pagination.first_page
    detail = f"p50 of {format_number(page.count)} first pages" if page else ""
    value = page.ms_p50 if page else None
    number = Number(number_key(NAME, "first_page_ms_p50"), value, "ms", weak=_weak(page, 50))
    return Headline("First page of messages", number, detail)


def _deepest_page(pagination: PaginationSummary) -> Headline:
    deepest = pagination.depths[-1] if len(pagination.depths) > 1 else None
    page = next((page for page in pagination.pages if page.depth == deepest), None)
    title = f"Messages on {page_name(page.depth)}" if page else "Deep page of messages"
    detail = f"p50 of {format_number(page.latency.count)}, {page.weight} conversations" if page else ""
    latency = page.latency if page else None
    value = latency.ms_p50 if latency else None
    number = Number(number_key(NAME, "deepest_page_ms_p50"), value, "ms", weak=_weak(latency, 50))
    return Headline(title, number, detail)


def _send(pagination: PaginationSummary) -> Headline:
    sends = next((one.latency for one in pagination.requests if one.request == "send_message"), None)
    detail = f"p50 of {format_number(sends.count)} writes at the same time" if sends else ""
    value = sends.ms_p50 if sends else None
    number = Number(number_key(NAME, "send_ms_p50"), value, "ms", weak=_weak(sends, 50))
    return Headline("Message stored", number, detail)


def _last_recipient(fanout: FanoutSummary) -> Headline:
    reached = [group for group in fanout.groups if group.recipients["last"].count]
    last = reached[-1].recipients["last"] if reached else None
    detail = f"p99 of {format_number(last.count)} messages, groups of {reached[-1].group_size}" if last else ""
    detail += _few(last, 99)
    number = Number(number_key(NAME, "delivery_last_ms_p99"), last.ms_p99 if last else None, "ms", weak=_weak(last, 99))
    return Headline("Last recipient reached", number, detail)


def _convergence(presence: PresenceSummary) -> Headline:
    known = [one for one in presence.groups if one.convergence.count]
    latency = known[-1].convergence if known else None
    detail = f"p95 of {format_number(latency.count)} changes, {known[-1].watchers} watchers" if latency else ""
    detail += _few(latency, 95)
    value = latency.ms_p95 if latency else None
    number = Number(number_key(NAME, "convergence_ms_p95"), value, "ms", weak=_weak(latency, 95))
    return Headline("Every watcher knows", number, detail)


def _first_panel(scenario: ScenarioSummary) -> Headline:
    """A described scenario's first question at the far end of its axis."""
    panel = scenario.panels[0]
    point = next(point for point in reversed(panel.points) if point.axis == panel.axis[-1])
    percent = point.latency.highest_percent
    measure = f"{scenario.name}_{panel.panel.metric.removesuffix('_us')}_p{percent}"
    number = Number(
        number_key(NAME, measure), value_of(panel, point, percent), panel.unit, weak=point.latency.weak(percent)
    )
    where = ", ".join(filter(None, (f"{panel.panel.axis_title} {point.axis}", point.curve)))
    detail = f"p{percent} of {format_number(point.latency.count)}, {where}"
    return Headline(panel.panel.title, number, detail)


def _buffers_saved(strategies: StrategiesSummary) -> Headline:
    best = strategies.most_saved
    value = saved_factor(best) if best else None
    detail = f"{best.statement} ({best.parameter_class}) under “{best.strategy}”" if best else ""
    if not best and len(strategies.strategies) > 1:
        value, detail = 1.0, "no strategy touched fewer"
    return Headline("Fewer buffers by index", Number(number_key(NAME, "buffers_saved_factor"), value, "×"), detail)


def _typical_delivery(fanout: FanoutSummary) -> Headline:
    group = fanout.timed[-1] if fanout.timed else None
    latency = group.deliveries if group else None
    detail = f"p50 of {format_number(latency.count)}, groups of {group.group_size}" if latency and group else ""
    value = latency.ms_p50 if latency else None
    number = Number(number_key(NAME, "delivery_ms_p50"), value, "ms", weak=_weak(latency, 50))
    return Headline("One delivery", number, detail)


def _frames(presence: PresenceSummary) -> Headline:
    most = presence.groups[-1] if presence.groups else None
    detail = f"mean, {most.watchers} watchers" if most else ""
    number = Number(number_key(NAME, "frames_per_change"), most.frames_per_change if most else None)
    return Headline("Frames per change", number, detail)


def _event_bytes(presence: PresenceSummary) -> Headline:
    most = presence.groups[-1] if presence.groups else None
    detail = f"mean, {most.watchers} watchers" if most else ""
    number = Number(number_key(NAME, "event_wire_bytes"), most.wire_bytes if most else None, "B")
    return Headline("One presence event", number, detail)


def _faster(strategies: StrategiesSummary) -> Headline:
    return _judged(strategies, "Faster by index", "faster_pairs", "lower")


def _slower(strategies: StrategiesSummary) -> Headline:
    return _judged(strategies, "Slower by index", "slower_pairs", "higher")


def _judged(strategies: StrategiesSummary, title: str, measure: str, judgement: Judgement) -> Headline:
    compared = [cell for cell in strategies.cells if cell.latency_judgement is not None]
    sound = [cell for cell in compared if cell.ratio is not None and cell.ratio.sound]
    value = sum(cell.latency_judgement == judgement for cell in sound) if sound else None
    detail = f"of {format_number(len(compared))} latencies compared with “{strategies.baseline}”" if compared else ""
    return Headline(title, Number(number_key(NAME, measure), value), detail)


def _write_price(strategies: StrategiesSummary) -> Headline:
    bases = {(cell.statement, cell.parameter_class): cell for cell in strategies.cells if cell.buffers_saved is None}
    prices = [
        (cell.wal_bytes / base.wal_bytes, cell)
        for cell in strategies.cells
        if (base := bases.get((cell.statement, cell.parameter_class))) and base is not cell and base.wal_bytes
    ]
    value, cell = max(prices, key=lambda price: price[0], default=(None, None))
    detail = cell.name if cell else ""
    return Headline("Most WAL by index", Number(number_key(NAME, "wal_factor"), value, "×"), detail)


def _wire_bytes(fanout: FanoutSummary) -> Headline:
    detail = "mean over all deliveries" if fanout.wire_bytes is not None else ""
    return Headline("On the wire", Number(number_key(NAME, "wire_bytes"), fanout.wire_bytes, "B"), detail)


def _weak(latency: Latency | None, percent: int) -> bool:
    return latency is not None and latency.weak(percent)


def _few(latency: Latency | None, percent: int) -> str:
    return ", too few to be sure" if _weak(latency, percent) else ""
