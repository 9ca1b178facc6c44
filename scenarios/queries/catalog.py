"""What the database's catalog says of indexes, and which columns a write changes."""

import json
from dataclasses import dataclass

import asyncpg

from reference_server.statements import read_statement
from scenarios.queries.parameter_classes import SQL_FOLDER

# Access methods that index ranges of pages: PostgreSQL 16 and later keep updates of their columns heap-only.
SUMMARISING_METHODS = ("brin",)


@dataclass(frozen=True)
class IndexFacts:
    """One index."""

    name: str
    table: str
    method: str
    keys: tuple[str, ...]  # in order, as PostgreSQL writes them
    columns: tuple[str, ...]  # all that it depends on: keys, included ones, predicate, expressions
    predicate: str | None
    bytes: int


async def read_indexes(admin: asyncpg.Connection) -> list[IndexFacts]:
    """Every index of the chat's tables, by name."""
    rows = await admin.fetch(read_statement(SQL_FOLDER / "index_catalog.sql").text)
    return [
        IndexFacts(
            name=row["name"],
            table=row["table_name"],
            method=row["method"],
            keys=tuple(row["keys"]),
            columns=tuple(row["columns"]),
            predicate=row["predicate"],
            bytes=row["bytes"],
        )
        for row in rows
    ]


@dataclass(frozen=True)
class WrittenRow:
    """A row as a transaction left it."""

    table: str
    text: str  # as JSON
    before: str  # the query that gives the row of the same key, with the text as its parameter


async def written_rows(admin: asyncpg.Connection) -> list[WrittenRow]:
    """What the administrator's open transaction has written: nobody else sees all of it, whatever policies say."""
    return [
        WrittenRow(commands["table_name"], text, commands["before"])
        for commands in await admin.fetch(read_statement(SQL_FOLDER / "changed_rows_commands.sql").text)
        for (text,) in await admin.fetch(commands["written"])
    ]


async def changed_columns(rows: list[WrittenRow], admin: asyncpg.Connection) -> dict[str, set[str]]:
    """Table → the columns in which rows that were taken back differ from what is there; new rows do not count."""
    changed: dict[str, set[str]] = {}
    for row in rows:
        before = await admin.fetchval(row.before, row.text)
        if before is None:
            continue  # a new row
        then, now = json.loads(before), json.loads(row.text)
        columns = {name for name in now if now[name] != then.get(name)}
        changed.setdefault(row.table, set()).update(columns)
    return changed


def heap_only_blockers(indexes: list[IndexFacts], changed: dict[str, set[str]]) -> dict[tuple[str, str], list[str]]:
    """(table, changed column) → the indexes that hold it: why an update could not stay on its page alone."""
    found: dict[tuple[str, str], list[str]] = {}
    for index in indexes:
        for column in sorted(changed.get(index.table, set()) & set(index.columns)):
            if index.method not in SUMMARISING_METHODS:
                found.setdefault((index.table, column), []).append(index.name)
    return found
