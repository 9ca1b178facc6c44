"""What each set of indexes does for each statement: buffers, latency, plan and write cost, strategy by strategy."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from reports.intervals import Interval, Judgement, judge, median_interval
from reports.measurements import Measurements
from reports.numbers import Cell, Column, Number, Table, format_number, number_key
from reports.section import Section, and_list, missing, whole_percent
from scenarios.run_records import QueryLine

NAME = "strategies"
TITLE = "Index strategies side by side"
QUESTION = "Which indexes pay, on which statement, and what do they cost?"

BASELINE = "none"  # the strategy that others are compared with, when the run has it

# What the judgement of a latency ratio allows to say; with _SAME_LATENCY it is flat when all blocks agree on 1.
LATENCY_WORDS: dict[Judgement, str] = {
    "lower": "faster",
    "higher": "slower",
    "flat": "the same",
    "unsure": "indistinguishable",
}

_SAME_LATENCY = 1.0  # a ratio's interval must leave 1 out before a strategy is called faster or slower

_HOW = (
    "Strategies ran interleaved in blocks on the same data through asyncpg's prepared path; buffers are those an "
    "EXPLAIN (ANALYZE, BUFFERS) of one execution hit and read (exact), latency is the median over blocks of each "
    "block's median, and ratios are taken within a block."
)


@dataclass(frozen=True)
class StrategyCell:
    """One statement with one class of parameters under one strategy."""

    strategy: str
    statement: str
    parameter_class: str
    blocks: int
    executions: int
    buffers: float  # hit and read, median over blocks
    buffers_varied: bool  # blocks differ
    latency_ms: Interval | None  # median of block medians; None without executions
    ratio: Interval | None  # latency ÷ baseline, block by block; None for the baseline itself
    latency_judgement: Judgement | None
    wal_bytes: float
    hot_share: float | None
    rows: tuple[int, ...]  # distinct row counts seen
    plans: tuple[str, ...]  # files
    plan_hashes: tuple[str, ...]  # distinct, sorted
    plan_changed: bool  # against the baseline
    indexes: tuple[str, ...]
    buffers_saved: float | None  # baseline's − ours; None for the baseline itself
    rows_differ: bool  # from the baseline's in some block

    @property
    def name(self) -> str:
        """`list_messages (deep) under “roadmap”`, for people."""
        return f"{self.statement} ({self.parameter_class}) under “{self.strategy}”"

    @property
    def labels(self) -> dict[str, str]:
        """What it is the cell of."""
        return {
            "strategy": self.strategy,
            "statement": self.statement,
            "parameter_class": self.parameter_class,
        }


@dataclass(frozen=True)
class StrategiesSummary:
    """Everything the query laboratory measured."""

    baseline: str = ""
    cells: tuple[StrategyCell, ...] = ()

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies, baseline first."""
        others = sorted({cell.strategy for cell in self.cells} - {self.baseline})
        return (self.baseline, *others) if self.cells else ()

    @property
    def by_question(self) -> dict[tuple[str, str], dict[str, StrategyCell]]:
        """The cells by (statement, parameter class), then strategy."""
        questions: dict[tuple[str, str], dict[str, StrategyCell]] = defaultdict(dict)
        for cell in self.cells:
            questions[cell.statement, cell.parameter_class][cell.strategy] = cell
        return dict(questions)

    @property
    def most_saved(self) -> StrategyCell | None:
        """The cell that reads fewest buffers for each of the baseline's; None when none saves any."""
        saving = [cell for cell in self.cells if cell.buffers_saved is not None and cell.buffers_saved > 0]
        return max(saving, key=lambda cell: (saved_factor(cell), cell.buffers_saved or 0.0), default=None)


def saved_factor(cell: StrategyCell) -> float:
    """The baseline's buffers ÷ the cell's; a cell that touches none counts as one."""
    return (cell.buffers + (cell.buffers_saved or 0.0)) / max(cell.buffers, 1.0)


