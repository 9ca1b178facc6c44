"""The cluster that the laboratory works in: one laboratory at a time, and room on the disk."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from fixtures.database import is_local, redacted
from fixtures.errors import InputError
from reference_server.statements import Statement, read_statement
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


async def database_bytes(connection: asyncpg.Connection, template: str) -> int:
    """The size of a database."""
    size: int = await connection.fetchval(_own("database_bytes").text, template)
    return size


async def check_disk(connection: asyncpg.Connection, url: str, *, bytes_each: int, copies: int) -> None:
    """InputError when the copies will not fit; a server on another machine keeps its disk to itself."""
    data_folder = await connection.fetchval(_own("data_folder").text)
    if data_folder is None or not is_local(url):
        return
    free = free_bytes(Path(data_folder))
    needed = round(bytes_each * copies * GROWTH_FACTOR)
    if free is not None and needed > free:
        raise InputError(
            f"{copies} copies of the data set need about {_mebibytes(needed)} and {data_folder} has "
            f"{_mebibytes(free)} left; compare fewer strategies or choose a smaller size"
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
