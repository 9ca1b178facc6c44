"""Other designs beside the server's: keys by chance, partitions, room on pages, a NOTIFY per message."""

from collections import defaultdict
from statistics import median

from reports.index_record import IndexRecord, buffers_of, wal_of
from reports.intervals import Interval, median_interval
from reports.numbers import Column, Number, Table, format_number, number_key
from reports.section import Section, and_list
from scenarios.run_records import QueryLine
from scenarios.study import DesignSize, Storing

NAME = "index_designs"
TITLE = "Other designs"
QUESTION = "What do keys by chance, partitions, room on the pages and a NOTIFY per message cost or save?"

# Question → the statement that the others are compared with: one table, keys by time, nobody told, full pages.
REFERENCES = {"storing": "store_by_time", "stored_page": "page_of_one_table", "touching": "touch_full"}
NOTIFYING = "store_and_notify"

_HOW = (
    "Tables of the newest messages under each design, on a copy of the data; counters are medians over blocks, of one "
    "execution each; sizes are exact, before the blocks' writes and after them. Then each way of storing in turns, by "
    "one session and by several at once, right after a checkpoint, with one session that listens: commits per second "
    "are times, WAL per message is exact, and who waits for NOTIFY's lock was looked up all the while."
)


def designs_section(record: IndexRecord) -> Section | None:
    """The section; None when the run compared no designs."""
    groups = _groups(record)
    if not groups:
        return None
    study = record.study
    tables = [_statement_table(record, groups), _size_table(study.design_sizes), _storing_table(study.storing)]
    reading = " ".join([
        *_statement_sentences(groups),
        *_size_sentences(study.design_sizes),
        *_storing_sentences(study.storing),
    ])  # fmt: skip
    return Section(
        NAME, TITLE, QUESTION, reading, _HOW, measured=True, tables=tuple(table for table in tables if table.rows)
    )


Groups = dict[tuple[str, str], dict[str, list[QueryLine]]]  # (question, class) → statement → its lines


def _groups(record: IndexRecord) -> Groups:
    """The designs' statements under the baseline: no strategy's index is on their tables."""
    found: Groups = defaultdict(dict)
    for (strategy, (statement, parameter_class)), lines in record.grouped().items():
        question = record.questions.get(statement)
        if strategy == record.baseline and question in REFERENCES:
            found[question, parameter_class][statement] = lines
    return dict(found)


def _statement_sentences(groups: Groups) -> list[str]:
    """Every other design against its question's reference, in the class where most buffers are touched."""
    told = []
    for question, reference in REFERENCES.items():
        classes = {name: own for (asked, name), own in groups.items() if asked == question and reference in own}
        if not classes:
            continue
        widest = max(classes, key=lambda name, own=classes: buffers_of(own[name][reference]))  # type: ignore[misc]
        base = classes[widest][reference]
        for statement, lines in sorted(classes[widest].items()):
            if statement != reference:
                told.append(f"Against {reference}, {statement} ({widest}) {_against(lines, base)}.")
    return told


def _against(lines: list[QueryLine], base: list[QueryLine]) -> str:
    """`writes 1.2 × the WAL and touches 9 buffers instead of 8`; heap-only updates where there are any."""
    parts = []
    if wal_of(base):
        parts.append(f"writes {format_number(wal_of(lines) / wal_of(base))} × the WAL")
    mine, theirs = _hot_percent(lines), _hot_percent(base)
    if mine is not None and theirs is not None:
        parts.append(
            f"keeps {format_number(mine, 0)} % of its updates heap-only instead of {format_number(theirs, 0)} %"
        )
    parts.append(
        f"touches {format_number(buffers_of(lines), 0)} buffers instead of {format_number(buffers_of(base), 0)}"
    )
    return and_list(parts)


def _size_sentences(sizes: tuple[DesignSize, ...]) -> list[str]:
    """The tables that hold the same rows, the smallest first."""
    alike: dict[int, list[DesignSize]] = defaultdict(list)
    for size in sizes:
        alike[size.fresh_rows].append(size)
    told = []
    for rows, group in alike.items():
        if len(group) < 2:
            continue
        ordered = sorted(group, key=lambda size: size.fresh_table_bytes + size.fresh_index_bytes)
        named = [
            f"{size.table} {_kilobytes(size.fresh_table_bytes)} kB, indexes {_kilobytes(size.fresh_index_bytes)} kB"
            for size in ordered
        ]
        told.append(f"With the same {format_number(rows)} rows, fresh: {'; '.join(named)}.")
    return told


def _storing_sentences(turns: tuple[Storing, ...]) -> list[str]:
    told = []
    by_sessions = _rates(turns)
    for sessions, rates in by_sessions.items():
        ratio = _ratio(rates, NOTIFYING, REFERENCES["storing"])
        if ratio is None:
            continue
        waiting = median([t.waiting_sessions for t in turns if (t.statement, t.sessions) == (NOTIFYING, sessions)])
        who = "one session" if sessions == 1 else f"{sessions} sessions at once"
        doubt = "" if ratio.low > 1 or ratio.high < 1 else ": indistinguishable"
        told.append(
            f"With {who}, a NOTIFY per message leaves {format_number(ratio.estimate)} × the commits per second "
            f"(between {format_number(ratio.low)} and {format_number(ratio.high)}{doubt}), and "
            f"{format_number(waiting)} sessions wait for its lock at a time."
        )
    chance, by_time = (_wal_per_message(turns, name) for name in ("store_by_chance", REFERENCES["storing"]))
    if chance is not None and by_time is not None:
        told.append(
            f"After a checkpoint, a message under a key of chance writes {format_number(chance, 0)} B of WAL, and "
            f"{format_number(by_time, 0)} B under one that grows with time."
        )
    return told


