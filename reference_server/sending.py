"""Sending: a message is stored once and published once, in one order per conversation.

A send whose outcome never came back (the database died between commit and answer) may be stored and not published.
Its successor notices the gap in the seqs and publishes what is missing first; so does a retry, and so does a resume.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from reference_server.errors import ConflictError, NotFoundError, RefusedError
from reference_server.frames import MessageEvent
from reference_server.metrics import Metrics
from reference_server.outbox import Publish
from reference_server.pool import ActingConnection, AppPool
from reference_server.records import Message, message_of
from reference_server.rooms import Room, Rooms, not_in

T = TypeVar("T")
Store = Callable[[ActingConnection], Awaitable[tuple[T, int | None]]]


class Sender:
    """Stores and publishes messages. `publish` delivers an event to the members given."""

    def __init__(self, pool: AppPool, rooms: Rooms, publish: Publish, metrics: Metrics) -> None:
        self._pool = pool
        self._rooms = rooms
        self._publish = publish
        self._metrics = metrics

    async def send(self, user_id: UUID, conversation_id: UUID, content: str, client_id: UUID) -> tuple[Message, bool]:
        """The message as stored, and whether it is new. Published before this returns."""
        return await self._rooms.unbroken(self._send(user_id, conversation_id, content, client_id))

    async def store_otherwise(self, user_id: UUID, conversation_id: UUID, store: Store[T]) -> T:
        """What `store` gives, called in the conversation's turn to store a message by other means than a send.

        `store` tells the message's seq as well; it is published like a sent one before this returns.
        """
        return await self._rooms.unbroken(self._store_otherwise(user_id, conversation_id, store))

    async def publish_stored(self, user_id: UUID, conversation_id: UUID, seq: int) -> None:
        """Publishes a message that was stored by other means and without the conversation's turn."""

        async def stored(_connection: ActingConnection) -> tuple[None, int]:
            return None, seq

        await self._rooms.unbroken(self._store_otherwise(user_id, conversation_id, stored, published_seq=seq - 1))

    async def settle(self, user_id: UUID, conversation_id: UUID, seq: int) -> None:
        """Returns when every message up to `seq`, stored by this time, has been published or never will be."""
        room = self._rooms.find(conversation_id)
        self._rooms.flush()
        if room is not None and (room.turn.locked() or (room.published_seq or 0) < seq):
            await self._rooms.unbroken(self._settle(user_id, room, seq))

    async def _send(self, user_id: UUID, conversation_id: UUID, content: str, client_id: UUID) -> tuple[Message, bool]:
        try:
            async with self._rooms.turn(user_id, conversation_id) as (room, connection):
                try:
                    row, is_new = await self._store(connection, user_id, conversation_id, content, client_id)
                except NotFoundError:
                    room.is_doubtful = True  # its members have changed behind our back
                    raise
                await self._publish_through(connection, room, row)
        except RefusedError:
            self._metrics.sends.labels("refused").inc()
            raise
        self._metrics.sends.labels("new" if is_new else "repeated").inc()
        return message_of(row), is_new

    async def _store_otherwise(
        self, user_id: UUID, conversation_id: UUID, store: Store[T], published_seq: int | None = None
    ) -> T:
        async with self._rooms.turn(user_id, conversation_id, published_seq) as (room, connection):
            stored, seq = await store(connection)
            if seq is not None:
                await catch_up(connection, room, seq, self._publish)
        return stored

    async def _store(
        self, connection: ActingConnection, user_id: UUID, conversation_id: UUID, content: str, client_id: UUID
    ) -> tuple[Any, bool]:
        """The stored row, and whether it is new."""
        try:
            row = await connection.fetch_row("send_message", conversation_id, user_id, content, client_id)
        except asyncpg.UniqueViolationError as error:
            row = await connection.fetch_row("find_message_by_client_id", user_id, client_id)
            if row is None or row["conversation_id"] != conversation_id:
                raise ConflictError(
                    f"client_id {client_id} names a message of yours in another conversation; use a fresh one"
                ) from error
            return row, False
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError) as error:
            raise not_in(conversation_id) from error
        return row, True

    async def _publish_through(self, connection: ActingConnection, room: Room, row: Any) -> None:
        seq = row["seq"]
        await catch_up(connection, room, seq - 1, self._publish)
        if seq == (room.published_seq or 0) + 1:
            self._publish(event_of(row), room.members)
            room.published_seq = seq

    async def _settle(self, user_id: UUID, room: Room, seq: int) -> None:
        async with self._rooms.known_turn(room):
            if room.published_seq is not None and room.published_seq < seq:
                async with self._pool.as_user(user_id) as connection:
                    await catch_up(connection, room, seq, self._publish)


async def catch_up(connection: ActingConnection, room: Room, through_seq: int, publish: Publish) -> None:
    """Publishes every message up to `through_seq` that is stored and has not been published yet."""
    if room.published_seq is None or room.published_seq >= through_seq:
        return
    rows = await connection.fetch_rows("list_missed_messages", room.conversation_id, room.published_seq, through_seq)
    for row in rows:
        publish(event_of(row), room.members)
        room.published_seq = row["seq"]


def event_of(row: Any) -> MessageEvent:
    """The event of a row of a statement that gives messages."""
    edited_at = row["edited_at"]
    return MessageEvent(
        conversation_id=row["conversation_id"],
        seq=row["seq"],
        sender_id=row["sender_id"],
        created_at_ms=milliseconds(row["created_at"]),
        content=row["content"],
        edited_at_ms=milliseconds(edited_at) if edited_at is not None else None,
        is_deleted=row["deleted_at"] is not None,
    )


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
