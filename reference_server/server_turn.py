"""Whether this process alone serves its database: taken at the start, and again whenever it was lost or becomes free.

A process without the turn serves on and stays ready: turning it away would make of a missing event a missing service.
Log and metric say that it is not alone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg

from fixtures.database import redacted
from reference_server import logs
from reference_server.pool import CONNECTION_ERRORS
from reference_server.sole_work import Turn, sole_turn
from reference_server.statement_times import TimedStatement

RETRY_SECONDS = 1.0  # after it was lost, or while the database is away
POLL_SECONDS = 5.0  # how soon a server notices that the other one is gone

_HINT = "its users' events do not reach ours; stop one of the two"
_log = logging.getLogger(__name__)


class ServerTurn:
    """The server's turn at its database, held in the background for as long as that is possible."""

    def __init__(self, url: str, statements: Mapping[str, TimedStatement]) -> None:
        self._url = url
        self._take = statements["take_server_turn"]
        self._turn: Turn | None = None
        self._is_elsewhere = False  # another server has it, and that has been logged
        self._is_lost = False  # we had it, and its loss has been logged

    @classmethod
    @asynccontextmanager
    async def kept(cls, url: str, statements: Mapping[str, TimedStatement]) -> AsyncIterator["ServerTurn"]:
        """Yields after the first attempt. InputError when the database was made by a version that knew no turns."""
        kept = cls(url, statements)
        tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(kept._keep(tried))
        try:
            await tried
            yield kept
        finally:
            task.cancel()
            await asyncio.wait({task})

    @property
    def is_held(self) -> bool:
        """False when another process may serve the database too."""
        return self._turn is not None and self._turn.is_held

    async def _keep(self, tried: "asyncio.Future[None]") -> None:
        """Takes it again and again; what the first attempt raises goes to `tried`."""
        while True:
            try:
                await self._hold(tried)
            except Exception as error:  # noqa: BLE001 - whoever started us hears of it, or the log does
                if not tried.done():
                    tried.set_exception(error)
                    return
                if not isinstance(error, (*CONNECTION_ERRORS, asyncpg.PostgresError)):  # that is no outage
                    logs.event(_log, logging.ERROR, "server_turn_failed", error=error, retry_seconds=RETRY_SECONDS)
            await asyncio.sleep(POLL_SECONDS if self._is_elsewhere else RETRY_SECONDS)

    async def _hold(self, tried: "asyncio.Future[None]") -> None:
        """One attempt; when it succeeds, returns as the turn is lost."""
        async with sole_turn(self._url, self._take, "chatbench server turn") as turn:
            self._note(turn)
            if not tried.done():
                tried.set_result(None)
            if turn is not None:
                await turn.until_lost()
                self._is_lost = True
                logs.event(_log, logging.WARNING, "server_turn_lost", retry_seconds=RETRY_SECONDS)

    def _note(self, turn: Turn | None) -> None:
        self._turn = turn
        if turn is None:
            if not self._is_elsewhere:
                database = redacted(self._url)
                logs.event(_log, logging.WARNING, "another_server", database_url=database, hint=_HINT)
        elif self._is_lost or self._is_elsewhere:
            logs.event(_log, logging.INFO, "server_turn_taken", database_url=redacted(self._url))
        self._is_lost, self._is_elsewhere = False, turn is None
