"""The cluster that the laboratory works in: one laboratory at a time, and room on the disk."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from fixtures.database import is_local, redacted
from fixtures.errors import InputError
from fixtures.sizes import find_size
from reference_server.seed import template_name
from reference_server.statements import NOTHING, Statement, read_statement
from scenarios.queries.parameter_classes import SQL_FOLDER

# A copy grows by its indexes, by what the blocks write and by their WAL.
GROWTH_FACTOR = 1.5


@asynccontextmanager
async def laboratory_lock(connection: asyncpg.Connection, url: str) -> AsyncIterator[None]:
    """Holds the cluster's laboratory, until the connection dies at the latest; InputError when another one has it."""
    if not await connection.fetchval(_own("lock_laboratory").text):
        raise InputError(
            f"another query laboratory is at work at {redacted(url)}; wait for its end: two would measure each other"
        )
    try:
        yield
    finally:
        # Said, not left to the end of the connection, which the server notices some time later.
        await connection.execute(_own("unlock_laboratory").text)


async def database_bytes(connection: asyncpg.Connection, name: str) -> int | None:
    """The size of a database; None when there is none of that name."""
    size: int | None = await connection.fetchval(_own("database_bytes").text, name)
    return size


async def check_disk(connection: asyncpg.Connection, url: str, *, bytes_each: int, copies: int) -> None:
    """InputError when copies of a data set that is there will not fit."""
    await _require_room(connection, url, round(bytes_each * copies * GROWTH_FACTOR), f"{copies} copies of the data set")


async def check_disk_for_all(
    connection: asyncpg.Connection, url: str, copies: Sequence[tuple[str, int]], seed: int
) -> None:
    """InputError when all that is going to be made will not fit: (size, copies alive at once), one after the other.

    Asked before anything is made: a data set that is not there yet counts as what loading it takes, and stays.
    """
    loaded, alive = 0, 0
    for name in {name for name, _ in copies}:
        size = find_size(name)
        there = await database_bytes(connection, template_name(name, seed, NOTHING))
        loaded += size.disk_bytes if there is None else 0
        most = max(count for other, count in copies if other == name)
        alive = max(alive, round((there or size.disk_bytes) * most * GROWTH_FACTOR))
    await _require_room(
        connection, url, loaded + alive, ", then ".join(f"{count} copies of {name}" for name, count in copies)
    )


async def _require_room(connection: asyncpg.Connection, url: str, needed: int, what: str) -> None:
    """A server on another machine keeps its disk to itself, and a folder may be closed to this user."""
    data_folder = await connection.fetchval(_own("data_folder").text)
    free = free_bytes(Path(data_folder)) if data_folder is not None and is_local(url) else None
    if free is not None and needed > free:
        raise InputError(
            f"{what} need about {_mebibytes(needed)} and {data_folder} has {_mebibytes(free)} left; "
            "compare fewer strategies, leave out policies or sizes, or choose a smaller size"
        )


def free_bytes(folder: Path) -> int | None:
    """Free space where a folder lies; None when this user may not look."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _own(name: str) -> Statement:
    return read_statement(SQL_FOLDER / f"{name}.sql")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB".replace(",", " ")
