"""Below requests and frames: noise, silence, half a request, and heads without end, at both ports.

Who says nothing whole in time is told so and hung up on; nobody holds a connection by saying little.
"""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WAIT_SECONDS = 20
PATIENCE_SECONDS = 0.4
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: chat.v1.json\r\n\r\n"
)
LOGIN = b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 80\r\n\r\n{"

Check = Callable[..., None]


class Ports:
    """A server's two ports, to be spoken to byte by byte."""

    def __init__(self, server: Any, check_told: Check) -> None:
        self.server = server
        self._check_told = check_told

    def open(self, port: str) -> socket.socket:
        """A TCP connection to `http` or `gateway`."""
        address = urlsplit(self.server.record[f"{port}_url"])
        return socket.create_connection((address.hostname, address.port), timeout=WAIT_SECONDS)

    def answer(self, port: str, *pieces: bytes, half_close: bool = False) -> bytes:
        """What comes back until the server hangs up."""
        with closing(self.open(port)) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return self.rest(connection, pieces)

    def rest(self, connection: socket.socket, said: object) -> bytes:
        """Everything until the end, which must tell nothing internal."""
        received = b""
        try:
            while piece := connection.recv(1 << 16):
                received += piece
        except ConnectionResetError:
            pass  # it hung up before it had read everything
        self._check_told(received.decode(errors="replace"), said)
        return received


@pytest.fixture(scope="module")
def ports(launch_for_module: Any, database: str, check_told: Check) -> Iterator[Ports]:
    """A server with little patience; in the end it works as before, and its log tells of no mistake of its own."""
    server = launch_for_module(
        database, authentication_seconds=PATIENCE_SECONDS, request_seconds=PATIENCE_SECONDS, shutdown_seconds=2
    )
    yield Ports(server, check_told)
    user = server.user(1)
    user.send(server.group(user))
    user.connect().close()
    for event in server.events():
        assert event["level"] in ("info", "warning"), event
        assert "exception" not in event, event


def status_of(answer: bytes) -> int:
    """The HTTP status of an answer."""
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split(b" ", 2)[1])


def body_of(answer: bytes) -> bytes:
    """Its body."""
    return answer.partition(b"\r\n\r\n")[2]


def one_answer(connection: socket.socket) -> bytes:
    """The answer of /healthz, head and body, on a connection that stays open."""
    received = b""
    while not received.endswith(b"ok"):
        received += connection.recv(1 << 16)
    return received


@pytest.mark.parametrize("port", ["http", "gateway"])
@pytest.mark.parametrize("half_close", [False, True])
@pytest.mark.parametrize(
    "noise",
    [b"\r\n\r\n\r\n", b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 80 + b"\r\n\r\n",
     b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n: :\r\n\r\n",
     b"\0" * 100 + b"\r\n"],
    ids=["line ends", "a word", "TLS", "no path", "no version", "no ASCII", "no header", "zeros"],
)  # fmt: skip
def test_noise_is_told_to_be_noise(ports: Ports, port: str, noise: bytes, half_close: bool) -> None:
    """What is no HTTP gets a refusal that says so, and the connection ends."""
    answer = ports.answer(port, noise, half_close=half_close)
    assert 400 <= status_of(answer) < 500
    assert body_of(answer).strip()


@pytest.mark.parametrize("port", ["http", "gateway"])
def test_any_noise_is_survived(ports: Ports, port: str) -> None:
    """Bytes of any kind, alone or within a request: a refusal, never a failure of the server's."""
    whole = HANDSHAKE if port == "gateway" else LOGIN

    @settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=120), st.integers(0, len(whole)))
    def strike(noise: bytes, place: int) -> None:
        answer = ports.answer(port, whole[:place] + noise + whole[place:], half_close=True)
        assert not answer or status_of(answer) in (101, 400, 401, 404, 405, 408, 413, 414, 421, 426, 431, 505), answer

    strike()


@pytest.mark.parametrize("port", ["http", "gateway"])
@pytest.mark.parametrize("said", [b"", b"GET", HANDSHAKE[:-2]], ids=["nothing", "a word", "all but the end"])
def test_who_does_not_finish_is_told_and_hung_up_on(ports: Ports, port: str, said: bytes) -> None:
    """A request that never comes whole is answered by 408."""
    answer = ports.answer(port, said)
    assert status_of(answer) == 408
    assert b"0.4 s" in body_of(answer)


