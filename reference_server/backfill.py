"""The backfill: copies connection after connection in the background, in batches, with a pause after each.

All of its state is in the database. It may be killed at any moment: a connection is copied whole in one transaction
that also notes that it has been visited, and whoever comes next goes on behind it. One server process copies at a
time; a lock decides which (`sole_work`), and PostgreSQL releases it however its holder dies.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from reference_server import logs
from reference_server.errors import RefusedError
from reference_server.event_waits import wait_for_event
from reference_server.metrics import Metrics
from reference_server.migration_desk import administrator
from reference_server.pool import CONNECTION_ERRORS
from reference_server.sole_work import Turn, sole_turn
from reference_server.statement_times import TimedConnection, TimedStatement

OnCopied = Callable[[UUID, UUID, int], Awaitable[None]]  # a participant, the conversation, its newest seq

POLL_SECONDS = 5.0  # how soon a server notices a migration that another one's operator started, or left
RETRY_SECONDS = 1.0  # after the database went away, or when everything that is left is locked
PROGRESS_SECONDS = 10.0  # between two lines of the log that tell how far it is
LISTED_CONNECTIONS = 200  # read ahead; the pace is read again with each list and after each pause

LOCK_TIMEOUT = "1s"  # for one connection; senders queue behind whoever waits for it

_log = logging.getLogger(__name__)


class Backfill:
    """Works whenever the migration's phase is `running`; asleep otherwise."""

    def __init__(
        self, url: str, statements: Mapping[str, TimedStatement], metrics: Metrics, on_copied: OnCopied
    ) -> None:
        self._url = url
        self._metrics = metrics
        self._on_copied = on_copied
        self._statements = statements
        self._awake = asyncio.Event()
        self._stopping = False
        self._is_begun = False  # this process copies, and that has been logged
        self._is_elsewhere = False  # another process copies, and that has been logged
        self._copied: dict[str, Any] = {"connections": 0, "messages": 0}  # since the work began that is under way
        self._told_at = 0.0  # when progress was logged last, by the monotonic clock

    def wake(self) -> None:
        """Looks at the phase now rather than at the next poll."""
        self._awake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Backfill"]:
        """Works in the background; ends between two connections, never within one."""
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            self._stopping = True
            self.wake()
            await task

    async def _run(self) -> None:
        while not self._stopping:
            self._awake.clear()
            delay = POLL_SECONDS
            try:
                async with administrator(self._url, "chatbench backfill", self._statements, LOCK_TIMEOUT) as connection:
                    (state,) = await connection.fetch_rows("get_migration")
                    if state["phase"] == "running":
                        take = self._statements["take_backfill_turn"]
                        async with sole_turn(self._url, take, "chatbench backfill turn") as turn:
                            self._note_turn(state, is_ours=turn is not None)
                            delay = await self._work(connection, turn) if turn else POLL_SECONDS
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                reason = str(error) or type(error).__name__
                logs.event(_log, logging.WARNING, "backfill_interrupted", reason=reason, retry_seconds=RETRY_SECONDS)
                delay, self._is_begun = RETRY_SECONDS, False
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the backfill for good
                logs.event(_log, logging.ERROR, "backfill_failed", error=error, retry_seconds=POLL_SECONDS)
                delay, self._is_begun = POLL_SECONDS, False
            await self._rest(delay)

    def _note_turn(self, state: Any, *, is_ours: bool) -> None:
        if is_ours and not self._is_begun:
            self._is_begun = True
            self._copied = {"connections": 0, "messages": 0}
            fields = {name: state[name] for name in ("batch_messages", "pause_seconds", "connections_copied")}
            logs.event(_log, logging.INFO, "backfill_started", **fields)
        elif not is_ours and not self._is_elsewhere:
            logs.event(_log, logging.INFO, "backfill_elsewhere", poll_seconds=POLL_SECONDS)
        self._is_elsewhere = not is_ours

    async def _work(self, connection: TimedConnection, turn: Turn) -> float:
        """Passes over what is left until nothing is, or nothing is wanted; how long to rest then."""
        unpaused_messages = 0
        while turn.is_held and not self._stopping:
            self._awake.clear()  # whoever wakes it from here on wants it to look again
            listed = await connection.fetch_rows("list_unmigrated_connections", LISTED_CONNECTIONS)
            if not listed:
                return RETRY_SECONDS if await self._is_left(connection) else POLL_SECONDS
            for connection_id, batch_messages, pause_seconds in listed:
                unpaused_messages += await self._copy(connection, connection_id)
                if unpaused_messages >= batch_messages or self._stopping:
                    unpaused_messages = 0
                    self._note_progress()
                    await self._rest(pause_seconds)
                    break  # phase and pace may have changed
        return 0.0

    def _note_progress(self) -> None:
        if time.monotonic() - self._told_at > PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            logs.event(_log, logging.INFO, "backfill_progress", **self._copied)

    async def _is_left(self, connection: TimedConnection) -> bool:
        """Ends the pass; True when connections were passed over and the next pass has to visit them."""
        phase = await connection.fetch_value("finish_backfill")
        if phase == "running":
            self._note_progress()
            return True
        self._is_begun = False
        name = "backfill_finished" if phase == "complete" else "backfill_stopped"
        logs.event(_log, logging.INFO, name, phase=phase, **self._copied)
        return False

    async def _copy(self, connection: TimedConnection, connection_id: UUID) -> int:
        """Copies one connection, or leaves it to the next pass; how much work that was, in messages."""
        try:
            rows = await connection.fetch_rows("backfill_connection", connection_id)
        except CONNECTION_ERRORS:
            raise
        except asyncpg.PostgresError as error:
            if not isinstance(error, asyncpg.LockNotAvailableError | asyncpg.DeadlockDetectedError):
                about: dict[str, Any] = {"connection_id": str(connection_id), "reason": str(error)}
                logs.event(_log, logging.ERROR, "connection_not_copied", **about)
            self._metrics.migration_passed_over.inc()
            await connection.fetch_rows("pass_over_connection", connection_id)
            return 1
        for conversation_id, messages, last_seq, participant_id in rows:
            self._metrics.migrated_connections.inc()
            self._metrics.migrated_messages.inc(messages)
            self._copied["connections"] += 1
            self._copied["messages"] += messages
            with contextlib.suppress(RefusedError):  # live subscribers learn of it with the next message instead
                await self._on_copied(participant_id, conversation_id, last_seq)
            return 1 + int(messages)  # an empty connection is work too
        return 1

    async def _rest(self, seconds: float) -> None:
        if not self._stopping:
            await wait_for_event(self._awake, seconds)
