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


async def changed_columns(session: asyncpg.Connection, admin: asyncpg.Connection) -> dict[str, set[str]]:
    """Table → the columns that the session's open transaction has changed in rows that were there before.

    Rows are compared with what the administrator's own session sees of them, which is how they were.
    """
    changed: dict[str, set[str]] = {}
    for commands in await admin.fetch(read_statement(SQL_FOLDER / "changed_rows_commands.sql").text):
        for (text,) in await session.fetch(commands["written"]):
            before = await admin.fetchval(commands["before"], text)
            if before is None:
                continue  # a new row
            then, now = json.loads(before), json.loads(text)
            columns = {name for name in now if now[name] != then.get(name)}
            changed.setdefault(commands["table_name"], set()).update(columns)
    return changed


def heap_only_blockers(indexes: list[IndexFacts], changed: dict[str, set[str]]) -> dict[tuple[str, str], list[str]]:
    """(table, changed column) → the indexes that hold it: why an update could not stay on its page alone."""
    found: dict[tuple[str, str], list[str]] = {}
    for index in indexes:
        for column in sorted(changed.get(index.table, set()) & set(index.columns)):
            if index.method not in SUMMARISING_METHODS:
                found.setdefault((index.table, column), []).append(index.name)
    return found
