"""Changes of what was sent: edits, deletions and read receipts, each told to everyone in the conversation."""

from typing import Any
from uuid import UUID

from reference_server.errors import NotFoundError
from reference_server.frames import DeletedEvent, EditedEvent, ReceiptEvent
from reference_server.outbox import Publish
from reference_server.pool import ActingConnection
from reference_server.records import Message, ReadState, message_of
from reference_server.rooms import Rooms, not_in
from reference_server.sending import catch_up, milliseconds


class Changes:
    """Edits, deletes and marks messages as read. `publish` delivers an event to the members given."""

    def __init__(self, rooms: Rooms, publish: Publish) -> None:
        self._rooms = rooms
        self._publish = publish

    async def edit(self, user_id: UUID, conversation_id: UUID, seq: int, content: str) -> Message:
        """The user's message with its new content; NotFoundError when it is not theirs, or a tombstone."""
        return await self._rooms.unbroken(self._edit(user_id, conversation_id, seq, content))

    async def delete(self, user_id: UUID, conversation_id: UUID, seq: int) -> Message:
        """The tombstone of the user's message; deleting twice gives the same, and tells it again.

        NotFoundError when it is not theirs.
        """
        return await self._rooms.unbroken(self._delete(user_id, conversation_id, seq))

    async def mark_read(self, user_id: UUID, conversation_id: UUID, seq: int) -> ReadState:
        """How far the user has read now: at least up to `seq`. NotFoundError when there is no such message."""
        return await self._rooms.unbroken(self._mark_read(user_id, conversation_id, seq))

    async def _edit(self, user_id: UUID, conversation_id: UUID, seq: int, content: str) -> Message:
        async with self._rooms.turn(user_id, conversation_id) as (room, connection):
            row = await connection.fetch_row("edit_message", conversation_id, seq, user_id, content)
            if row is None:
                raise _no_message(seq)
            await catch_up(connection, room, seq, self._publish)
            self._publish(
                EditedEvent(
                    conversation_id=conversation_id,
                    seq=seq,
                    content=row["content"],
                    edited_at_ms=milliseconds(row["edited_at"]),
                ),
                room.members,
            )
        return message_of(row)

    async def _delete(self, user_id: UUID, conversation_id: UUID, seq: int) -> Message:
        async with self._rooms.turn(user_id, conversation_id) as (room, connection):
            row = await connection.fetch_row("delete_message", conversation_id, seq, user_id)
            if row is None:
                # Told again: the answer to the first time may have been lost before it was told.
                row = await self._tombstone(connection, user_id, conversation_id, seq)
            await catch_up(connection, room, seq, self._publish)
            self._publish(DeletedEvent(conversation_id=conversation_id, seq=seq), room.members)
        return message_of(row)

    async def _tombstone(self, connection: ActingConnection, user_id: UUID, conversation_id: UUID, seq: int) -> Any:
        row = await connection.fetch_row("get_message", conversation_id, seq)
        if row is None or row["sender_id"] != user_id:
            raise _no_message(seq)
        return row

    async def _mark_read(self, user_id: UUID, conversation_id: UUID, seq: int) -> ReadState:
        async with self._rooms.turn(user_id, conversation_id) as (room, connection):
            moved = await connection.fetch_row("mark_read", conversation_id, seq, user_id)
            if moved is not None:
                await catch_up(connection, room, seq, self._publish)
                self._publish(
                    ReceiptEvent(conversation_id=conversation_id, user_id=user_id, seq=moved["last_read_seq"]),
                    room.members,
                )
            row = await connection.fetch_row("get_read_state", conversation_id, user_id)
        if row is None:
            raise not_in(conversation_id)
        state = ReadState(*row)
        if not 0 < seq <= state.last_seq:
            raise NotFoundError(f"there is no message {seq} in this conversation")
        return state


def _no_message(seq: int) -> NotFoundError:
    return NotFoundError(f"there is no message {seq} of yours in this conversation")
