"""Answers of the HTTP API leave whole: the head of one does not go ahead of its body."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from reference_server.http_connections import AnswerTransport

HEAD = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Written(asyncio.Transport):
    """What is written, call by call, and when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []

    def write(self, data: Any) -> None:
        """Notes it."""
        self.calls.append(data)

    def close(self) -> None:
        """Notes that too."""
        self.calls.append(b"closed")

    def is_closing(self) -> bool:
        """Whether it was."""
        return b"closed" in self.calls


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([HEAD, b"{}"], [HEAD + b"{}"]),
        ([HEAD, b"{", b"}"], [HEAD + b"{", b"}"]),
        ([HEAD, b""], [HEAD]),
        ([HEAD, b"{}", HEAD, b"{}"], [HEAD + b"{}", HEAD + b"{}"]),
        ([CONTINUE, HEAD, b"{}"], [CONTINUE, HEAD + b"{}"]),
    ],
)
def test_a_head_leaves_with_what_follows_it(pieces: list[bytes], calls: list[bytes]) -> None:
    """In one call; what asks for the body waits for nothing."""
    below = Written()
    above = AnswerTransport(below)
    for piece in pieces:
        above.write(piece)
    assert below.calls == calls


def test_a_head_without_a_body_leaves_at_the_flush_and_at_the_end() -> None:
    """Once, and before the connection is closed."""
    below = Written()
    above = AnswerTransport(below)
    above.write(HEAD)
    assert below.calls == []
    above.flush()
    above.flush()
    above.write(HEAD)
    above.close()
    assert below.calls == [HEAD, HEAD, b"closed"]
    assert above.is_closing()


def test_an_answer_without_a_body_is_answered_at_once(server: Any) -> None:
    """To HEAD the head is all there is, and the connection goes on."""
    address = urlsplit(server.record["http_url"])
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        for method, end in ((b"HEAD", b"\r\n\r\n"), (b"GET", b"}")):
            connection.sendall(method + b" /v1/gateway HTTP/1.1\r\nHost: chat\r\n\r\n")
            answer = b""
            while not answer.endswith(end):
                piece = connection.recv(65536)
                assert piece, answer
                answer += piece
            assert answer.startswith(b"HTTP/1.1 4")
