import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scenarios.client import http_client
from scenarios.client.http_client import HttpPool


@contextmanager
def answering(*answers: tuple[bytes, ...]) -> Iterator[str]:
    """A server that answers each request of one connection after another with the given pieces."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for pieces in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(0.03)  # so that pieces are segments of their own

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_one_connection_serves_many_requests(scripted_server: Callable[..., Any]) -> None:
    """Keep-alive: requests one after the other need one connection."""
    pool = HttpPool(scripted_server().url)
    assert [pool.request("GET", "/healthz").status for _ in range(5)] == [200] * 5
    assert len(pool._idle) == 1
    pool.close()


def test_latency_runs_from_the_intended_start(scripted_server: Callable[..., Any]) -> None:
    """A late send keeps its intended time; service time stands beside it."""
    pool = HttpPool(scripted_server().url)
    intended_ns = time.time_ns() - 500_000_000
    response = pool.request("GET", "/healthz", intended_ns=intended_ns)
    pool.close()
    assert response.request_us >= 500_000
    assert response.request_us - response.service_us == pytest.approx((response.sent_ns - intended_ns) / 1000, abs=1)


def test_arrival_is_that_of_the_last_segment() -> None:
    """A body in two segments has arrived when the second one has."""
    pieces = (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", b"world")
    with answering(pieces) as url:
        pool = HttpPool(url)
        response = pool.request("GET", "/")
        pool.close()
    assert response.body == b"helloworld"
    assert response.stamped
    assert response.service_us >= 30_000


def test_a_lost_connection_is_data() -> None:
    """Half an answer has status 0 and says what happened."""
    with answering((b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",)) as url:
        response = HttpPool(url).request("GET", "/")
    assert response.status == 0
    assert "closed the connection" in response.problem()


def test_nonsense_is_data() -> None:
    """What is not HTTP is an error of that request, not an exception."""
    with answering((b"SSH-2.0-server\r\n",)) as url:
        response = HttpPool(url).request("GET", "/")
    assert (response.status, response.ok) == (0, False)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"code": "too_many_requests", "message": "at most 5 sends per second; come again in 0.2 s"}',
         "HTTP 429: the server's rate limit, at most 5 sends per second"),
        (b"slow down", "HTTP 429: the server's rate limit"),
    ],
)  # fmt: skip
def test_a_rate_limit_is_named(body: bytes, told: str) -> None:
    """In one text for all requests that it refuses, whichever time each has to wait."""
    head = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: %d\r\n\r\n" % len(body)
    with answering((head + body,)) as url:
        pool = HttpPool(url)
        response = pool.request("GET", "/")
        pool.close()
    assert response.problem() == told


def test_nobody_there_is_data() -> None:
    """A refused connection has status 0."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    response = HttpPool(f"http://127.0.0.1:{port}").request("GET", "/")
    assert "refused" in response.problem()


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    """The goodbye of an idle connection is noticed before the next request is sent on it."""
    answer = (b"HTTP/1.1 204 No Content\r\n\r\n",)
    with answering(answer, answer) as url:
        pool = HttpPool(url)
        assert pool.request("GET", "/").status == 204
        (connection,) = pool._idle
        connection._sock._sock.settimeout(10)
        assert connection._sock._sock.recv(1, socket.MSG_PEEK) == b""  # the goodbye has come
        connection._sock._sock.settimeout(0)
        assert pool.request("GET", "/").status == 204
        pool.close()


def test_a_long_idle_connection_is_not_trusted(
    scripted_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timed request never rides on a connection that the server may be about to close."""
    pool = HttpPool(scripted_server().url)
    pool.request("GET", "/healthz")
    (before,) = pool._idle
    monkeypatch.setattr(http_client, "IDLE_LIMIT_SECONDS", -1.0)
    pool.request("GET", "/healthz")
    (after,) = pool._idle
    pool.close()
    assert before is not after
