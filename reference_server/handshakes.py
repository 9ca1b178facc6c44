"""Opening handshakes of the gateway: each is over within a time, and each refusal says why and is counted."""

import asyncio
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import HeaderLineTooLong, InvalidMessage, RequestLineTooLong, TooManyHeaders
from websockets.protocol import State

from reference_server.metrics import Metrics

_LINGER_SECONDS = 1.0  # for a refused client to read why, before the connection is reset

# What the library answers by itself before there is a request to answer to.
_ANSWERED: dict[object, HTTPStatus] = {
    RequestLineTooLong: HTTPStatus.REQUEST_URI_TOO_LONG,
    HeaderLineTooLong: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    TooManyHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}


class PromptConnection(ServerConnection):
    """A gateway connection; its client must ask for it properly and in time."""

    def __init__(self, *arguments: Any, metrics: Metrics, handshake_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._metrics = metrics
        self._handshake_seconds = handshake_seconds
        self._refused_with: HTTPStatus | None = None

    async def handshake(self, *arguments: Any, **options: Any) -> None:
        """Opens the connection, or refuses to."""
        try:
            async with asyncio.timeout(self._handshake_seconds):
                await super().handshake(*arguments, **options)
        except TimeoutError:
            if self._refused_with is None:
                sentence = f"no whole request within {self._handshake_seconds:g} s"
                await self._hang_up(HTTPStatus.REQUEST_TIMEOUT, sentence)
        status = self._refusal_status()
        if status is not None:
            self._metrics.handshakes_refused.labels(str(status.value)).inc()

    def send_data(self) -> None:
        """Writes what is to be sent; noise is answered here, because the library would only hang up."""
        noise = self.protocol.handshake_exc
        if self.request is None and self._refused_with is None and type(noise) is InvalidMessage:
            self._refused_with = HTTPStatus.BAD_REQUEST
            self.transport.write(_refusal(self._refused_with, "this is no HTTP request without a body"))
        super().send_data()

    async def _hang_up(self, status: HTTPStatus, sentence: str) -> None:
        self._refused_with = status
        self.transport.write(_refusal(status, sentence))
        self.transport.write_eof()
        await asyncio.wait({self.connection_lost_waiter}, timeout=_LINGER_SECONDS)

    def _refusal_status(self) -> HTTPStatus | None:
        if self.protocol.state is State.OPEN:
            return None
        if self._refused_with is not None:
            return self._refused_with
        if self.request is None:
            return _ANSWERED.get(type(self.protocol.handshake_exc), HTTPStatus.BAD_REQUEST)
        if self.response is not None and self.response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return HTTPStatus(self.response.status_code)
        return None  # the client went away meanwhile


def _refusal(status: HTTPStatus, sentence: str) -> bytes:
    """An HTTP response for whom the library has none: what came was no request, or no whole one."""
    body = f"Failed to open a WebSocket connection: {sentence}.\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
