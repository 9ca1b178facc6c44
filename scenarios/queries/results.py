"""Whether two strategies answer a statement alike. An index may change how rows are found, never which."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

Row = tuple[Any, ...]

_MADE_BY_SERVER = "made by the server"


def masked(rows: Sequence[Row], arguments: Sequence[Any]) -> list[Row]:
    """The rows of a write, with ids and times that the server made up and may make up differently taken out."""
    given = {value for value in arguments if isinstance(value, UUID | datetime)}
    return [
        tuple(_MADE_BY_SERVER if isinstance(value, UUID | datetime) and value not in given else value for value in row)
        for row in rows
    ]


def is_ordered(text: str) -> bool:
    """True when a statement promises an order of its rows."""
    return re.search(r"\bORDER\s+BY\b", text, re.IGNORECASE) is not None


def difference(expected: Sequence[Row], found: Sequence[Row], *, ordered: bool) -> str | None:
    """In words, how the found rows differ from the expected ones; None when they are the same."""
    expected_keys = [_key(row) for row in expected]
    found_keys = [_key(row) for row in found]
    missing = Counter(expected_keys) - Counter(found_keys)
    extra = Counter(found_keys) - Counter(expected_keys)
    parts = [
        f"{rows.total()} {what}, such as {next(iter(rows))}"
        for rows, what in ((missing, "missing"), (extra, "that should not be there"))
        if rows
    ]
    if parts:
        return "; ".join(parts)
    if ordered and expected_keys != found_keys:
        position = next(
            number for number, pair in enumerate(zip(expected_keys, found_keys, strict=True)) if pair[0] != pair[1]
        )
        return f"the same rows in another order from row {position + 1} on"
    return None


def _key(row: Row) -> str:
    """A row as text: lists and the like are no dictionary keys."""
    return "(" + ", ".join("NULL" if value is None else str(value) for value in row) + ")"
