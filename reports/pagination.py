"""What scrolling back costs: latency of message pages by depth and weight of the conversation."""

from dataclasses import dataclass

from reports.intervals import Ratio, compare_blocks
from reports.latency import LATENCY_COLUMNS, Latency, latency_cells, latency_of
from reports.measurements import Measurements, by_block, pooled
from reports.numbers import Cell, Column, Table, format_number, label_order
from reports.section import Section, growth_text, interval_text, missing

NAME = "pagination"
TITLE = "Scrolling back"
QUESTION = "What does an older page of messages cost?"
PAGE_REQUEST = "get_messages"

_WEIGHTS = ("heavy", "median", "light")
_HOW = (
    "Open loop: latency runs from a request's intended start to the arrival of its response's last segment, and "
    "service time from its actual send; percentiles are of histograms merged over all seconds and workers, and the "
    "growth is the median, over the blocks of the run that hold enough of both, of deepest ÷ first. Pages are counted "
    "from the newest one."
)


@dataclass(frozen=True)
class PageLatency:
    """Pages of one depth in conversations of one weight."""

    weight: str
    depth: str  # which page from the newest one, counted from 1; a range such as 2-9
    latency: Latency
    service: Latency


@dataclass(frozen=True)
class Growth:
    """The deepest pages against the first ones."""

    weight: str
    first: str
    deepest: str
    ratio: Ratio | None  # None when too few blocks hold enough of both
    first_ms_p50: float | None  # over the whole run
    deepest_ms_p50: float | None


@dataclass(frozen=True)
class RequestLatency:
    """Another request that ran beside the scrolling."""

    request: str
    latency: Latency


@dataclass(frozen=True)
class PaginationSummary:
    """Everything the scenario measured."""

    pages: tuple[PageLatency, ...] = ()
    growths: tuple[Growth, ...] = ()
    requests: tuple[RequestLatency, ...] = ()
    first_page: Latency | None = None  # all weights

    @property
    def weights(self) -> tuple[str, ...]:
        """The weights measured, heavy first."""
        return tuple(dict.fromkeys(page.weight for page in self.pages))

    @property
    def depths(self) -> tuple[str, ...]:
        """The depths measured, first page first."""
        return tuple(sorted({page.depth for page in self.pages}, key=label_order))


def summarise_pagination(measurements: Measurements) -> PaginationSummary:
    """The scenario's numbers; an empty summary when it left none."""
    groups = measurements.group(NAME, "request_us", "weight", "depth", request=PAGE_REQUEST)
    services = measurements.group(NAME, "service_us", "weight", "depth", request=PAGE_REQUEST)
    pages = tuple(
        PageLatency(weight, depth, latency_of(pooled(series)), latency_of(pooled(services.get((weight, depth), []))))
        for (weight, depth), series in sorted(groups.items(), key=lambda item: _page_order(*item[0]))
    )
    growths = []
    for weight in dict.fromkeys(page.weight for page in pages):
        found = [page for page in pages if page.weight == weight]
        if len(found) > 1:
            first, deepest = found[0], found[-1]
            ratio = compare_blocks(by_block(groups[weight, first.depth]), by_block(groups[weight, deepest.depth]))
            p50s = (first.latency.ms_p50, deepest.latency.ms_p50)
            growths.append(Growth(weight, first.depth, deepest.depth, ratio, *p50s))
    shallowest = min((page.depth for page in pages), key=label_order, default=None)
    first_series = [one for (_, depth), series in groups.items() if depth == shallowest for one in series]
    others = measurements.group(NAME, "request_us", "request")
    return PaginationSummary(
        pages=pages,
        growths=tuple(growths),
        requests=tuple(
            RequestLatency(request, latency_of(pooled(series)))
            for (request,), series in sorted(others.items())
            if request != PAGE_REQUEST
        ),
        first_page=latency_of(pooled(first_series)) if first_series else None,
    )


def pagination_section(summary: PaginationSummary) -> Section:
    """The section of a report."""
    if not summary.pages:
        return missing(NAME, TITLE, QUESTION, "Not measured: this run holds no message page that was fetched.")
    pages = Table(
        "Latency of one page of messages",
        (Column("conversations"), Column("page"), *LATENCY_COLUMNS, Column("service p50", "ms")),
        tuple(_page_row(page) for page in summary.pages),
    )
    requests = Table(
        "Other requests at the same time",
        (Column("request"), *LATENCY_COLUMNS),
        tuple(
            (other.request, *latency_cells(other.latency, NAME, "request", {"request": other.request}))
            for other in summary.requests
        ),
    )
    tables = (pages, requests) if summary.requests else (pages,)
    return Section(NAME, TITLE, QUESTION, _reading(summary), _HOW, measured=True, tables=tables)


def _page_row(page: PageLatency) -> tuple[Cell, ...]:
    labels = {"weight": page.weight, "depth": page.depth}
    cells = latency_cells(page.latency, NAME, "page", labels)
    service = latency_cells(page.service, NAME, "page_service", labels)[1]
    return (page.weight, page.depth, *cells, service)


def _reading(summary: PaginationSummary) -> str:
    if not summary.growths:
        page = summary.pages[0]
        return (
            f"Only one depth was measured, so this run cannot tell how cost grows with depth; "
            f"the p50 of {page.weight} conversations is {format_number(page.latency.ms_p50)} ms."
        )
    sentence = "; ".join(_growth_text(growth) for growth in summary.growths)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _growth_text(growth: Growth) -> str:
    where = f"in {growth.weight} conversations"
    if growth.ratio is None:
        return (
            f"{where} too few pages were fetched to tell whether depth costs: the p50 of {page_name(growth.deepest)} "
            f"is {format_number(growth.deepest_ms_p50)} ms and that of {page_name(growth.first)} "
            f"{format_number(growth.first_ms_p50)} ms"
        )
    return (
        f"{where} {growth_text(f'the p{growth.ratio.percent}', growth.ratio.judgement)} with depth: "
        f"{page_name(growth.deepest)} costs {format_number(growth.ratio.interval.estimate)} × "
        f"{page_name(growth.first)} ({interval_text(growth.ratio.interval)})"
    )


def page_name(depth: str) -> str:
    """`page 1`, `page 10–99`."""
    return f"page {depth.replace('-', '–')}"


def weight_order(weight: str) -> tuple[int, str]:
    """Sorts weights, heavy first, unknown ones last."""
    return (_WEIGHTS.index(weight) if weight in _WEIGHTS else len(_WEIGHTS), weight)


def _page_order(weight: str, depth: str) -> tuple[object, ...]:
    return (*weight_order(weight), *label_order(depth))
