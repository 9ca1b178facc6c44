"""Messages: paging, sending, changing, and marking them as read."""

from typing import Annotated
from uuid import UUID

from litestar import Response, delete, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.params import Parameter

from reference_server.cursors import SEQ_MAX
from reference_server.errors import RefusedError
from reference_server.read_routing import Source
from reference_server.records import ErrorAnswer, MessageAnswer, MessageChange, MessagePage, NewMessage, ReadState
from reference_server.routes.common import WITH_NOT_FOUND, Caller, Cursor, JsonResponse, PageLimit, answer, with_body

Seq = Annotated[int, Parameter(ge=1, le=SEQ_MAX, description="The message's number in its conversation.")]
DEFAULT_PAGE_LIMIT = 50
SERVED_BY = "Chat-Served-By"
_PATH = "/conversations/{conversation_id:str}/messages"


@get(
    _PATH,
    tags=["messages"],
    responses=WITH_NOT_FOUND,
    response_headers=[
        ResponseHeader(name=SERVED_BY, description="`primary` or `replica`.", required=True, documentation_only=True)
    ],
)
async def list_messages(
    conversation_id: UUID,
    caller: Caller,
    before: Cursor = None,
    after: Annotated[
        str | None, Parameter(max_length=200, description="`newer_cursor` of a page: from there on, oldest first.")
    ] = None,
    limit: PageLimit = DEFAULT_PAGE_LIMIT,
) -> Response[MessagePage]:
    """A conversation's messages, newest first; from a place on towards the newest, oldest first, with `after`."""
    if after is None:
        page, source = await read_page(caller, conversation_id, before, limit)
    elif before is None:
        chat = caller.services.chat
        page, source = await chat.list_messages_after(caller.user_id, conversation_id, after, limit)
    else:
        raise RefusedError("before and after exclude each other; page in one direction")
    return JsonResponse(page, headers={SERVED_BY: source})


@post(
    _PATH,
    tags=["messages"],
    status_code=201,
    responses=with_body(
        {
            200: answer(MessageAnswer, "It had been sent before."),
            409: answer(ErrorAnswer, "client_id names another message."),
            **WITH_NOT_FOUND,
        }
    ),
)
async def send_message(conversation_id: UUID, data: NewMessage, caller: Caller) -> Response[MessageAnswer]:
    """Stores a message and delivers it to everyone in the conversation. Retried with its client_id, it is sent once."""
    message, status = await store_message(caller, conversation_id, data)
    return Response(message, status_code=status)


async def read_page(
    caller: Caller, conversation_id: UUID, before: str | None, limit: int
) -> tuple[MessagePage, Source]:
    """A page towards the oldest, and who served it."""
    return await caller.services.chat.list_messages(caller.user_id, conversation_id, before, limit)


async def store_message(caller: Caller, conversation_id: UUID, new: NewMessage) -> tuple[MessageAnswer, int]:
    """What a send answers, and its status."""
    caller.services.limits.send(caller.user_id)
    sender = caller.services.sender
    message, is_new = await sender.send(caller.user_id, conversation_id, new.content, new.client_id)
    return MessageAnswer(message), 201 if is_new else 200


@patch(_PATH + "/{seq:str}", tags=["messages"], responses=with_body(WITH_NOT_FOUND))
async def edit_message(conversation_id: UUID, seq: Seq, data: MessageChange, caller: Caller) -> MessageAnswer:
    """Gives a message of the caller's new content and tells everyone in the conversation."""
    changes = caller.services.changes
    return MessageAnswer(await changes.edit(caller.user_id, conversation_id, seq, data.content))


@delete(_PATH + "/{seq:str}", tags=["messages"], status_code=200, responses=WITH_NOT_FOUND)
async def delete_message(conversation_id: UUID, seq: Seq, caller: Caller) -> MessageAnswer:
    """Turns a message of the caller's into a tombstone: its seq stays, its content is gone. Twice is once."""
    return MessageAnswer(await caller.services.changes.delete(caller.user_id, conversation_id, seq))


@post(_PATH + "/{seq:str}/read", tags=["messages"], status_code=200, responses=WITH_NOT_FOUND)
async def mark_message_as_read(conversation_id: UUID, seq: Seq, caller: Caller) -> ReadState:
    """Everything up to this message is read. What was read stays read: the watermark never moves back."""
    return await caller.services.changes.mark_read(caller.user_id, conversation_id, seq)


HANDLERS = (list_messages, send_message, edit_message, delete_message, mark_message_as_read)
