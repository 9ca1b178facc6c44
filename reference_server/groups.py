"""Groups and who is in them: each change is carried out by a function in `sql/groups.sql`, which knows the rules.

The server adds what the database cannot: that those concerned are told, and that messages go to those who are in.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import asyncpg

from reference_server.doubts import Doubts
from reference_server.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from reference_server.frames import (
    ConversationAddedEvent,
    ConversationUpdatedEvent,
    ParticipantChange,
    ParticipantChangedEvent,
    Role,
)
from reference_server.outbox import Publish
from reference_server.pool import CONNECTION_ERRORS, ActingConnection, AppPool
from reference_server.records import Conversation, GroupInfo, Participant
from reference_server.rooms import Room, Rooms

# How the functions of groups.sql refuse.
_REFUSALS: dict[str, type[RefusedError]] = {"CB403": ForbiddenError, "CB404": NotFoundError, "CB409": ConflictError}


class Groups:
    """Makes conversations and changes groups.

    `publish` delivers an event to the members given; `on_leave` hears of everyone who is no longer in a conversation.
    """

    def __init__(self, pool: AppPool, rooms: Rooms, publish: Publish, on_leave: Callable[[UUID, UUID], None]) -> None:
        self._pool = pool
        self._rooms = rooms
        self._publish = publish
        self._on_leave = on_leave
        self._pairs_in_doubt = Doubts()  # whose conversation may have been made without anyone having been told
        rooms.on_found = self._tell_found

    async def create_direct_conversation(self, user_id: UUID, other_user_id: UUID) -> tuple[Conversation, bool]:
        """The conversation of the two, and whether it is new. The same one whoever asks, and however often.

        Both are told of a new one; when its answer was lost, with the first that finds it here, to whom it is new.
        """
        if user_id == other_user_id:
            raise RefusedError("a direct conversation has two participants; user_id is your own")
        return await self._rooms.unbroken(self._create_direct(user_id, other_user_id))

    async def create_group_conversation(self, user_id: UUID, name: str, member_ids: Collection[UUID]) -> Conversation:
        """A new group that the user owns, with each call.

        Those in it are told. When its answer is lost it may be there, and is found in their lists alone: nothing tells
        a group from another one of the same name.
        """
        return await self._rooms.unbroken(self._create_group(user_id, name, member_ids))

    async def update_info(
        self, user_id: UUID, conversation_id: UUID, name: str | None, description: str | None
    ) -> GroupInfo:
        """The group's name and description after the change; None leaves one as it is, "" takes a description away."""
        return await self._rooms.unbroken(self._update_info(user_id, conversation_id, name, description))

    async def add_participant(self, user_id: UUID, conversation_id: UUID, member_id: UUID) -> tuple[Participant, bool]:
        """The participant, and whether they are new; NotFoundError when there is no such user."""
        return await self._rooms.unbroken(self._add(user_id, conversation_id, member_id))

    async def remove_participant(self, user_id: UUID, conversation_id: UUID, member_id: UUID) -> None:
        """Takes somebody else out."""
        if member_id == user_id:
            raise RefusedError("nobody removes themselves; leave the group instead")
        await self._rooms.unbroken(self._remove(user_id, conversation_id, member_id))

    async def leave(self, user_id: UUID, conversation_id: UUID) -> None:
        """Takes the user out; ConflictError for the last owner while others stay."""
        await self._rooms.unbroken(self._leave(user_id, conversation_id))

    async def set_role(self, user_id: UUID, conversation_id: UUID, member_id: UUID, role: Role) -> None:
        """Gives a participant another role, one step up or down. The role they have already is no change."""
        await self._rooms.unbroken(self._set_role(user_id, conversation_id, member_id, role))

    # --- how ------------------------------------------------------------------------------------------------

    async def _create_direct(self, user_id: UUID, other_user_id: UUID) -> tuple[Conversation, bool]:
        pair, is_made = frozenset((user_id, other_user_id)), False
        async with self._pool.as_user(user_id) as connection:
            row = await connection.fetch_row("find_direct_conversation", user_id, other_user_id)
            if row is None:
                try:
                    with self._pairs_in_doubt.noted(pair):
                        *row, is_made = await connection.fetch_row("create_direct_conversation", other_user_id)
                except asyncpg.ForeignKeyViolationError as error:
                    raise NotFoundError(f"there is no user {other_user_id}") from error
        conversation = Conversation(*row)
        is_new = self._pairs_in_doubt.settle(pair) or is_made
        if is_new:
            self.tell_added(conversation, "member", (user_id, other_user_id))
        return conversation, is_new

    async def _create_group(self, user_id: UUID, name: str, member_ids: Collection[UUID]) -> Conversation:
        async with self._pool.as_user(user_id) as connection:
            try:
                row = await connection.fetch_row("create_group_conversation", name, list(member_ids))
            except asyncpg.ForeignKeyViolationError as error:
                raise NotFoundError("not all of user_ids are users") from error
        conversation = Conversation(*row)
        self.tell_added(conversation, "owner", (user_id,))
        self.tell_added(conversation, "member", frozenset(member_ids) - {user_id})
        return conversation

    async def _update_info(
        self, user_id: UUID, conversation_id: UUID, name: str | None, description: str | None
    ) -> GroupInfo:
        async with self._change(user_id, conversation_id) as (room, connection):
            row = await connection.fetch_row("update_group", conversation_id, name, description)
            info = GroupInfo(*row)
            self._publish(
                ConversationUpdatedEvent(conversation_id=conversation_id, name=info.name, description=info.description),
                room.members,
            )
        return info

    async def _add(self, user_id: UUID, conversation_id: UUID, member_id: UUID) -> tuple[Participant, bool]:
        async with self._change(user_id, conversation_id) as (room, connection):
            try:
                row = await connection.fetch_row("add_participant", conversation_id, member_id)
            except asyncpg.ForeignKeyViolationError as error:
                raise NotFoundError(f"there is no user {member_id}") from error
            role, joined_at, last_read_seq, is_new = row
            if is_new:
                conversation = await connection.fetch_row("get_conversation", conversation_id)
                self.tell_added(Conversation(*conversation), role, (member_id,))
                self._tell_changed(room, member_id, "joined", role)
                self._rooms.set_members(room, room.members | {member_id})
        return Participant(member_id, role, joined_at, last_read_seq), is_new

    async def _remove(self, user_id: UUID, conversation_id: UUID, member_id: UUID) -> None:
        async with self._change(user_id, conversation_id) as (room, connection):
            with self._ended_in_doubt(member_id, conversation_id):
                role = await connection.fetch_value("remove_participant", conversation_id, member_id)
            self._part(room, member_id, "removed", role)

    async def _leave(self, user_id: UUID, conversation_id: UUID) -> None:
        async with self._change(user_id, conversation_id) as (room, connection):
            with self._ended_in_doubt(user_id, conversation_id):
                role = await connection.fetch_value("leave_group", conversation_id)
            self._part(room, user_id, "left", role)

    async def _set_role(self, user_id: UUID, conversation_id: UUID, member_id: UUID, role: Role) -> None:
        async def tell_if_set(room: Room, connection: ActingConnection) -> None:
            if await connection.fetch_value("get_role", conversation_id, member_id) == role:
                self._tell_changed(room, member_id, "role", role)

        async with self._change(user_id, conversation_id) as (room, connection):
            with self._rooms.doubted(room, tell_if_set):
                row = await connection.fetch_row("set_role", conversation_id, member_id, role)
            if row["is_new"]:
                self._tell_changed(room, member_id, "role", role)

    @asynccontextmanager
    async def _change(self, user_id: UUID, conversation_id: UUID) -> AsyncIterator[tuple[Room, ActingConnection]]:
        """The turn of a group; what the functions refuse becomes an error of ours."""
        async with self._rooms.turn(user_id, conversation_id) as visit:
            try:
                yield visit
            except asyncpg.PostgresError as error:
                refusal = _REFUSALS.get(str(error.sqlstate))
                if refusal is None:
                    raise
                raise refusal(str(error)) from error

    @contextmanager
    def _ended_in_doubt(self, member_id: UUID, conversation_id: UUID) -> Iterator[None]:
        """When it is not known whether somebody is still in, they are not: who is subscribes again."""
        try:
            yield
        except CONNECTION_ERRORS:
            self._on_leave(member_id, conversation_id)
            raise

    def _tell_found(self, room: Room, row: Any, joined: frozenset[UUID], gone: frozenset[UUID]) -> None:
        """Tells what had been committed without an answer, and was found when the members were read again."""
        for member_id in gone:
            self._part(room, member_id, "removed", "member")
        for member_id in joined:
            self.tell_added(Conversation(*row), "member", (member_id,))
            self._tell_changed(room, member_id, "joined", "member")
            self._rooms.set_members(room, room.members | {member_id})

    def _part(self, room: Room, member_id: UUID, change: ParticipantChange, role: Role) -> None:
        """Tells everyone, the parting one last of all; then nothing of this conversation goes to them."""
        self._tell_changed(room, member_id, change, role)
        self._rooms.set_members(room, room.members - {member_id})
        self._on_leave(member_id, room.conversation_id)

    def _tell_changed(self, room: Room, member_id: UUID, change: ParticipantChange, role: Role) -> None:
        event = ParticipantChangedEvent(
            conversation_id=room.conversation_id,
            user_id=member_id,
            change=change,
            role=role,
        )
        self._publish(event, room.members)

    def tell_added(self, conversation: Conversation, role: Role, member_ids: Collection[UUID]) -> None:
        """Tells people that they are in a conversation now."""
        event = ConversationAddedEvent(
            conversation_id=conversation.id,
            type=conversation.type,
            name=conversation.name,
            description=conversation.description,
            participant_ids=tuple(
                one for one in (conversation.participant1_id, conversation.participant2_id) if one is not None
            ),
            role=role,
            last_seq=conversation.last_seq,
        )
        self._publish(event, member_ids)
