"""Work that one server process of a database does at a time: the right to it is a lock on a table of its own.

Nobody but the administrator may lock the table, so a user with SQL in hand cannot keep the work from being done. The
lock lives in a transaction of a connection of its own, which does nothing else: it holds no snapshot, so neither vacuum
nor CREATE INDEX CONCURRENTLY waits for it, and PostgreSQL ends it however its holder dies.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from fixtures.database import redacted
from fixtures.errors import InputError
from reference_server.pool import CONNECTION_ERRORS
from reference_server.statement_times import TimedStatement


class Turn:
    """The right to some work, for as long as its connection lives."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: self._lost.set())

    @property
    def is_held(self) -> bool:
        """False when the connection was lost: somebody else may be at work."""
        return not self._connection.is_closed()

    async def until_lost(self) -> None:
        """Returns when the connection is lost."""
        await self._lost.wait()


@asynccontextmanager
async def sole_turn(url: str, take: TimedStatement, application_name: str) -> AsyncIterator[Turn | None]:
    """The right that a statement takes, while the block lasts; None when another process has it.

    InputError when the database was made by a version that knew no such work.
    """
    settings = {"application_name": application_name, "idle_in_transaction_session_timeout": "0"}
    connection = await asyncpg.connect(url, server_settings=settings, timeout=10)
    try:
        await connection.execute("BEGIN")
        try:
            await take.execute(connection.execute)
        except asyncpg.LockNotAvailableError:
            await connection.close(timeout=5)
            yield None
            return
        except asyncpg.UndefinedTableError as error:
            raise InputError(
                f"{redacted(url)} was filled by another version of chatbench ({error}); fill it again with: "
                f"chatbench seed --database-url {redacted(url)}"
            ) from error
        yield Turn(connection)
    finally:
        with contextlib.suppress(*CONNECTION_ERRORS, asyncio.TimeoutError):
            await connection.close(timeout=5)
