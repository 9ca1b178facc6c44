"""What indexes cost: WAL, heap-only updates and dirtied buffers of each write, size and time to build."""

from statistics import median

from reports.index_record import IndexRecord, is_write, wal_of
from reports.numbers import Column, Number, Table, format_number, number_key
from reports.section import Section, and_list
from scenarios.run_records import QueryLine

NAME = "index_costs"
TITLE = "What the indexes cost"
QUESTION = "What does each strategy add to a write, to the disk and to a deployment?"

_HOW = (
    "WAL, records, full-page images and dirtied buffers are those of one execution under EXPLAIN after its block's "
    "executions (exact); the heap-only (HOT) share is over all updates of the block, of the table where it is least; "
    "sizes are those of a fresh index and after the writes of all blocks; build times are single ones."
)
HOT_KEPT_PERCENT = 90.0  # cited: without an index on what a send changes, nearly all updates stay heap-only
HOT_LOST_PERCENT = 10.0  # cited: with one, nearly none


def costs_section(record: IndexRecord) -> Section | None:
    """The section; None when the run measured no write and made no index."""
    tables = [table for table in (_write_table(record), _size_table(record)) if table.rows]
    if not tables:
        return None
    reading = " ".join([*_hot_sentences(record), _size_sentence(record)])
    return Section(NAME, TITLE, QUESTION, reading, _HOW, measured=True, tables=tuple(tables))


def _hot_sentences(record: IndexRecord) -> list[str]:
    """Where a strategy takes nearly all heap-only updates away, with what it does to WAL and why."""
    groups = record.grouped()
    told: dict[str, str] = {}
    for (strategy, cell), lines in groups.items():
        base = groups.get((record.baseline, cell))
        before, after = _hot_percent(base), _hot_percent(lines)
        if base is None or before is None or after is None:
            continue
        if before >= HOT_KEPT_PERCENT and after <= HOT_LOST_PERCENT:
            causes = [
                cause.sentence
                for cause in record.study.causes
                if (cause.strategy, cause.statement, cause.parameter_class, cause.kind) == (strategy, *cell, "hot")
            ]
            why = f" ({'; '.join(causes)})" if causes else ""
            told.setdefault(
                f"{strategy} {cell[0]}",
                f"Under “{strategy}”, {cell[0]} ({cell[1]}) goes from {format_number(before)} % heap-only updates to "
                f"{format_number(after)} % and writes {format_number(wal_of(lines) / max(wal_of(base), 1.0))} × the "
                f"WAL of “{record.baseline}”{why}.",
            )
    return list(told.values()) or ["No strategy takes heap-only updates from nearly all to nearly none."]


def _size_sentence(record: IndexRecord) -> str:
    sizes = [
        f"“{name}” {format_number(record.index_bytes(name) / 1e6)} MB"
        for name in record.strategies
        if record.index_bytes(name)
    ]
    return f"Fresh indexes take up {and_list(sizes)}." if sizes else "No strategy made an index."


def _hot_percent(lines: list[QueryLine] | None) -> float | None:
    shares = [line.hot_share for line in lines or () if line.hot_share is not None]
    return 100 * float(median(shares)) if shares else None


def _write_table(record: IndexRecord) -> Table:
    columns = (
        Column("statement"),
        Column("class"),
        Column("strategy"),
        Column("WAL", "B"),
        Column("records"),
        Column("page images"),
        Column("HOT", "%"),
        Column("buffers dirtied"),
    )
    rows = []
    for (strategy, cell), lines in sorted(record.grouped().items(), key=lambda item: (item[0][1], item[0][0])):
        if not is_write(lines):
            continue
        labels = {"strategy": strategy, "statement": cell[0], "parameter_class": cell[1]}
        rows.append((
            *cell,
            strategy,
            Number(number_key(NAME, "wal_bytes", labels), wal_of(lines), digits=0),
            Number(number_key(NAME, "wal_records", labels), _median([line.wal_records for line in lines])),
            Number(number_key(NAME, "page_images", labels), _median([line.wal_full_page_images for line in lines])),
            Number(number_key(NAME, "hot_percent", labels), _hot_percent(lines)),
            Number(number_key(NAME, "buffers_dirtied", labels), _median([line.buffers_dirtied for line in lines])),
        ))  # fmt: skip
    return Table("Each write under each strategy", columns, tuple(rows))


def _size_table(record: IndexRecord) -> Table:
    columns = (
        Column("index"),
        Column("strategy"),
        Column("fresh", "kB"),
        Column("after the writes", "kB"),
        Column("build", "ms"),
        Column("build beside sends", "ms"),
        Column("sends meanwhile"),
    )
    rows = []
    for cost in record.study.index_costs:
        labels = {"strategy": cost.strategy, "index": cost.name}
        churned = None if cost.churned_bytes is None else cost.churned_bytes / 1000
        rows.append((
            cost.name,
            cost.strategy,
            Number(number_key(NAME, "fresh_kilobytes", labels), cost.fresh_bytes / 1000),
            Number(number_key(NAME, "churned_kilobytes", labels), churned),
            Number(number_key(NAME, "build_ms", labels), cost.build_ms),
            Number(number_key(NAME, "concurrent_build_ms", labels), cost.concurrent_build_ms),
            Number(number_key(NAME, "concurrent_sends", labels), cost.concurrent_sends),
        ))  # fmt: skip
    return Table("Each index", columns, tuple(rows))


def _median(values: list[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median(known)) if known else None
