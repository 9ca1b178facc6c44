"""Conversations: making them, listing them, and where one stands in each."""

from litestar import Response, get, post

from reference_server.records import (
    ConversationAnswer,
    ConversationPage,
    MembershipPage,
    NewDirectConversation,
    NewGroupConversation,
)
from reference_server.routes.common import (
    COMMON,
    PAGE_LIMIT_MAX,
    WITH_NOT_FOUND,
    Caller,
    Cursor,
    PageLimit,
    answer,
    with_body,
)


@post(
    "/conversations/direct",
    tags=["conversations"],
    status_code=201,
    responses=with_body({200: answer(ConversationAnswer, "It existed."), **WITH_NOT_FOUND}),
)
async def create_direct_conversation(data: NewDirectConversation, caller: Caller) -> Response[ConversationAnswer]:
    """The conversation of the caller and another user, made when there is none. The same one for both."""
    groups = caller.services.groups
    conversation, is_new = await groups.create_direct_conversation(caller.user_id, data.user_id)
    return Response(ConversationAnswer(conversation), status_code=201 if is_new else 200)


@post("/conversations/group", tags=["conversations"], status_code=201, responses=with_body(WITH_NOT_FOUND))
async def create_group_conversation(data: NewGroupConversation, caller: Caller) -> ConversationAnswer:
    """A new group that the caller owns."""
    groups = caller.services.groups
    return ConversationAnswer(await groups.create_group_conversation(caller.user_id, data.name, data.user_ids))


@get("/conversations", tags=["conversations"], responses=COMMON)
async def list_conversations(caller: Caller, cursor: Cursor = None, limit: PageLimit = 20) -> ConversationPage:
    """The caller's conversations, newest first, each with its unread count and last message."""
    return await caller.services.chat.list_conversations(caller.user_id, cursor, limit)


@get("/memberships", tags=["conversations"], responses=COMMON)
async def list_memberships(caller: Caller, cursor: Cursor = None, limit: PageLimit = PAGE_LIMIT_MAX) -> MembershipPage:
    """Where the caller stands in each conversation: the seqs from which a later resume starts."""
    return await caller.services.chat.list_memberships(caller.user_id, cursor, limit)


HANDLERS = (create_direct_conversation, create_group_conversation, list_conversations, list_memberships)
