"""Which strategy to choose: strategies against statements, the best one for each mix, and why cells are as they are."""

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from urllib.parse import quote

from reports.index_record import IndexRecord, buffers_of
from reports.latency import values_needed
from reports.numbers import Cell, Column, Number, Table, format_number, number_key
from reports.section import Section, and_list
from reports.strategy_choice import Dominated, Flip, Mix, costs, dominated, flips, mixes
from scenarios.run_records import QueryLine
from scenarios.study import Cause, IndexScan, IndexUse

NAME = "index_choice"
WORTH_AN_INDEX_SHARE = 0.2  # guess: an index that saves less of a statement's buffers is not made for it
TITLE = "Which indexes to choose"
QUESTION = "Which strategy is the cheapest for which mix of reads and writes, and what makes it so?"

_HOW = (
    "A strategy is dominated when another one needs no more buffers, WAL and index space anywhere and less somewhere. "
    "Mixes weigh the server's statements as reports/strategy_choice.py lists them, each with its source, and share "
    "them out between reads and writes; costs are medians within blocks, and strategies whose ratio to the best one "
    "may be 1 are called indistinguishable. Causes are read off plans and the catalog. A number in the first table "
    "opens its plan."
)


def choice_section(record: IndexRecord) -> Section | None:
    """The section; None when there is nothing to choose from."""
    if len(record.strategies) < 2:
        return None
    found = costs(record)
    told = mixes(found)
    changes = flips(told, found)
    beaten = dominated(record)
    reading = " ".join([*_mix_sentences(told, changes), _dominated_sentence(beaten), *_use_sentences(record)])
    tables = [
        _matrix(record, "buffers", "Buffers of each statement under each strategy"),
        _matrix(record, "p50", "p50 in µs of each statement under each strategy"),
        _matrix(record, "p99", "p99 in µs of each statement under each strategy"),
        _mix_table(told),
        _use_table(record),
        _cause_table(record.study.causes),
    ]
    tables = [table for table in tables if table.rows]
    return Section(NAME, TITLE, QUESTION, reading, _HOW, measured=True, tables=tuple(tables))


def _mix_sentences(told: list[Mix], changes: list[Flip]) -> list[str]:
    if not told:
        return ["No mix of reads and writes was measured under two strategies."]
    sentences = []
    if all(len(mix.indistinguishable) > 0 for mix in told):
        rivals = and_list([f"“{name}”" for name in dict.fromkeys(n for mix in told for n in mix.indistinguishable)])
        sentences.append(f"At every mix the cheapest strategy is indistinguishable from another: {rivals}.")
    sentences += [_flip_sentence(flip) for flip in changes]
    if not changes:
        sentences.append(f"At every mix of reads and writes “{told[0].best}” costs the least time.")
    return sentences


def _flip_sentence(flip: Flip) -> str:
    interval = flip.interval
    doubt = (
        f" (blocks say {100 * interval.low:.0f}–{100 * interval.high:.0f} %)"
        if interval is not None
        else " (in some blocks it never does: the flip is indistinguishable from none)"
    )
    return f"“{flip.above}” becomes cheaper than “{flip.below}” from {100 * flip.read_share:.0f} % reads on{doubt}."


def _dominated_sentence(beaten: list[Dominated]) -> str:
    if not beaten:
        return "No strategy is dominated by another."
    return " ".join(f"“{item.strategy}” is dominated by “{item.by}”." for item in beaten)


def _use_sentences(record: IndexRecord) -> list[str]:
    """For each index of a strategy, the statements that it saves many buffers, and who cannot use it."""
    told = []
    for use in record.study.index_uses:
        gains = [gain for statement in use.statements if (gain := _gain(record, use.strategy, statement)) is not None]
        served = [
            f"{gain.statement} ({format_number(gain.before, 0)} to {format_number(gain.after, 0)} buffers)"
            for gain in gains
            if _is_worth(gain.before, gain.after)
        ]
        whole = {gain.statement for gain in gains if _is_worth(gain.before, gain.after)}
        # Beside what policies read for each row, what an index saves can be small.
        served += [
            f"{scan.statement} where no policy binds it ({format_number(scan.baseline_buffers, 0)} to "
            f"{format_number(scan.buffers, 0)} buffers{_lost_text(scan)})"
            for scan in use.scans
            if scan.statement not in whole and _is_worth(scan.baseline_buffers, scan.buffers)
        ]
        lost = f"saves no statement {100 * WORTH_AN_INDEX_SHARE:.0f} % of its buffers"
        what = f"serves {and_list(served)}" if served else lost
        idle = [
            f"{scan.statement} ({format_number(scan.baseline_buffers, 0)} to {format_number(scan.buffers, 0)} buffers)"
            for scan in use.scans
            if scan.statement not in whole and not _is_worth(scan.baseline_buffers, scan.buffers)
        ]
        little = f", saves little of {and_list(idle)}" if idle and served else ""
        told.append(f"{use.name} of “{use.strategy}” {what}{little}{_unfit_text(use)}.")
    return told


