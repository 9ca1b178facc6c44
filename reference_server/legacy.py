"""The older chat, served in parallel: connection requests and their messages, as the user under row-level security.

What is sent here to a connection that has become a conversation is copied there by triggers, in the same transaction.
What is left to do in this process is to publish it: members of the conversation who listen to the new chat hear it as
they hear everything else.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from reference_server.doubts import Doubts
from reference_server.errors import ConflictError, NotFoundError, RefusedError
from reference_server.frames import Role
from reference_server.migration import bucket_of, uses_new_chat
from reference_server.migration_records import (
    ChatRoute,
    LegacyConnection,
    LegacyConnectionPage,
    LegacyMessage,
    LegacyMessagePage,
)
from reference_server.pool import ActingConnection, AppPool
from reference_server.records import Conversation
from reference_server.sending import Sender
from reference_server.turns import Turn, WaitingCount

TellAdded = Callable[[Conversation, Role, Collection[UUID]], None]

_LAST_ID = UUID(int=(1 << 128) - 1)
_FAR_FUTURE = datetime(9999, 12, 31, tzinfo=UTC)


class Legacy:
    """The reads and commands of the older chat.

    `wrote` hears of conversations that are told of and have no event; `tell_added` tells people of a new one;
    `waiting` counts the sends that wait for others over their connection.
    """

    def __init__(
        self,
        pool: AppPool,
        sender: Sender,
        wrote: Callable[[UUID], None],
        tell_added: TellAdded,
        waiting: WaitingCount,
    ) -> None:
        self._pool = pool
        self._sender = sender
        self._wrote = wrote
        self._tell_added = tell_added
        self._acceptances_in_doubt = Doubts()  # connections that may have been accepted without anyone having been told
        # Sends over one connection take turns here, so that a message that meets the moment of migration is published
        # before its successor.
        self._waiting = waiting
        self._turns: WeakValueDictionary[UUID, Turn] = WeakValueDictionary()

    async def list_connections(self, user_id: UUID, before: UUID | None, limit: int) -> LegacyConnectionPage:
        """A page of the user's connections, newest first."""
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows("list_legacy_connections", user_id, before or _LAST_ID, limit + 1)
        return LegacyConnectionPage([LegacyConnection(*row) for row in rows[:limit]], len(rows) > limit)

    async def connect(self, user_id: UUID, other_user_id: UUID) -> LegacyConnection:
        """A new request to another user; ConflictError when one of the two has asked the other already."""
        if user_id == other_user_id:
            raise RefusedError("a connection has two users; user_id is your own")
        async with self._pool.as_user(user_id) as connection:
            try:
                row = await connection.fetch_row("create_legacy_connection", user_id, other_user_id)
            except asyncpg.ForeignKeyViolationError as error:
                raise NotFoundError(f"there is no user {other_user_id}") from error
        if row is None:
            raise ConflictError(f"there is a connection with {other_user_id} already, or one that waits for an answer")
        return LegacyConnection(*row)

    async def answer(self, user_id: UUID, connection_id: UUID, *, accepted: bool) -> LegacyConnection:
        """The request, accepted or declined by the one who was asked; once.

        While a migration runs, an accepted one is a conversation at once; both are told when it is a new one. When the
        answer was lost, they are told with the next one that is tried, which is a ConflictError.
        """
        status, made = "accepted" if accepted else "declined", None
        async with self._pool.as_user(user_id) as connection:
            with self._acceptances_in_doubt.noted(connection_id):
                row = await connection.fetch_row("answer_legacy_connection", connection_id, status)
                found = await self._connection(connection, connection_id)
                if self._acceptances_in_doubt.settle(connection_id) or row is not None:
                    made = found["conversation_id"]
                if made is not None:
                    self._wrote(made)
                    conversation = Conversation(*await connection.fetch_row("get_conversation", made))
                    if conversation.created_at == found["created_at"]:  # else the two had one before
                        self._tell_added(conversation, "member", (found["sender_id"], found["receiver_id"]))
        if made is not None:
            await self._sender.settle(user_id, made)  # what was told is delivered before the answer
        if row is None:
            raise ConflictError(f"the connection {connection_id} is not waiting for an answer of yours")
        return LegacyConnection(*row)

    async def list_messages(
        self, user_id: UUID, connection_id: UUID, before: datetime | None, limit: int
    ) -> LegacyMessagePage:
        """A page of a connection's messages older than a moment, newest first."""
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows("list_legacy_messages", connection_id, before or _FAR_FUTURE, limit)
            if not rows:
                await self._connection(connection, connection_id)
        return LegacyMessagePage([LegacyMessage(*row) for row in rows])

    async def send(self, user_id: UUID, connection_id: UUID, content: str) -> LegacyMessage:
        """The message as stored; published to the new chat before this returns, if the connection is migrated."""
        turn = self._turns.setdefault(connection_id, Turn(self._waiting))

        async def store(connection: ActingConnection) -> tuple[Any, int | None]:
            row = await self._store(connection, user_id, connection_id, content)
            place = await self._copy(connection, row)
            return row, None if place is None else place["seq"]

        async with turn:
            async with self._pool.as_user(user_id) as connection:
                conversation_id = (await self._connection(connection, connection_id))["conversation_id"]
                if conversation_id is None:
                    row = await self._store(connection, user_id, connection_id, content)
                    # Migrated between the two statements: it was copied all the same.
                    place = await self._copy(connection, row)
            if conversation_id is not None:
                row = await self._sender.store_otherwise(user_id, conversation_id, store)
            elif place is not None:
                await self._sender.publish_stored(user_id, place["conversation_id"], place["seq"])
        return LegacyMessage(*row)

    async def read(self, user_id: UUID, connection_id: UUID) -> int:
        """Marks everything that the other one has sent as read; how many were not."""
        async with self._pool.as_user(user_id) as connection:
            marked: int | None = await connection.fetch_value("read_legacy_messages", connection_id)
        if marked is None:
            raise _not_found(connection_id)
        return marked

    async def conversation_id(self, user_id: UUID, connection_id: UUID) -> UUID | None:
        """The conversation that the connection has become, migrated now if it may be; None when it is not."""
        async with self._pool.as_user(user_id) as connection:
            found: UUID | None = (await self._connection(connection, connection_id))["conversation_id"]
            was_migrated = found is not None
            if not was_migrated:
                found = await connection.fetch_value("get_conversation_by_connection_id", connection_id)
        if found is not None:
            self._wrote(found)  # also when another process has migrated it: a replica may lack it
            if not was_migrated:
                await self._sender.settle(user_id, found)
        return found

    async def route(self, user_id: UUID) -> ChatRoute:
        """Which of the two chats the user is sent to, by the roll-out as it is now."""
        async with self._pool.as_user(user_id) as connection:
            phase, percentage = await connection.fetch_row("get_rollout")
        return ChatRoute(uses_new_chat(user_id, percentage, phase), bucket_of(user_id), percentage, phase)

    async def _store(self, connection: ActingConnection, user_id: UUID, connection_id: UUID, content: str) -> Any:
        try:
            return await connection.fetch_row("send_legacy_message", connection_id, user_id, content)
        except asyncpg.InsufficientPrivilegeError as error:
            await self._connection(connection, connection_id)
            raise ConflictError(f"the connection {connection_id} has not been accepted") from error

    async def _copy(self, connection: ActingConnection, row: Any) -> Any:
        """The copy of a stored message in the new chat, if there is one: it carries the message's id as client_id."""
        return await connection.fetch_row("find_message_by_client_id", row["sender_id"], row["id"])

    async def _connection(self, connection: ActingConnection, connection_id: UUID) -> Any:
        """The connection's row; NotFoundError for whoever is not one of the two."""
        row = await connection.fetch_row("get_legacy_connection", connection_id)
        if row is None:
            raise _not_found(connection_id)
        return row


def _not_found(connection_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no connection {connection_id} for you")
