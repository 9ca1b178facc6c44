"""HTTP connections whose requests come whole within a time and with heads of a bounded size.

uvicorn waits for ever for the rest of a request, and collects headers without end.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reference_server.records import ErrorAnswer

HEAD_BYTES_MAX = 1 << 16


class PromptHttpConnection(HttpToolsProtocol):
    """One HTTP connection."""

    def __init__(self, *arguments: Any, request_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._request_seconds = request_seconds

    _timer: asyncio.TimerHandle | None = None
    _is_incoming = True  # a request is awaited or under way
    _has_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts to wait for a request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._expect_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        # Before the parser, which keeps all of it: a head that comes in pieces adds up.
        if not self._has_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            self._expect_no_more()
        elif not self._has_head and self._head_bytes > HEAD_BYTES_MAX:
            sentence = f"the request's head is longer than {HEAD_BYTES_MAX} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too_large", sentence)
        elif self._is_incoming:
            self._expect()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client says nothing more; True while it has an answer to get."""
        if self._is_incoming:
            if self._head_bytes:
                self._refuse(HTTPStatus.BAD_REQUEST, "bad_request", "the request ended before it was whole")
            return False
        if self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._is_incoming, self._has_head = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._has_head = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is whole."""
        self._is_incoming, self._has_head, self._head_bytes = False, False, 0
        self._expect_no_more()
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Not in the log: the gateway has a port of its own, and uvicorn would advise to install what is not wanted."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's sentence; ours is an ErrorAnswer
        """Answers noise."""
        self._refuse(HTTPStatus.BAD_REQUEST, "bad_request", "this is no HTTP/1.1 request")

    def _expect(self) -> None:
        """Starts the clock, unless it runs: most requests come in one piece and need none."""
        if self._timer is None:
            self._timer = self.loop.call_later(self._request_seconds, self._too_slow)

    def _expect_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            sentence = f"no whole request came within {self._request_seconds:g} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "too_slow", sentence)

    def _refuse(self, status: HTTPStatus, code: str, sentence: str) -> None:
        """Answers in place of the application, which sees nothing of it, and hangs up."""
        self._expect_no_more()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_answer(status, code, sentence))
        self.transport.close()


def _answer(status: HTTPStatus, code: str, sentence: str) -> bytes:
    body: Any = msgspec.json.encode(ErrorAnswer(code, sentence))
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + bytes(body)