def summarise_strategies(measurements: Measurements) -> StrategiesSummary:
    """The laboratory's numbers; an empty summary when it did not run."""
    groups: dict[tuple[str, str, str], list[QueryLine]] = defaultdict(list)
    for line in measurements.queries:
        if line.policy is not None:
            continue  # compared by the section on plans: another question
        groups[line.statement, line.parameter_class, line.strategy].append(line)
    if not groups:
        return StrategiesSummary()
    strategies = sorted({strategy for _, _, strategy in groups})
    baseline = BASELINE if BASELINE in strategies else strategies[0]
    cells = tuple(
        _cell(groups[key], groups.get((key[0], key[1], baseline), []), is_baseline=key[2] == baseline)
        for key in sorted(groups, key=lambda key: (key[0], key[1], key[2] != baseline, key[2]))
    )
    return StrategiesSummary(baseline, cells)


def _cell(lines: list[QueryLine], base: list[QueryLine], *, is_baseline: bool) -> StrategyCell:
    first = lines[0]
    medians, base_medians = _block_medians(lines), _block_medians(base)
    both = sorted(medians.keys() & base_medians.keys()) if not is_baseline else []
    ratios = [medians[block] / base_medians[block] for block in both if base_medians[block] > 0]
    ratio = median_interval(ratios) if ratios else None
    buffers = median(_buffers(lines))
    compared = bool(base) and not is_baseline
    hot_shares = [line.hot_share for line in lines if line.hot_share is not None]
    hashes = {line.plan_hash for line in lines}
    base_rows: dict[int, set[int]] = defaultdict(set)
    for line in base:
        base_rows[line.block].add(line.rows)
    return StrategyCell(
        strategy=first.strategy,
        statement=first.statement,
        parameter_class=first.parameter_class,
        blocks=len({line.block for line in lines}),
        executions=sum(len(line.latency_us) for line in lines),
        buffers=float(buffers),
        buffers_varied=len(set(_buffers(lines))) > 1,
        latency_ms=median_interval([value / 1000 for value in medians.values()]) if medians else None,
        ratio=ratio,
        latency_judgement=judge(ratio, _SAME_LATENCY) if ratio else None,
        wal_bytes=float(median(line.wal_bytes for line in lines)),
        hot_share=median(hot_shares) if hot_shares else None,
        rows=tuple(sorted({line.rows for line in lines})),
        plans=tuple(sorted({line.plan for line in lines})),
        plan_hashes=tuple(sorted(hashes)),
        plan_changed=compared and hashes != {line.plan_hash for line in base},
        indexes=tuple(sorted({index for line in lines for index in line.indexes})),
        buffers_saved=float(median(_buffers(base)) - buffers) if compared else None,
        rows_differ=compared
        and any(line.rows not in base_rows[line.block] for line in lines if line.block in base_rows),
    )


def _block_medians(lines: Iterable[QueryLine]) -> dict[int, float]:
    latencies: dict[int, list[float]] = defaultdict(list)
    for line in lines:
        latencies[line.block].extend(line.latency_us)
    return {block: median(values) for block, values in latencies.items() if values}


def _buffers(lines: Iterable[QueryLine]) -> list[int]:
    return [line.buffers_hit + line.buffers_read for line in lines]


def strategies_section(summary: StrategiesSummary) -> Section:
    """The section of a report."""
    if not summary.cells:
        return missing(NAME, TITLE, QUESTION, "Not measured: the query laboratory was no part of this run.")
    table = Table(
        f"Every statement × parameter class under every strategy, compared with “{summary.baseline}”",
        (
            Column("statement"),
            Column("class"),
            Column("strategy"),
            Column("buffers"),
            Column("p50", "ms"),
            Column("from", "ms"),
            Column("to", "ms"),
            Column("latency ratio", "×"),
            Column("latency is"),
            Column("WAL", "B"),
            Column("HOT", "%"),
            Column("rows"),
            Column("plan"),
            Column("indexes used"),
        ),
        tuple(_row(cell) for cell in summary.cells),
    )
    return Section(NAME, TITLE, QUESTION, _reading(summary), _how(summary), measured=True, tables=(table,))


