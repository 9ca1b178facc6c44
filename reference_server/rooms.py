"""Rooms: a conversation that is being written to, its turn, its members, and how far it has been published.

What changes a conversation takes its turn: sends, edits, receipts, changes of who is in. So events leave in the order
of their changes, and a message goes to those who were in when it was stored. Turns cost nothing that the database
would not take anyway (it serialises these writes on the conversation's row), and waiting here keeps a hot
conversation from holding the pool's connections.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from reference_server.errors import NotFoundError, RefusedError
from reference_server.pool import ActingConnection, AppPool
from reference_server.turns import Turn, WaitingCount

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Room:
    """A conversation that is being written to."""

    conversation_id: UUID
    turn: Turn
    members: frozenset[UUID] = frozenset()  # empty until loaded
    published_seq: int | None = None  # every message up to this one has been published; None until loaded
    visitors: int = 0  # those who hold or await the turn
    is_doubtful: bool = False  # a change was begun and its answer lost: who is in is read again before it is relied on

    @property
    def is_loaded(self) -> bool:
        """True when members and published_seq are known."""
        return bool(self.members)


class Rooms:
    """The rooms of one server process; those longest unused are forgotten beyond a bound of cached members."""

    def __init__(self, pool: AppPool, cached_members_max: int, flush: Callable[[], None]) -> None:
        self._pool = pool
        # Delivers what has been published, so that who is told of a change finds it delivered.
        self.flush = flush
        self._rooms: OrderedDict[UUID, Room] = OrderedDict()  # least recently used first
        self._cached_members = 0
        self._cached_members_max = cached_members_max
        self._under_way: set[asyncio.Task[Any]] = set()
        # Hears of changes that were found when a doubtful room was read again: the room, who is new, who is gone.
        self.on_found: Callable[[Room, Any, frozenset[UUID], frozenset[UUID]], None] = lambda *_: None
        self.turns = WaitingCount()

    def find(self, conversation_id: UUID) -> Room | None:
        """The room, when it is being written to or was lately."""
        return self._rooms.get(conversation_id)

    @asynccontextmanager
    async def turn(
        self, user_id: UUID, conversation_id: UUID, published_seq: int | None = None
    ) -> AsyncIterator[tuple[Room, ActingConnection]]:
        """The turn of a conversation that the user is in, and a connection that acts for them.

        NotFoundError when there is none, or none for them. `published_seq` says how far it has been published, for
        when nobody here knows; without it, that is up to the newest message.
        """
        room = self._rooms.get(conversation_id)
        if room is None:
            room = self._rooms[conversation_id] = Room(conversation_id, Turn(self.turns))
        room.visitors += 1
        try:
            async with room.turn, self._pool.as_user(user_id) as connection:
                if room.published_seq is None:
                    room.published_seq = published_seq
                if not room.is_loaded or room.is_doubtful or user_id not in room.members:
                    await self._load(connection, room)
                if conversation_id in self._rooms:
                    self._rooms.move_to_end(conversation_id)
                if user_id not in room.members:
                    raise not_in(conversation_id)
                try:
                    yield room, connection
                except RefusedError:
                    raise
                except BaseException:
                    room.is_doubtful = True  # it may have been committed all the same
                    raise
        finally:
            self._leave(room)

    @asynccontextmanager
    async def known_turn(self, room: Room) -> AsyncIterator[None]:
        """The turn of a room that has been found."""
        room.visitors += 1
        try:
            async with room.turn:
                yield
        finally:
            self._leave(room)

    async def unbroken(self, work: Awaitable[T]) -> T:
        """Runs to the end even when the client goes away in the middle: stored means published.

        What it has published is delivered when this returns.
        """
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        finally:
            self.flush()

    async def drain(self) -> None:
        """Returns when what is under way is over."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def abandon(self) -> None:
        """Ends what is under way where it stands: none of it has been acknowledged."""
        for task in self._under_way:
            task.cancel()

    @property
    def under_way_count(self) -> int:
        """How many sends, changes and settlings have begun and not ended."""
        return len(self._under_way)

    def set_members(self, room: Room, members: frozenset[UUID]) -> None:
        """Takes note of who is in from now on."""
        self._cached_members += len(members) - len(room.members)
        room.members = members

    async def _load(self, connection: ActingConnection, room: Room) -> None:
        """Reads the members with the visitor's own rights: who is not in it reads none, and changes nothing here."""
        conversation = await connection.fetch_row("get_conversation", room.conversation_id)
        rows = await connection.fetch_rows("list_members", room.conversation_id)
        if conversation is None or not rows:
            return
        members, before = frozenset(row["user_id"] for row in rows), room.members
        if room.published_seq is None:
            room.published_seq = conversation["last_seq"]
        room.is_doubtful = False
        if not before:
            self.set_members(room, members)
        elif members != before:
            self.on_found(room, conversation, members - before, before - members)

    def _leave(self, room: Room) -> None:
        """Ends a visit; forgets a room that was never loaded, and the ones longest unused beyond the bound."""
        room.visitors -= 1
        if not room.is_loaded and not room.visitors and self._rooms.get(room.conversation_id) is room:
            del self._rooms[room.conversation_id]
        while self._cached_members > self._cached_members_max:
            # A room in use stays: its turn and what it knows must be one for all who write there.
            oldest = next((key for key, other in self._rooms.items() if not other.visitors), None)
            if oldest is None:
                break
            self.set_members(self._rooms.pop(oldest), frozenset())


def not_in(conversation_id: UUID) -> NotFoundError:
    """What who is not in a conversation is told, whether there is one or not."""
    return NotFoundError(f"there is no conversation {conversation_id} for you")