def _lost_text(scan: IndexScan) -> str:
    lost = scan.index_only and not scan.index_only_with_policies
    return ", by the index alone; a policy asks for columns that it does not hold" if lost else ""


def _is_worth(before: float, after: float) -> bool:
    return after <= (1 - WORTH_AN_INDEX_SHARE) * before


def _unfit_text(use: IndexUse) -> str:
    """`, and cannot serve a and b (the statement says nothing of c, its first column)`."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for statement, why in use.unfit_for.items():
        reasons[why].append(statement)
    return "".join(f", and cannot serve {and_list(names)} ({why})" for why, names in reasons.items())


@dataclass(frozen=True)
class _Gain:
    """A statement in the class in which a strategy saves it most."""

    statement: str
    parameter_class: str
    before: float  # buffers under the baseline
    after: float


def _gain(record: IndexRecord, strategy: str, statement: str) -> _Gain | None:
    groups = record.grouped()
    gains = [
        _Gain(*cell, buffers_of(groups[record.baseline, cell]), buffers_of(lines))
        for (name, cell), lines in groups.items()
        if name == strategy and cell[0] == statement and (record.baseline, cell) in groups
    ]
    return min(gains, key=lambda gain: gain.after / max(gain.before, 1.0), default=None)


def _use_table(record: IndexRecord) -> Table:
    columns = ("index", "strategy", "statement", "class", "baseline", "with it")
    rows: list[tuple[Cell, ...]] = []
    for use in record.study.index_uses:
        for statement in use.statements:
            gain = _gain(record, use.strategy, statement)
            if gain is None:
                continue
            labels = {"index": use.name, "strategy": use.strategy, "statement": statement}
            rows.append((
                use.name,
                use.strategy,
                statement,
                gain.parameter_class,
                Number(number_key(NAME, "use_baseline_buffers", labels), gain.before, digits=0),
                Number(number_key(NAME, "use_buffers", labels), gain.after, digits=0),
            ))  # fmt: skip
        rows += [
            (use.name, use.strategy, statement, "passed over in all", "–", "–") for statement in use.passed_over_by
        ]
    caption = "Buffers of the statements that use an index, in the class that it saves most"
    return Table(caption, tuple(Column(name) for name in columns), tuple(rows))


def _matrix(record: IndexRecord, measure: str, caption: str) -> Table:
    groups = record.grouped()
    cells = sorted({cell for _, cell in groups})
    columns = (Column("statement"), Column("class"), *(Column(name) for name in record.strategies))
    rows = tuple(
        (*cell, *(_figure(measure, name, cell, groups.get((name, cell))) for name in record.strategies))
        for cell in cells
    )
    return Table(caption, columns, rows)


def _figure(measure: str, strategy: str, cell: tuple[str, str], lines: list[QueryLine] | None) -> Cell:
    key = number_key(NAME, measure, {"strategy": strategy, "statement": cell[0], "parameter_class": cell[1]})
    if not lines:
        return Number(key, None)
    if measure == "buffers":
        return Number(key, buffers_of(lines), digits=0, link=f"plans/{quote(lines[-1].plan)}")
    if measure == "p50":
        return Number(key, median([median(line.latency_us) for line in lines]), "µs", digits=0)
    values = sorted(value for line in lines for value in line.latency_us)
    highest = values[math.ceil(0.99 * len(values)) - 1]
    return Number(key, highest, "µs", digits=0, weak=len(values) < values_needed(99))


def _mix_table(told: list[Mix]) -> Table:
    columns = (Column("reads", "%"), Column("cheapest"), Column("cost", "µs"), Column("indistinguishable from it"))
    rows: list[tuple[Cell, ...]] = []
    for mix in told:
        labels = {"reads": f"{mix.read_share:.1f}"}
        rows.append((
            Number(number_key(NAME, "read_percent", labels), 100 * mix.read_share, digits=0),
            mix.best,
            Number(number_key(NAME, "mix_cost_us", labels), mix.cost_us, "µs"),
            and_list(list(mix.indistinguishable)) or "–",
        ))  # fmt: skip
    return Table("The cheapest strategy for each share of reads", columns, tuple(rows))


def _cause_table(causes: tuple[Cause, ...]) -> Table:
    """One line per strategy, statement and cause; the classes that share it together."""
    classes: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for cause in causes:
        classes[cause.strategy, cause.statement, cause.sentence].append(cause.parameter_class)
    columns = tuple(Column(name) for name in ("strategy", "statement", "classes", "because"))
    rows = tuple(
        (strategy, statement, ", ".join(dict.fromkeys(names)), sentence)
        for (strategy, statement, sentence), names in classes.items()
    )
    return Table(f"Why cells are as they are ({format_number(len(rows))} causes)", columns, rows)