def _rates(turns: tuple[Storing, ...]) -> dict[int, dict[str, dict[int, float]]]:
    """Sessions → statement → block → commits per second."""
    found: dict[int, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for turn in turns:
        found[turn.sessions][turn.statement][turn.block] = turn.commits / turn.seconds
    return found


def _ratio(rates: dict[str, dict[int, float]], statement: str, reference: str) -> Interval | None:
    both = rates.get(statement, {}).keys() & rates.get(reference, {}).keys()
    ratios = [rates[statement][block] / rates[reference][block] for block in sorted(both)]
    return median_interval(ratios) if ratios and statement != reference else None


def _wal_per_message(turns: tuple[Storing, ...], statement: str) -> float | None:
    """Median over the turns with the most sessions: those that store most messages after their checkpoint."""
    most = max((turn.sessions for turn in turns), default=0)
    values = [turn.wal_bytes / turn.commits for turn in turns if (turn.statement, turn.sessions) == (statement, most)]
    return median(values) if values else None


def _statement_table(record: IndexRecord, groups: Groups) -> Table:
    columns = (
        Column("question"),
        Column("statement"),
        Column("class"),
        Column("buffers"),
        Column("buffers dirtied"),
        Column("WAL", "B"),
        Column("records"),
        Column("HOT", "%"),
        Column("p50", "µs"),
    )
    rows = []
    for (question, parameter_class), own in sorted(groups.items()):
        for statement, lines in sorted(own.items()):
            labels = {"statement": statement, "parameter_class": parameter_class}
            records = [line.wal_records for line in lines if line.wal_records is not None]
            p50 = median([median(line.latency_us) for line in lines])
            rows.append((
                question,
                statement,
                parameter_class,
                Number(number_key(NAME, "buffers", labels), buffers_of(lines), digits=0),
                Number(number_key(NAME, "buffers_dirtied", labels), median([line.buffers_dirtied for line in lines])),
                Number(number_key(NAME, "wal_bytes", labels), wal_of(lines), "B", digits=0),
                Number(number_key(NAME, "wal_records", labels), median(records) if records else None),
                Number(number_key(NAME, "hot_percent", labels), _hot_percent(lines), "%"),
                Number(number_key(NAME, "latency_us_p50", labels), p50, "µs", digits=0),
            ))  # fmt: skip
    return Table(f"The designs' statements, under “{record.baseline}”", columns, tuple(rows))


def _size_table(sizes: tuple[DesignSize, ...]) -> Table:
    columns = (
        Column("table"),
        Column("rows"),
        Column("table, fresh", "kB"),
        Column("indexes, fresh", "kB"),
        Column("rows after the writes"),
        Column("table after the writes", "kB"),
        Column("indexes after the writes", "kB"),
    )
    rows = []
    for size in sizes:
        labels = {"table": size.table}
        rows.append((
            size.table,
            Number(number_key(NAME, "fresh_rows", labels), size.fresh_rows),
            _kilobytes_cell("fresh_table_kilobytes", labels, size.fresh_table_bytes),
            _kilobytes_cell("fresh_index_kilobytes", labels, size.fresh_index_bytes),
            Number(number_key(NAME, "churned_rows", labels), size.churned_rows),
            _kilobytes_cell("churned_table_kilobytes", labels, size.churned_table_bytes),
            _kilobytes_cell("churned_index_kilobytes", labels, size.churned_index_bytes),
        ))  # fmt: skip
    return Table("What each design's table takes up", columns, tuple(rows))


def _storing_table(turns: tuple[Storing, ...]) -> Table:
    columns = (
        Column("sessions"),
        Column("statement"),
        Column("commits", "/s"),
        Column("ratio", "×"),
        Column("from", "×"),
        Column("to", "×"),
        Column("WAL per message", "B"),
        Column("sessions waiting for NOTIFY"),
    )
    rows = []
    for sessions, rates in _rates(turns).items():
        for statement in sorted(rates):
            labels = {"sessions": str(sessions), "statement": statement}
            own = [turn for turn in turns if (turn.statement, turn.sessions) == (statement, sessions)]
            ratio = _ratio(rates, statement, REFERENCES["storing"])
            wal = median([turn.wal_bytes / turn.commits for turn in own])
            rows.append((
                str(sessions),
                statement,
                Number(number_key(NAME, "commits_per_second", labels), median(rates[statement].values()), "/s"),
                Number(number_key(NAME, "commits_ratio", labels), ratio.estimate if ratio else None, "×"),
                Number(number_key(NAME, "commits_ratio_low", labels), ratio.low if ratio else None, "×"),
                Number(number_key(NAME, "commits_ratio_high", labels), ratio.high if ratio else None, "×"),
                Number(number_key(NAME, "wal_bytes_per_message", labels), wal, "B", digits=0),
                Number(number_key(NAME, "waiting_sessions", labels), median([turn.waiting_sessions for turn in own])),
            ))  # fmt: skip
    return Table("Storing by one session and by several at once", columns, tuple(rows))


def _hot_percent(lines: list[QueryLine]) -> float | None:
    shares = [line.hot_share for line in lines if line.hot_share is not None]
    return 100 * float(median(shares)) if shares else None


def _kilobytes_cell(measure: str, labels: dict[str, str], size: int | None) -> Number:
    return Number(number_key(NAME, measure, labels), None if size is None else size / 1000, "kB", digits=0)


def _kilobytes(size: int) -> str:
    return format_number(size / 1000, 0)
