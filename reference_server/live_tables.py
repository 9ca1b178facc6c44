"""Who is present and who is typing, by UNLOGGED tables: rows follow memory, and answers are read from rows.

Rows are written as the user whom they are about and read as the caller, under row-level security. For one server
process per database: each starts by making everyone offline.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from reference_server.frames import PresenceEvent
from reference_server.metrics import Metrics
from reference_server.pool import AppPool
from reference_server.presence_desk import PresenceDesk
from reference_server.statement_times import TimedStatement
from reference_server.typing_desk import TypingDesk
from reference_server.typists import Place
from reference_server.write_behind import WriteBehind

Key = UUID | Place  # a user's presence, or their typing in a conversation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def reset_tables(connection: asyncpg.Connection, statements: Mapping[str, TimedStatement]) -> None:
    """Nobody is present and nobody is typing; when they were last seen stays. By the administrator's connection."""
    for name in ("reset_presence", "reset_typing"):
        await statements[name].execute(connection.execute)


class TableState:
    """Writes what the desks say, and answers from what is written."""

    def __init__(
        self, pool: AppPool, presence: PresenceDesk, typing: TypingDesk, metrics: Metrics, *, queue_max: int
    ) -> None:
        self._pool = pool
        self._presence = presence.presence
        self._typists = typing.typists
        self._now = typing.now
        self._rows: WriteBehind[Key] = WriteBehind(queue_max, metrics)
        # Conversation → users whose typing has changed and is not written: an answer waits for those who ended, too.
        self._unwritten: dict[UUID, set[UUID]] = {}
        self._presence.on_change = self._rows.mark
        self._typists.on_change = self._mark_typing

    @asynccontextmanager
    async def writing(self, drain_seconds: float) -> AsyncIterator[None]:
        """Rows follow; in the end, what waits is written for as long as is given."""
        async with self._rows.writing(self._write, self._known, drain_seconds):
            yield

    async def presence(self, caller_id: UUID, user_ids: Sequence[UUID]) -> tuple[PresenceEvent, ...]:
        """The rows, once they hold what was known when this was asked."""
        await self._rows.settle(user_ids)
        async with self._pool.as_user(caller_id) as connection:
            rows = await connection.fetch_rows("list_presence", list(user_ids))
        known = {row["user_id"]: row for row in rows}
        return tuple(_presence_event(user_id, known.get(user_id)) for user_id in user_ids)

    async def typists(self, caller_id: UUID, conversation_id: UUID) -> tuple[UUID, ...]:
        """The same."""
        concerned = {*self._typists.told(conversation_id), *self._unwritten.get(conversation_id, ())}
        await self._rows.settle((conversation_id, user_id) for user_id in concerned)
        async with self._pool.as_user(caller_id) as connection:
            rows = await connection.fetch_rows("list_typing", conversation_id)
        return tuple(sorted(row["user_id"] for row in rows if row["user_id"] != caller_id))

    def _mark_typing(self, place: Place) -> None:
        conversation_id, user_id = place
        self._unwritten.setdefault(conversation_id, set()).add(user_id)
        self._rows.mark(place)

    def _known(self) -> Iterable[Key]:
        unwritten = ((conversation, user) for conversation, users in self._unwritten.items() for user in users)
        return (*self._presence.user_ids(), *self._typists.places(), *unwritten)

    async def _write(self, key: Key) -> None:
        if isinstance(key, tuple):
            try:
                await self._write_typing(key)
            except asyncpg.PostgresError:
                self._note_written(key)  # it is refused, and not tried again
                raise
            self._note_written(key)
        else:
            await self._write_presence(key)

    def _note_written(self, place: Place) -> None:
        if self._rows.is_marked(place):
            return  # it has changed again meanwhile
        conversation_id, user_id = place
        users = self._unwritten.get(conversation_id, set())
        users.discard(user_id)
        if not users:
            self._unwritten.pop(conversation_id, None)

    async def _write_presence(self, user_id: UUID) -> None:
        async with self._pool.as_user(user_id) as connection:
            state, seen_at_ms = self._presence.state(user_id), self._presence.seen_at_ms(user_id)
            if seen_at_ms is not None:
                seen_at = _EPOCH + timedelta(milliseconds=seen_at_ms)
                await connection.fetch_rows("write_presence", user_id, state.status, state.version, seen_at)

    async def _write_typing(self, place: Place) -> None:
        conversation_id, user_id = place
        async with self._pool.as_user(user_id) as connection:
            expires_at = self._typists.expires_at(place)
            if expires_at is None:
                await connection.fetch_rows("end_typing", conversation_id)
            else:
                remaining_seconds = max(0.0, expires_at - self._now())
                await connection.fetch_rows("write_typing", conversation_id, user_id, remaining_seconds)


def _presence_event(user_id: UUID, row: asyncpg.Record | None) -> PresenceEvent:
    if row is None:
        return PresenceEvent(user_id=user_id, status="offline", version=0)
    last_seen_ms = None
    if row["status"] == "offline" and row["last_seen_at"] is not None:
        last_seen_ms = (row["last_seen_at"] - _EPOCH) // timedelta(milliseconds=1)
    return PresenceEvent(user_id=user_id, status=row["status"], version=row["version"], last_seen_ms=last_seen_ms)
