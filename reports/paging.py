"""Ways of paging against each other: what a page costs at each depth, and which messages a walk loses or repeats."""

from dataclasses import dataclass

from reports.intervals import Ratio, compare_blocks
from reports.latency import LATENCY_COLUMNS, Latency, latency_cells, latency_of
from reports.measurements import Measurements, by_block, pooled
from reports.numbers import Cell, Column, Number, Table, format_number, label_order, number_key
from reports.pagination import NAME as SCENARIO
from reports.pagination import page_name, weight_order
from reports.section import Section, and_list, missing, ratio_text

NAME = "paging"
TITLE = "Ways of paging"
QUESTION = "What do OFFSET and a created_at cursor cost and lose, against the server's own cursor?"

_HOW = (
    "Servers on one database page differently; every reader's walk takes one of them, in random order, while others "
    "write into the same conversations. Seqs have no gaps: what a walk passed and no page showed is lost, what came "
    "twice is repeated. Ratios are medians over the blocks of the run that hold enough of both."
)


@dataclass(frozen=True)
class PageCost:
    """Pages of one depth in conversations of one weight, by one way."""

    paging: str
    weight: str
    depth: str
    latency: Latency
    ratio: Ratio | None  # to the server's own cursor; None for that itself, and when too few blocks hold enough


@dataclass(frozen=True)
class Walks:
    """All walks by one way in conversations of one weight; messages, except for the pages."""

    paging: str
    weight: str
    pages: int
    messages: int
    lost: int
    repeated: int


@dataclass(frozen=True)
class PagingSummary:
    """Everything that the compared ways did; empty when there was only the server's own."""

    costs: tuple[PageCost, ...] = ()
    walks: tuple[Walks, ...] = ()

    @property
    def weights(self) -> tuple[str, ...]:
        """The weights measured, heavy first."""
        return tuple(dict.fromkeys(cost.weight for cost in self.costs))

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways, the server's own first."""
        return tuple(dict.fromkeys(cost.paging for cost in self.costs))

    @property
    def depths(self) -> tuple[str, ...]:
        """The depths measured, first page first."""
        return tuple(sorted({cost.depth for cost in self.costs}, key=label_order))

    def at(self, paging: str, weight: str, depth: str) -> PageCost | None:
        """What was measured there."""
        return next((cost for cost in self.costs if (cost.paging, cost.weight, cost.depth) == (paging, weight, depth)),
                    None)  # fmt: skip


def summarise_paging(measurements: Measurements) -> PagingSummary:
    """The compared ways of the run."""
    groups = measurements.group(SCENARIO, "paging_page_us", "paging", "weight", "depth")
    peers = _peers(measurements)
    ways = [*sorted({way for way, _, _ in groups} - set(peers)), *peers]
    own = ways[0] if ways else ""
    costs = [
        PageCost(
            way,
            weight,
            depth,
            latency_of(pooled(series)),
            None if way == own else compare_blocks(by_block(groups.get((own, weight, depth), [])), by_block(series)),
        )
        for (way, weight, depth), series in groups.items()
    ]
    costs.sort(key=lambda cost: (*weight_order(cost.weight), *label_order(cost.depth), ways.index(cost.paging)))
    return PagingSummary(tuple(costs), _walks(measurements, ways))


def _peers(measurements: Measurements) -> list[str]:
    """The names of the servers that were compared with the target, as the run was told them."""
    texts = [str(one.options.get("peers", "")) for one in measurements.manifest.scenarios if one.name == SCENARIO]
    return [name for text in texts for name in text.split(",") if name]


def _walks(measurements: Measurements, ways: list[str]) -> tuple[Walks, ...]:
    found: dict[tuple[str, str], dict[str, int]] = {}
    for count in measurements.counted(SCENARIO):
        if count.name.startswith("paging_"):
            amounts = found.setdefault((count.labels["paging"], count.labels["weight"]), {})
            amounts[count.name.removeprefix("paging_")] = int(count.value)
    walks = [
        Walks(way, weight, *(amounts.get(name, 0) for name in ("pages", "messages", "lost", "repeated")))
        for (way, weight), amounts in found.items()
        if way in ways
    ]
    return tuple(sorted(walks, key=lambda walk: (*weight_order(walk.weight), ways.index(walk.paging))))


def paging_section(summary: PagingSummary) -> Section:
    """The section of a report."""
    if not summary.costs:
        return missing(NAME, TITLE, QUESTION, "Not measured: this run paged in one way only.")
    costs = Table(
        "Latency of one page, by each way",
        (Column("conversations"), Column("page"), Column("paging"), *LATENCY_COLUMNS, Column("÷ own cursor", "×")),
        tuple(_cost_row(cost) for cost in summary.costs),
    )
    walks = Table(
        "What the walks showed",
        (
            Column("conversations"),
            Column("paging"),
            *(Column(name) for name in ("pages", "messages", "lost", "repeated")),
        ),
        tuple(_walks_row(walk) for walk in summary.walks),
    )
    return Section(NAME, TITLE, QUESTION, _reading(summary), _HOW, measured=True, tables=(costs, walks))


def _cost_row(cost: PageCost) -> tuple[Cell, ...]:
    labels = {"paging": cost.paging, "weight": cost.weight, "depth": cost.depth}
    ratio = cost.ratio.interval.estimate if cost.ratio is not None else None
    return (
        cost.weight,
        cost.depth,
        cost.paging,
        *latency_cells(cost.latency, NAME, "page", labels),
        Number(number_key(NAME, "page_ratio", labels), ratio, "×"),
    )


def _walks_row(walk: Walks) -> tuple[Cell, ...]:
    labels = {"paging": walk.paging, "weight": walk.weight}
    amounts = {"pages": walk.pages, "messages": walk.messages, "lost": walk.lost, "repeated": walk.repeated}
    return (
        walk.weight,
        walk.paging,
        *(Number(number_key(NAME, f"walk_{name}", labels), amount) for name, amount in amounts.items()),
    )


def _reading(summary: PagingSummary) -> str:
    return " ".join(_way_text(summary, way) for way in summary.ways)


def _way_text(summary: PagingSummary, way: str) -> str:
    """What one way cost at the deepest place of the heaviest conversations, and what its walks showed."""
    walks = [walk for walk in summary.walks if walk.paging == way]
    messages, lost, repeated = (sum(getattr(walk, name) for walk in walks) for name in ("messages", "lost", "repeated"))
    shown = f"lost {lost} and repeated {repeated} of {format_number(messages)} messages"
    deepest = [cost for cost in summary.costs if cost.paging == way and cost.weight == summary.weights[0]]
    if not deepest:
        return f"Paging by {way} {shown}."
    first, last = deepest[0], deepest[-1]
    places = and_list(
        [
            f"{format_number(cost.latency.ms_p50)} ms on {page_name(cost.depth)}"
            for cost in ((first, last) if first is not last else (last,))
        ]
    )
    compared = f" ({ratio_text(last.ratio)} the server's own)" if last.ratio is not None else ""
    return f"Paging by {way} takes {places}{compared} of {last.weight} conversations at the p50, and {shown}."
