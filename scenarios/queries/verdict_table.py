"""The verdicts of a comparison for people (a table) and for programs (a JSON document)."""

from dataclasses import asdict
from typing import Any

import msgspec
from rich.table import Table

from scenarios.queries.laboratory import LaboratoryResult, result_in
from scenarios.queries.sittings import find_record
from scenarios.queries.verdicts import CONFIDENCE, Cell, Interval
from scenarios.run_folder import RunFolder

_COLUMNS = (
    ("statement", "left"),
    ("class", "left"),
    ("strategy", "left"),
    ("rows", "right"),
    ("buffers", "right"),
    ("WAL B", "right"),
    ("HOT %", "right"),
    ("p50 µs", "right"),
    ("p99 µs", "right"),
    ("÷ baseline", "right"),
    ("verdict", "left"),
    ("would find", "right"),
)


def read_result(folder: RunFolder) -> LaboratoryResult | None:
    """What the laboratory found, from a run folder; None when it did not measure there."""
    return result_in(folder) if find_record(folder) is not None else None


def verdict_table(result: LaboratoryResult) -> Table:
    """One line per statement, parameter class and strategy, the baseline first."""
    caption = (
        f"Baseline: {result.baseline}. Brackets: {CONFIDENCE:.0%} interval over blocks. "
        "Buffers, WAL and HOT are exact counters of one execution; "
        "'would find' is the smallest difference this run could have seen."
    )
    table = Table(title="Index strategies", caption=caption)
    for header, side in _COLUMNS:
        table.add_column(header, justify="right" if side == "right" else "left", no_wrap=side == "right")
    previous = None
    for cell in result.cells:
        question = (cell.statement, cell.parameter_class)
        if previous is not None and previous != question:
            table.add_section()
        table.add_row(*(question if previous != question else ("", "")), *_figures(cell, result))
        previous = question
    return table


def document(result: LaboratoryResult) -> dict[str, Any]:
    """Everything in the result, of JSON's types alone."""
    return {
        "baseline": result.baseline,
        "cut_short": result.cut_short,
        "wrong": [list(item) for item in sorted(result.wrong)],
        "cells": [{**asdict(cell), "verdict": verdict_word(cell, result)} for cell in result.cells],
        "record": msgspec.to_builtins(result.record),
    }


def verdict_word(cell: Cell, result: LaboratoryResult) -> str:
    """One word: other rows are wrong whatever the time; the baseline is compared with nothing."""
    if (cell.statement, cell.parameter_class, cell.strategy) in result.wrong:
        return "wrong"
    return cell.comparison.verdict if cell.comparison else "baseline" if cell.strategy == result.baseline else "unsure"


def _figures(cell: Cell, result: LaboratoryResult) -> tuple[str, ...]:
    comparison = cell.comparison
    effect = comparison.smallest_effect if comparison else None
    return (
        cell.strategy,
        str(cell.rows),
        _count(cell.buffers),
        _count(cell.wal_bytes) if cell.wal_bytes else "",
        "" if cell.hot_share is None else f"{100 * cell.hot_share:.0f}",
        _interval(cell.latency_us_p50, ".0f"),
        f"{cell.latency_us_p99:.0f}",
        _interval(comparison.ratio, ".2f") if comparison else "",
        verdict_word(cell, result),
        ("unsure" if comparison else "") if effect is None else f"±{100 * effect:.0f} %",
    )


def _interval(interval: Interval | None, form: str) -> str:
    if interval is None:
        return "–"
    if interval.low is None or interval.high is None:
        return f"{interval.estimate:{form}} (not bounded)"
    return f"{interval.estimate:{form}} [{interval.low:{form}}–{interval.high:{form}}]"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")
