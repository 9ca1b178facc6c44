"""What a user can read of the chat.

Every statement runs as the asking user under row-level security; these functions choose statements and shape answers.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from reference_server.cursors import (
    FIRST_MEMBERSHIPS,
    FIRST_PARTICIPANTS,
    FIRST_USERS,
    NEWEST_CONVERSATIONS,
    AnyCursor,
    ConversationCursor,
    MembershipCursor,
    NewerMessageCursor,
    ParticipantCursor,
    UserCursor,
    decode_cursor,
    encode_cursor,
)
from reference_server.errors import NotFoundError
from reference_server.history import History
from reference_server.paging import PAGINGS, Paging
from reference_server.pool import AppPool
from reference_server.read_routing import Source
from reference_server.records import (
    ConversationPage,
    ListedConversation,
    Membership,
    MembershipPage,
    MessagePage,
    Page,
    Participant,
    ParticipantPage,
    User,
    UserPage,
    message_of,
)
from reference_server.rooms import not_in

# The columns of list_conversations: a Conversation, three of the participant's, and the last message's own.
_CONVERSATION_COLUMNS = 10

PageKind = TypeVar("PageKind", bound=Page)
Record = TypeVar("Record")


class Chat:
    """The reads of the API."""

    def __init__(self, pool: AppPool, history: History, paging: Paging = PAGINGS["seq"]) -> None:
        self._pool = pool
        self._history = history
        self._paging = paging  # towards the oldest

    async def user_exists(self, user_id: UUID) -> bool:
        """True when there is such a user."""
        async with self._pool.as_user(user_id) as connection:
            return await connection.fetch_row("find_user", user_id) is not None

    async def get_user(self, user_id: UUID, wanted_id: UUID) -> User:
        """One of the users; NotFoundError when there is no such."""
        async with self._pool.as_user(user_id) as connection:
            row = await connection.fetch_row("find_user", wanted_id)
        if row is None:
            raise NotFoundError(f"there is no user {wanted_id}")
        return User(*row)

    async def list_users(self, user_id: UUID, cursor: str | None, limit: int) -> UserPage:
        """A page of everyone there is, by id."""
        after = decode_cursor(cursor, UserCursor) if cursor else FIRST_USERS
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows("list_users", after.after_user_id, limit + 1)
        return _page(UserPage, rows, limit, User, lambda last: UserCursor(last.id))

    async def is_member(self, user_id: UUID, conversation_id: UUID) -> bool:
        """True when the user is in the conversation now."""
        async with self._pool.as_user(user_id) as connection:
            return bool(await connection.fetch_value("is_member", conversation_id, user_id))

    async def list_conversations(self, user_id: UUID, cursor: str | None, limit: int) -> ConversationPage:
        """A page of the user's conversations, newest first."""
        after = decode_cursor(cursor, ConversationCursor) if cursor else NEWEST_CONVERSATIONS
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows(
                "list_conversations", user_id, after.before_at, after.before_id, limit + 1
            )
        return _page(
            ConversationPage, rows, limit, _listed, lambda last: ConversationCursor(last.last_message_at, last.id)
        )

    async def list_messages(
        self, user_id: UUID, conversation_id: UUID, cursor: str | None, limit: int
    ) -> tuple[MessagePage, Source]:
        """A page of a conversation's messages, newest first, and who served it.

        NotFoundError for whoever is not in the conversation.
        """
        paging = self._paging
        before = decode_cursor(cursor, type(paging.newest)) if cursor else paging.newest
        rows, source = await self._messages(user_id, conversation_id, paging.statement, paging.place(before), limit)
        page = [message_of(row) for row in rows[:limit]]
        has_more = len(rows) > limit
        following = encode_cursor(paging.following(before, page)) if has_more else None
        newer = encode_cursor(NewerMessageCursor(page[0].seq if page else 0))
        return MessagePage(page, has_more, next_cursor=following, newer_cursor=newer), source

    async def list_messages_after(
        self, user_id: UUID, conversation_id: UUID, cursor: str, limit: int
    ) -> tuple[MessagePage, Source]:
        """A page of the messages after a place, oldest first, and who served it.

        NotFoundError for whoever is not in the conversation.
        """
        after = decode_cursor(cursor, NewerMessageCursor)
        rows, source = await self._messages(user_id, conversation_id, "list_messages_after", after.after_seq, limit)
        page = [message_of(row) for row in rows[:limit]]
        has_more = len(rows) > limit
        newer = encode_cursor(NewerMessageCursor(page[-1].seq if page else after.after_seq))
        return MessagePage(page, has_more, next_cursor=newer if has_more else None, newer_cursor=newer), source

    async def _messages(
        self, user_id: UUID, conversation_id: UUID, statement: str, place: int | datetime, limit: int
    ) -> tuple[list[Any], Source]:
        """The rows of a page and one beyond it, from whom history lets serve them."""

        async def query(pool: AppPool) -> list[Any]:
            async with pool.as_user(user_id) as connection:
                rows: list[Any] = await connection.fetch_rows(statement, conversation_id, place, limit + 1)
                # A page with messages was let through by the policy; an empty one leaves the question open.
                if not rows and not await connection.fetch_value("is_member", conversation_id, user_id):
                    raise not_in(conversation_id)
            return rows

        return await self._history.read(conversation_id, query)

    async def list_participants(
        self, user_id: UUID, conversation_id: UUID, cursor: str | None, limit: int
    ) -> ParticipantPage:
        """A page of a conversation's participants by user id; NotFoundError for whoever is not in it."""
        after = decode_cursor(cursor, ParticipantCursor) if cursor else FIRST_PARTICIPANTS
        async with self._pool.as_user(user_id) as connection:
            if not await connection.fetch_value("is_member", conversation_id, user_id):
                raise not_in(conversation_id)
            rows = await connection.fetch_rows("list_participants", conversation_id, after.after_user_id, limit + 1)
        return _page(ParticipantPage, rows, limit, Participant, lambda last: ParticipantCursor(last.user_id))

    async def list_memberships(self, user_id: UUID, cursor: str | None, limit: int) -> MembershipPage:
        """A page of the user's memberships, by conversation id."""
        after = decode_cursor(cursor, MembershipCursor) if cursor else FIRST_MEMBERSHIPS
        async with self._pool.as_user(user_id) as connection:
            rows = await connection.fetch_rows("list_memberships", user_id, after.after_conversation_id, limit + 1)
        return _page(MembershipPage, rows, limit, Membership, lambda last: MembershipCursor(last.conversation_id))

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


def _page(
    kind: Callable[..., PageKind],
    rows: list[Any],
    limit: int,
    record: Callable[..., Record],
    cursor: Callable[[Record], AnyCursor],
) -> PageKind:
    """The page whose statement was asked for one row more; `cursor` gives that of its last record."""
    page = [record(*row) for row in rows[:limit]]
    has_more = len(rows) > limit
    return kind(page, has_more=has_more, next_cursor=encode_cursor(cursor(page[-1])) if has_more else None)


def _listed(*columns: Any) -> ListedConversation:
    conversation, rest = columns[:_CONVERSATION_COLUMNS], columns[_CONVERSATION_COLUMNS:]
    role, last_read_seq, unread_count, message_id, *message = rest
    last_message = None
    if message_id is not None:
        last_message = message_of((message_id, conversation[0], conversation[-1], *message))
    return ListedConversation(
        *conversation, role=role, last_read_seq=last_read_seq, unread_count=unread_count, last_message=last_message
    )
