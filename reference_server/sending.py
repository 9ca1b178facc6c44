"""Sending: a message is stored first, then published, in one order per conversation.

Within a conversation, sends take turns: the order of the events is the order of the seqs, because a send is
published before the next one is stored. Turns cost nothing that the database would not take anyway (it serialises
sends on the conversation's row), and waiting here keeps a hot conversation from holding the pool's connections.

A send whose outcome never came back (the database died between commit and answer) may be stored and not published.
Its successor notices the gap in the seqs and publishes what is missing first; so does a retry, and so does a resume.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from reference_server.errors import ConflictError, NotFoundError, RefusedError
from reference_server.frames import MessageEvent
from reference_server.metrics import Metrics
from reference_server.pool import ActingConnection, AppPool
from reference_server.records import Message, message_of
from reference_server.statements import server_statements

T = TypeVar("T")
Store = Callable[[ActingConnection], Awaitable[tuple[T, int | None]]]
Publish = Callable[[MessageEvent, Collection[UUID]], None]


@dataclass(slots=True, eq=False)
class _Room:
    """A conversation that is being sent to."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    members: frozenset[UUID] = frozenset()  # empty until loaded
    published_seq: int | None = None  # every message up to this one has been published; None until loaded
    visitors: int = 0  # sends and resumes that hold or await the turn


