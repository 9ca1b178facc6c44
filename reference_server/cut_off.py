"""Requests that a stopping server cuts off are told so, rather than hung up on."""

import msgspec
from litestar.types import Send

from reference_server.records import ErrorAnswer

_BODY = msgspec.json.encode(
    ErrorAnswer(
        "draining", "the server stopped before this was done; a send may be stored, repeat it with its client_id"
    )
)
_HEADERS = (
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_BODY)).encode()),
    (b"connection", b"close"),
)


async def answer_cut_off(send: Send) -> None:
    """Answers a request whose task was cancelled: nobody but a stop does that."""
    await send({"type": "http.response.start", "status": 503, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY, "more_body": False})
