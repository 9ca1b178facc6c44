"""Sends and pages past the framework: the two requests of which a chat has thousands per second.

The framework's extraction of arguments and its response were a fifth of a send's CPU time, and cost a page as much as
its policy. The routes stay the framework's, which documents them, takes every request that is not plain and words every
refusal; plain ones are decoded, carried out and answered here by the same functions.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from reference_server.records import NewMessage
from reference_server.routes.common import PAGE_LIMIT_MAX, Caller
from reference_server.routes.messages import DEFAULT_PAGE_LIMIT, SERVED_BY, read_page, store_message

_PATH_TEMPLATE = "/v1/conversations/{conversation_id}/messages"
# The first page, and the ones that follow it by their cursor.
_PLAIN_QUERY = re.compile(rb"(?:limit=([0-9]{1,3}))?(?:(?:^|&)before=([A-Za-z0-9_-]{1,200}))?")

_UUID_LENGTH = 36

_decode = msgspec.json.Decoder(NewMessage).decode
_encode = msgspec.json.Encoder().encode

Identify = Callable[[str], Caller]
AnswerError = Callable[[HTTPScope, Receive, Send, Exception], Awaitable[None]]
Work = Callable[[Caller, UUID], Awaitable[tuple[Any, int, tuple[tuple[bytes, bytes], ...]]]]


def prompt_requests(identify: Identify, answer_error: AnswerError, body_bytes_max: int) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware that carries out plain sends and pages.

    `identify` reads an Authorization header and raises for a bad one; `answer_error` answers what was raised.
    """

    def wrap(app: ASGIApp) -> ASGIApp:
        async def prompt(scope: Scope, receive: Receive, send: Send) -> None:
            work = None
            conversation_id = _conversation_id(scope)
            if conversation_id is not None:
                method = scope.get("method")
                if method == "POST":
                    first: Any = await receive()
                    work = _plain_send(first, body_bytes_max)
                    if work is None:
                        receive = _again(first, receive)
                elif method == "GET":
                    work = _plain_page(scope["query_string"])
            if work is None or conversation_id is None:
                await app(scope, receive, send)
                return
            try:
                answer, status, headers = await work(identify(authorization_of(scope)), conversation_id)
            except Exception as error:  # noqa: BLE001 - answered as the framework's routes answer it
                await answer_error(scope, receive, send, error)  # type: ignore[arg-type]
                return
            await _answer(send, status, answer, headers)

        return prompt

    return wrap


def _conversation_id(scope: Scope) -> UUID | None:
    """Whose messages are meant, where the path is that of messages and names a conversation as the server does."""
    if scope.get("path_template") != _PATH_TEMPLATE:
        return None
    text = scope["path_params"]["conversation_id"]
    if len(text) != _UUID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _plain_send(message: Any, body_bytes_max: int) -> Work | None:
    """The send that is asked for, when it came in one piece and is as described."""
    if message["type"] != "http.request" or message.get("more_body") or len(message["body"]) > body_bytes_max:
        return None
    try:
        new = _decode(message["body"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

    async def work(caller: Caller, conversation_id: UUID) -> tuple[Any, int, tuple[tuple[bytes, bytes], ...]]:
        return *await store_message(caller, conversation_id, new), ()

    return work


def _plain_page(query: bytes) -> Work | None:
    """The page that is asked for, when the question is as clients ask it."""
    match = _PLAIN_QUERY.fullmatch(query)
    if match is None:
        return None
    limit = int(match[1]) if match[1] else DEFAULT_PAGE_LIMIT
    if not 1 <= limit <= PAGE_LIMIT_MAX:
        return None
    before = match[2].decode() if match[2] else None

    async def work(caller: Caller, conversation_id: UUID) -> tuple[Any, int, tuple[tuple[bytes, bytes], ...]]:
        page, source = await read_page(caller, conversation_id, before, limit)
        return page, 200, ((SERVED_BY.lower().encode(), source.encode()),)

    return work


def _again(first: Any, receive: Receive) -> Receive:
    """Gives what was read already, then what follows."""
    read: list[Any] = [first]

    async def receive_again() -> Any:
        return read.pop() if read else await receive()

    return receive_again


def authorization_of(scope: Scope) -> str:
    """The header by which a request says whose it is; empty without one."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")


async def _answer(send: Send, status: int, answer: Any, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    body = _encode(answer)
    every = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers)
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body, "more_body": False})