class Sender:
    """Stores and publishes messages. `publish` delivers an event to the members given."""

    def __init__(self, pool: AppPool, publish: Publish, metrics: Metrics, cached_members_max: int) -> None:
        self._pool = pool
        self._publish = publish
        self._metrics = metrics
        self._sql = {name: statement.text for name, statement in server_statements().items()}
        self._rooms: OrderedDict[UUID, _Room] = OrderedDict()  # least recently used first
        self._cached_members = 0
        self._cached_members_max = cached_members_max
        self._under_way: set[asyncio.Task[Any]] = set()

    async def send(self, user_id: UUID, conversation_id: UUID, content: str, client_id: UUID) -> tuple[Message, bool]:
        """The message as stored, and whether it is new. Published before this returns."""
        return await self._unbroken(self._send(user_id, conversation_id, content, client_id))

    async def store_otherwise(self, user_id: UUID, conversation_id: UUID, store: Store[T]) -> T:
        """What `store` gives, called in the conversation's turn to store a message by other means than a send.

        `store` tells the message's seq as well; it is published like a sent one before this returns.
        """
        return await self._unbroken(self._store_otherwise(user_id, conversation_id, store))

    async def publish_stored(self, user_id: UUID, conversation_id: UUID, seq: int) -> None:
        """Publishes a message that was stored by other means and without the conversation's turn."""

        async def stored(_connection: ActingConnection) -> tuple[None, int]:
            return None, seq

        room = self._rooms.setdefault(conversation_id, _Room())
        if room.published_seq is None:
            room.published_seq = seq - 1
        await self.store_otherwise(user_id, conversation_id, stored)

    async def settle(self, user_id: UUID, conversation_id: UUID, seq: int) -> None:
        """Returns when every message up to `seq`, stored by this time, has been published or never will be."""
        room = self._rooms.get(conversation_id)
        if room is not None and (room.turn.locked() or (room.published_seq or 0) < seq):
            await self._unbroken(self._settle(user_id, conversation_id, room, seq))

    async def drain(self) -> None:
        """Returns when the sends under way are over."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _unbroken(self, work: Awaitable[T]) -> T:
        """Runs to the end even when the client goes away in the middle: stored means published."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _send(self, user_id: UUID, conversation_id: UUID, content: str, client_id: UUID) -> tuple[Message, bool]:
        room = self._rooms.get(conversation_id)
        if room is None:
            room = self._rooms[conversation_id] = _Room()
        room.visitors += 1
        try:
            async with room.turn, self._pool.as_user(user_id) as connection:
                await self._load(connection, conversation_id, room)
                if user_id not in room.members:
                    raise _not_in(conversation_id)
                try:
                    row, is_new = await self._store(connection, user_id, conversation_id, content, client_id)
                except NotFoundError:
                    self._unload(room)  # the members have changed since
                    raise
                await self._publish_through(connection, conversation_id, room, row)
        except RefusedError:
            self._metrics.sends.labels("refused").inc()
            raise
        finally:
            self._leave(conversation_id, room)
        self._metrics.sends.labels("new" if is_new else "repeated").inc()
        return message_of(row), is_new

    async def _store_otherwise(self, user_id: UUID, conversation_id: UUID, store: Store[T]) -> T:
        room = self._rooms.setdefault(conversation_id, _Room())
        room.visitors += 1
        try:
            async with room.turn, self._pool.as_user(user_id) as connection:
                await self._load(connection, conversation_id, room)
                stored, seq = await store(connection)
                if seq is not None and room.published_seq is not None and room.published_seq < seq:
                    await self._publish_missing(connection, conversation_id, room, seq)
        finally:
            self._leave(conversation_id, room)
        return stored

    async def _load(self, connection: ActingConnection, conversation_id: UUID, room: _Room) -> None:
        """Reads the members with the sender's own rights: who is not in it reads none."""
        if not room.members:
            conversation = await connection.fetchrow(self._sql["get_conversation"], conversation_id)
            members = await connection.fetch(self._sql["list_members"], conversation_id)
            if conversation is not None and members:
                room.members = frozenset(row["user_id"] for row in members)
                if room.published_seq is None:
                    room.published_seq = conversation["last_seq"]
                self._cached_members += len(room.members)
        if conversation_id in self._rooms:
            self._rooms.move_to_end(conversation_id)

    async def _store(
        self, connection: ActingConnection, user_id: UUID, conversation_id: UUID, content: str, client_id: UUID
    ) -> tuple[Any, bool]:
        """The stored row, and whether it is new."""
        try:
            row = await connection.fetchrow(self._sql["send_message"], conversation_id, user_id, content, client_id)
        except asyncpg.UniqueViolationError as error:
            row = await connection.fetchrow(self._sql["find_message_by_client_id"], user_id, client_id)
            if row is None or row["conversation_id"] != conversation_id:
                raise ConflictError(
                    f"client_id {client_id} names a message of yours in another conversation; use a fresh one"
                ) from error
            return row, False
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError) as error:
            raise _not_in(conversation_id) from error
        return row, True

    async def _publish_through(
        self, connection: ActingConnection, conversation_id: UUID, room: _Room, row: Any
    ) -> None:
        assert room.published_seq is not None, "loaded before anything is stored"
        seq = row["seq"]
        if seq > room.published_seq + 1:
            await self._publish_missing(connection, conversation_id, room, seq - 1)
        if seq == room.published_seq + 1:
            self._publish(event_of(row), room.members)
            room.published_seq = seq

    async def _settle(self, user_id: UUID, conversation_id: UUID, room: _Room, seq: int) -> None:
        room.visitors += 1
        try:
            async with room.turn:
                if room.published_seq is not None and room.published_seq < seq:
                    async with self._pool.as_user(user_id) as connection:
                        await self._publish_missing(connection, conversation_id, room, seq)
        finally:
            self._leave(conversation_id, room)

    async def _publish_missing(
        self, connection: ActingConnection, conversation_id: UUID, room: _Room, through_seq: int
    ) -> None:
        rows = await connection.fetch(
            self._sql["list_missed_messages"], conversation_id, room.published_seq, through_seq
        )
        for row in rows:
            self._publish(event_of(row), room.members)
            room.published_seq = row["seq"]

    def _leave(self, conversation_id: UUID, room: _Room) -> None:
        """Ends a visit; forgets a room that was never loaded, and the ones longest unused beyond the bound."""
        room.visitors -= 1
        if not room.members and not room.visitors:
            self._rooms.pop(conversation_id, None)
        while self._cached_members > self._cached_members_max:
            # A room in use stays: its turn and what it knows must be one for all who send there.
            oldest = next((key for key, other in self._rooms.items() if not other.visitors), None)
            if oldest is None:
                break
            self._unload(self._rooms.pop(oldest))

    def _unload(self, room: _Room) -> None:
        self._cached_members -= len(room.members)
        room.members = frozenset()


def event_of(row: Any) -> MessageEvent:
    """The event of a row of a statement that gives messages."""
    return MessageEvent(
        conversation_id=row["conversation_id"],
        seq=row["seq"],
        sender_id=row["sender_id"],
        created_at_ms=_milliseconds(row["created_at"]),
        content=row["content"],
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _not_in(conversation_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no conversation {conversation_id} for you")
