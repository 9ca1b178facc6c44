"""The operator's desk of the migration: its state, commands, roll-out and verification.

Each request has a connection of its own, an administrator's: the pool's role may do none of this, and operators ask
seldom. What is decided is in the database, so every server process on it follows.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from reference_server import logs
from reference_server.errors import ConflictError, RefusedError, UnavailableError
from reference_server.migration import STARTABLE_PHASES, Command
from reference_server.migration_records import Migration, VerificationCheck
from reference_server.pool import CONNECTION_ERRORS
from reference_server.statement_times import TimedConnection, TimedStatement

_log = logging.getLogger(__name__)

LOCK_TIMEOUT = "5s"  # a command that waits longer for somebody's transaction is refused, and may be repeated
_CONFLICT = "CB409"  # raised by the functions for a command that does not fit the phase


@asynccontextmanager
async def administrator(
    url: str, application_name: str, statements: Mapping[str, TimedStatement], lock_timeout: str = LOCK_TIMEOUT
) -> AsyncIterator[TimedConnection]:
    """A connection that waits for no lock longer than that; closed in the end, also when it is broken."""
    settings = {"application_name": application_name, "lock_timeout": lock_timeout}
    kind = type("NamingConnection", (TimedConnection,), {"statements": statements})
    connection: TimedConnection = await asyncpg.connect(
        url, connection_class=kind, server_settings=settings, timeout=10
    )
    try:
        yield connection
    finally:
        with contextlib.suppress(*CONNECTION_ERRORS):
            await connection.close(timeout=5)


class MigrationDesk:
    """What operators may do; `on_change` is called after every command that may give the backfill something to do."""

    def __init__(self, url: str, statements: Mapping[str, TimedStatement], on_change: Callable[[], None]) -> None:
        self._url = url
        self._statements = statements
        self._on_change = on_change

    async def state(self) -> Migration:
        """Where the migration is."""
        return _migration(await self._fetch("get_migration"))

    async def start(self, batch_messages: int | None, pause_seconds: float | None) -> Migration:
        """Starts at a pace of one's own; ConflictError, with the pace unchanged, when it has been started."""
        is_given = batch_messages is not None or pause_seconds is not None
        if is_given and (await self.state()).phase in STARTABLE_PHASES:
            await self.set_pace(batch_messages, pause_seconds)
        return await self.command("start")

    async def command(self, command: Command) -> Migration:
        """Carries out a command; ConflictError when it does not fit the phase."""
        if command in ("abort", "roll_back"):
            # The backfill rests first: filling the older schema may take a while, and nothing need be copied in it.
            with contextlib.suppress(ConflictError):  # it rests already, or there is nothing to roll back
                await self._fetch("change_migration", "pause")
        state = _migration(await self._fetch("change_migration", command))
        rollout = state.rollout_percentage
        logs.event(_log, logging.INFO, "migration_changed", command=command, phase=state.phase, percentage=rollout)
        self._on_change()
        return state

    async def set_rollout(self, percentage: int) -> Migration:
        """Changes who is sent to the new chat, from the next request on."""
        state = _migration(await self._fetch("set_rollout", percentage))
        logs.event(_log, logging.INFO, "rollout_changed", phase=state.phase, percentage=percentage)
        return state

    async def set_pace(self, batch_messages: int | None, pause_seconds: float | None) -> Migration:
        """Changes the throttle, from the next batch on."""
        state = _migration(await self._fetch("set_migration_pace", batch_messages, pause_seconds))
        pace: dict[str, Any] = {"batch_messages": state.batch_messages, "pause_seconds": state.pause_seconds}
        logs.event(_log, logging.INFO, "pace_changed", **pace)
        return state

    async def verify(self) -> list[VerificationCheck]:
        """Every check of verify_migration(), over all rows as they are at one moment."""
        checks = [VerificationCheck(*row) for row in await self._fetch("verify_migration")]
        failed = [check.check_name for check in checks if not check.is_ok]
        logs.event(_log, logging.ERROR if failed else logging.INFO, "migration_verified", failed_checks=failed)
        return checks

    async def _fetch(self, statement: str, *arguments: Any) -> list[Any]:
        try:
            async with administrator(self._url, "chatbench operator", self._statements) as connection:
                return await connection.fetch_rows(statement, *arguments)
        except asyncpg.LockNotAvailableError as error:
            raise UnavailableError("another transaction is in the way; try again") from error
        except asyncpg.PostgresError as error:
            if error.sqlstate == _CONFLICT:
                raise ConflictError(str(error)) from error
            if isinstance(error, CONNECTION_ERRORS):
                raise UnavailableError("the database does not answer; try again") from error
            raise
        except CONNECTION_ERRORS as error:
            if isinstance(error, RefusedError | ValueError):
                raise
            raise UnavailableError("the database does not answer; try again") from error


def _migration(rows: list[Any]) -> Migration:
    return Migration(*rows[0])