def _row(cell: StrategyCell) -> tuple[Cell, ...]:
    latency = cell.latency_ms

    def number(measure: str, value: float | None, unit: str = "", digits: int | None = None) -> Number:
        return Number(number_key(NAME, measure, cell.labels), value, unit, digits=digits)

    return (
        cell.statement,
        cell.parameter_class,
        cell.strategy,
        number("buffers", cell.buffers, digits=0 if cell.buffers == int(cell.buffers) else 1),
        number("latency_ms_p50", latency.estimate if latency else None, "ms"),
        number("latency_ms_p50_low", latency.low if latency else None, "ms"),
        number("latency_ms_p50_high", latency.high if latency else None, "ms"),
        number("latency_ratio", cell.ratio.estimate, "×") if cell.ratio else "–",
        latency_word(cell),
        number("wal_bytes", cell.wal_bytes, "B", 0),
        "–" if cell.hot_share is None else number("hot_percent", cell.hot_share * 100, "%"),
        Number(number_key(NAME, "rows", cell.labels), cell.rows[0], bad=cell.rows_differ)
        if len(cell.rows) == 1
        else f"{cell.rows[0]}–{cell.rows[-1]}",
        "baseline" if cell.buffers_saved is None else "changed" if cell.plan_changed else "same",
        ", ".join(cell.indexes) or "–",
    )


def latency_word(cell: StrategyCell) -> str:
    """What the interval of the ratio allows to say."""
    if cell.latency_judgement is None:
        return "baseline" if cell.buffers_saved is None else "not compared"
    return LATENCY_WORDS[cell.latency_judgement]


def _reading(summary: StrategiesSummary) -> str:
    if len(summary.strategies) == 1:
        cells = len(summary.cells)
        pairs = "one pair" if cells == 1 else f"{cells} pairs"
        return f"Only “{summary.baseline}” ran, on {pairs} of statement and class: there is nothing to compare."
    told = "; ".join(_strategy_reading(summary, strategy) for strategy in summary.strategies[1:])
    return f"Compared with “{summary.baseline}”, {told}."


def _strategy_reading(summary: StrategiesSummary, strategy: str) -> str:
    cells = [cell for cell in summary.cells if cell.strategy == strategy and cell.buffers_saved is not None]
    if not cells:
        return f"“{strategy}” shares no statement"
    fewer = [cell for cell in cells if (cell.buffers_saved or 0) > 0]
    more = [cell for cell in cells if (cell.buffers_saved or 0) < 0]
    words = [latency_word(cell) for cell in cells]
    example = ""
    if fewer:
        best = max(fewer, key=saved_factor)
        example = (
            f" (at best {format_number(best.buffers, 0)} instead of "
            f"{format_number(best.buffers + (best.buffers_saved or 0), 0)}: {best.statement}, {best.parameter_class})"
        )
    latency = and_list([f"{words.count(word)} {word}" for word in LATENCY_WORDS.values() if word in words])
    doubtful = [cell.ratio.blocks for cell in cells if cell.ratio and not cell.ratio.sound]
    if doubtful:
        latency += f" ({max(doubtful)} blocks are too few to tell)"
    return (
        f"“{strategy}” touches fewer buffers in {len(fewer)} of {len(cells)} pairs of statement and class{example} and "
        f"more in {len(more)}; by latency {latency or 'none was compared'}"
    )


def _how(summary: StrategiesSummary) -> str:
    blocks = sorted({cell.blocks for cell in summary.cells})
    span = str(blocks[0]) if len(blocks) == 1 else f"{blocks[0]} to {blocks[-1]}"
    intervals = [cell.ratio for cell in summary.cells if cell.ratio]
    if not intervals:
        return f"{_HOW} Blocks: {span}."
    weakest = min(intervals, key=lambda interval: interval.coverage)
    strength = f"intervals hold the true median with at least {whole_percent(weakest.coverage)} % confidence"
    doubt = "" if weakest.sound else "; where that is under 95 %, latency is called indistinguishable"
    return f"{_HOW} Blocks: {span}; {strength}{doubt}."
