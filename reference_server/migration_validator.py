"""The continuous validator: compares both schemas user by user, round and round.

verify_migration() reads everything when it is asked. This reads a few users at a time, for as long as both schemas are
written, and tells the monitoring.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from reference_server import logs
from reference_server.metrics import Metrics
from reference_server.migration_desk import administrator
from reference_server.pool import CONNECTION_ERRORS
from reference_server.statement_times import TimedStatement

_FIRST = UUID(int=0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UserComparison:
    """What one user has sent over migrated connections, on both sides."""

    user_id: UUID
    old_messages: int
    new_messages: int
    checksums_agree: bool

    @property
    def agrees(self) -> bool:
        """True when both sides hold the same messages."""
        return self.checksums_agree and self.old_messages == self.new_messages


class Rounds:
    """Who is next, and who differed when last compared. Pure: comparisons in, figures out."""

    def __init__(self, user_count: int) -> None:
        self.user_count = user_count  # at a time
        self.after_user_id = _FIRST
        self.differing: set[UUID] = set()

    def take(self, comparisons: Iterable[UserComparison]) -> list[UserComparison]:
        """Notes the comparisons of the users after `after_user_id`; those that differ and did not before."""
        listed = list(comparisons)
        fresh = [item for item in listed if not item.agrees and item.user_id not in self.differing]
        for item in listed:
            if item.agrees:
                self.differing.discard(item.user_id)
            else:
                self.differing.add(item.user_id)
        self.after_user_id = listed[-1].user_id if len(listed) == self.user_count else _FIRST
        return fresh


class MigrationValidator:
    """Compares the next users every few seconds, unless the migration has never begun."""

    def __init__(
        self,
        url: str,
        statements: Mapping[str, TimedStatement],
        metrics: Metrics,
        *,
        user_count: int,
        interval_seconds: float,
    ) -> None:
        self._url = url
        self._metrics = metrics
        self._rounds = Rounds(user_count)
        self._interval_seconds = interval_seconds
        self._statements = statements

    @asynccontextmanager
    async def running(self) -> AsyncIterator["MigrationValidator"]:
        """Works in the background."""
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self._compare()
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                reason = str(error) or type(error).__name__
                logs.event(_log, logging.WARNING, "validation_interrupted", reason=reason)
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the comparing without a word
                logs.event(_log, logging.ERROR, "validation_failed", error=error)

    async def _compare(self) -> None:
        async with administrator(self._url, "chatbench validator", self._statements) as connection:
            (state,) = await connection.fetch_rows("get_migration")
            if state["phase"] == "off":
                return
            rows = await connection.fetch_rows("validate_users", self._rounds.after_user_id, self._rounds.user_count)
        for item in self._rounds.take(UserComparison(*row) for row in rows):
            logs.event(
                _log,
                logging.ERROR,
                "migration_mismatch",
                user_id=str(item.user_id),
                older_messages=item.old_messages,
                newer_messages=item.new_messages,
                checksums_agree=item.checksums_agree,
            )
        self._metrics.migration_validated_users.inc(len(rows))
        self._metrics.migration_mismatches.set(len(self._rounds.differing))