def test_a_request_that_ends_in_the_middle_is_told(ports: Ports) -> None:
    """Half-closed before it is whole: it never will be."""
    for said in (LOGIN[:20], LOGIN):
        answer = ports.answer("http", said, half_close=True)
        assert (status_of(answer), json.loads(body_of(answer))["message"]) == (
            400,
            "the request ended before it was whole",
        )


def test_a_whole_request_is_answered_when_nothing_more_comes(ports: Ports) -> None:
    """Half-closed after it: the client waits for its answer."""
    body = b'{"user_id": "00000000-0000-0000-0000-000000000001", "login_key": "chatbench"}'
    request = LOGIN[:-1].replace(b"Content-Length: 80", b"Content-Length: %d" % len(body)) + body
    assert status_of(ports.answer("http", request, half_close=True)) == 401


def test_a_body_that_does_not_come_is_not_waited_for(ports: Ports) -> None:
    """The same for the rest of a body; the answer has the shape of every other refusal."""
    answer = ports.answer("http", LOGIN)
    assert status_of(answer) == 408
    assert json.loads(body_of(answer)) == {"code": "too_slow", "message": "no whole request came within 0.4 s"}


@pytest.mark.parametrize("port", ["http", "gateway"])
def test_dripping_does_not_help(ports: Ports, port: str) -> None:
    """Time runs from the first byte, however many follow."""
    with closing(ports.open(port)) as connection:
        connection.settimeout(0.02)
        received = b""
        for number in range(2_000):
            try:
                connection.sendall(b"GET / HTTP/1.1\r\n" if not number else b"X-%d: x\r\n" % number)
                received = connection.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                pass
            break
        else:
            raise AssertionError("it was listened to without end")
        assert not received or status_of(received) == 408


@pytest.mark.parametrize("port", ["http", "gateway"])
@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * 200_000, b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 40_000,
     b"GET /" + b"x" * 200_000],
    ids=["one header", "many headers", "the path"],
)  # fmt: skip
def test_a_head_without_end_is_not_collected(ports: Ports, port: str, head: bytes) -> None:
    """Beyond its bound it is refused before it is whole."""
    answer = ports.answer(port, head)
    assert not answer or status_of(answer) in (414, 431)
    assert answer or port == "http", "the gateway reads on until it has answered"


def test_a_request_in_pieces_is_a_request(ports: Ports) -> None:
    """Who is slow within the time is served; a second request on the connection has its own time."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(ports.open("http")) as connection:
        for _ in range(3):
            for place in range(len(request)):
                connection.sendall(request[place : place + 1])
            assert status_of(one_answer(connection)) == 200


def test_a_connection_at_rest_between_requests_is_left_alone(ports: Ports) -> None:
    """The time is for requests; keep-alive has its own, which is longer."""
    with closing(ports.open("http")) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(one_answer(connection)) == 200
        assert status_of(ports.answer("http", b"")) == 408  # as long as a request may take has passed meanwhile
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(one_answer(connection)) == 200


def test_a_client_that_vanishes_in_the_middle_leaves_nothing(ports: Ports) -> None:
    """Reset before, during and after the handshake: no connection stays in the counts."""
    for said in (b"", HANDSHAKE[:40], HANDSHAKE, HANDSHAKE + b"\x81"):
        connection = ports.open("gateway")
        connection.sendall(said)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    user = ports.server.user(1)
    gateway = user.connect()
    gateway.websocket.socket.shutdown(socket.SHUT_WR)  # half-open: it can be told, and says nothing more
    ports.server.wait_for_metric(lambda value: value == 0, "chat_gateway_connections")


def test_refused_handshakes_are_counted(ports: Ports) -> None:
    """By the status that the client was told."""
    before = ports.server.metric("chat_gateway_handshakes_refused_total", status="426")
    assert status_of(ports.answer("gateway", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 426
    ports.server.wait_for_metric(
        lambda value: value == before + 1, "chat_gateway_handshakes_refused_total", status="426"
    )
    assert ports.server.metric("chat_gateway_handshakes_refused_total", status="408") > 0
    assert ports.server.metric("chat_gateway_handshakes_refused_total", status="400") > 0
