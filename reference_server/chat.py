"""What a user can ask of the chat, except sending: reads, and the making of conversations.

Every statement runs as the asking user under row-level security; these functions choose statements and shape answers.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from reference_server.cursors import (
    FIRST_MEMBERSHIPS,
    NEWEST_CONVERSATIONS,
    NEWEST_MESSAGES,
    ConversationCursor,
    MembershipCursor,
    MessageCursor,
    decode_cursor,
    encode_cursor,
)
from reference_server.errors import NotFoundError, RefusedError
from reference_server.pool import AppPool
from reference_server.records import (
    Conversation,
    ConversationPage,
    ListedConversation,
    Membership,
    MembershipPage,
    MessagePage,
    message_of,
)

# The columns of list_conversations: a Conversation, three of the participant's, and the last message's own.
_CONVERSATION_COLUMNS = 9


class Chat:
    """The reads and conversation commands of the API."""

    def __init__(self, pool: AppPool) -> None:
        self._pool = pool

    async def user_exists(self, user_id: UUID) -> bool:
        """True when there is such a user."""
        async with self._pool.as_user(user_id) as connection:
            return await connection.fetch_row("find_user", user_id) is not None

    async def create_direct_conversation(self, user_id: UUID, other_user_id: UUID) -> tuple[Conversation, bool]:
        """The conversation of the two, and whether it is new. The same one whoever asks, and however often."""
        if user_id == other_user_id:
            raise RefusedError("a direct conversation has two participants; user_id is your own")
        async with self._pool.as_user(user_id) as connection:
            row = await connection.fetch_row("find_direct_conversation", user_id, other_user_id)
            if row is not None:
                return Conversation(*row), False
            try:
                row = await connection.fetch_row("create_direct_conversation", other_user_id)
            except asyncpg.ForeignKeyViolationError as error:
                raise NotFoundError(f"there is no user {other_user_id}") from error
        *columns, is_new = row
        return Conversation(*columns), is_new

    async def create_group_conversation(self, user_id: UUID, name: str, member_ids: Sequence[UUID]) -> Conversation:
        """A new group that the user owns."""
        async with self._pool.as_user(user_id) as connection:
            try:
                row = await connection.fetch_row("create_group_conversation", name, list(member_ids))
            except asyncpg.ForeignKeyViolationError as error:
                raise NotFoundError("not all of user_ids are users") from error
        return Conversation(*row)

    async def list_conversations(self, user_id: UUID, cursor: str | None, limit: int) -> ConversationPage:
        """A page of the user's conversations, newest first."""
        after = decode_cursor(cursor, ConversationCursor) if cursor else NEWEST_CONVERSATIONS
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows(
                "list_conversations", user_id, after.before_at, after.before_id, limit + 1
            )
        page = [_listed(row) for row in rows[:limit]]
        has_more = len(rows) > limit
        following = encode_cursor(ConversationCursor(page[-1].last_message_at, page[-1].id)) if has_more else None
        return ConversationPage(page, has_more, following)

    async def list_messages(self, user_id: UUID, conversation_id: UUID, cursor: str | None, limit: int) -> MessagePage:
        """A page of a conversation's messages, newest first; NotFoundError for whoever is not in it."""
        before = decode_cursor(cursor, MessageCursor) if cursor else NEWEST_MESSAGES
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows("list_messages", conversation_id, before.before_seq, limit + 1)
            # A page with messages was let through by the policy; an empty one leaves the question open.
            if not rows and not await connection.fetch_value("is_member", conversation_id, user_id):
                raise NotFoundError(f"there is no conversation {conversation_id} for you")
        page = [message_of(row) for row in rows[:limit]]
        has_more = len(rows) > limit
        return MessagePage(page, has_more, encode_cursor(MessageCursor(page[-1].seq)) if has_more else None)

    async def list_memberships(self, user_id: UUID, cursor: str | None, limit: int) -> MembershipPage:
        """A page of the user's memberships, by conversation id."""
        after = decode_cursor(cursor, MembershipCursor) if cursor else FIRST_MEMBERSHIPS
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows("list_memberships", user_id, after.after_conversation_id, limit + 1)
        page = [Membership(*row) for row in rows[:limit]]
        has_more = len(rows) > limit
        following = encode_cursor(MembershipCursor(page[-1].conversation_id)) if has_more else None
        return MembershipPage(page, has_more, following)

    async def list_resumable(self, user_id: UUID, conversation_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Those of the conversations that the user is in, with the newest seq of each."""
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows("list_resumable", user_id, list(conversation_ids))
        return {row["conversation_id"]: row["last_seq"] for row in rows}

    async def list_missed_messages(
        self, user_id: UUID, conversation_id: UUID, after_seq: int, through_seq: int
    ) -> list[Any]:
        """The rows of the messages with after_seq < seq <= through_seq, oldest first."""
        async with self._pool.as_user(user_id) as connection:
            return await connection.fetch_rows("list_missed_messages", conversation_id, after_seq, through_seq)


def _listed(row: Any) -> ListedConversation:
    columns = tuple(row)
    role, last_read_seq, unread_count, message_id, sender_id, content, client_id, created_at, edited_at, deleted_at = (
        columns[_CONVERSATION_COLUMNS:]
    )
    last_message = None
    if message_id is not None:
        last_message = message_of(
            (message_id, row["id"], row["last_seq"], sender_id, content, client_id, created_at, edited_at, deleted_at)
        )
    return ListedConversation(
        *columns[:_CONVERSATION_COLUMNS],
        role=role,
        last_read_seq=last_read_seq,
        unread_count=unread_count,
        last_message=last_message,
    )
