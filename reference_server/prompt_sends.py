"""Sends past the framework: the one request of which a chat has thousands per second.

The framework's extraction of arguments and its response were a fifth of a send's CPU time. The route stays the
framework's, which documents it, takes every request that is not plain and words every refusal; plain ones are
decoded, carried out and answered here by the same function.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from reference_server.records import MessageAnswer, NewMessage
from reference_server.routes.common import Caller
from reference_server.routes.messages import store_message

_PATH_TEMPLATE = "/v1/conversations/{conversation_id}/messages"

_decode = msgspec.json.Decoder(NewMessage).decode
_encode = msgspec.json.Encoder().encode

Identify = Callable[[str], Caller]
AnswerError = Callable[[HTTPScope, Receive, Send, Exception], Awaitable[None]]


def prompt_sends(identify: Identify, answer_error: AnswerError, body_bytes_max: int) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware that carries out sends.

    `identify` reads an Authorization header and raises for a bad one; `answer_error` answers what was raised.
    """

    def wrap(app: ASGIApp) -> ASGIApp:
        async def sending(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("path_template") != _PATH_TEMPLATE or scope.get("method") != "POST":
                await app(scope, receive, send)
                return
            first: Any = await receive()
            new = _whole(first, body_bytes_max)
            if new is None:
                await app(scope, _again(first, receive), send)
                return
            try:
                caller = identify(_authorization(scope))
                conversation_id: Any = scope["path_params"]["conversation_id"]  # a UUID, read by the router
                answer, status = await store_message(caller, conversation_id, new)
            except Exception as error:  # noqa: BLE001 - answered as the framework's routes answer it
                await answer_error(scope, receive, send, error)  # type: ignore[arg-type]
                return
            await _answer(send, status, answer)

        return sending

    return wrap


def _whole(message: Any, body_bytes_max: int) -> NewMessage | None:
    """The message to send, when it came in one piece and is as described."""
    if message["type"] != "http.request" or message.get("more_body") or len(message["body"]) > body_bytes_max:
        return None
    try:
        return _decode(message["body"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _again(first: Any, receive: Receive) -> Receive:
    """Gives what was read already, then what follows."""
    read: list[Any] = [first]

    async def receive_again() -> Any:
        return read.pop() if read else await receive()

    return receive_again


def _authorization(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")


async def _answer(send: Send, status: int, answer: MessageAnswer) -> None:
    body = _encode(answer)
    headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
