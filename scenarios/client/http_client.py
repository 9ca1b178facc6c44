"""HTTP/1.1 with keep-alive for load: each response timed by the kernel's stamp of its last segment.

Errors are data: a lost connection or a timeout is a Response with status 0 and the reason.
"""

import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools
from gevent import socket as gevent_socket

from scenarios.client import arrival_stamp

# Servers close idle connections (uvicorn after 5 s); one that idled this long is not trusted with a timed request.
IDLE_LIMIT_SECONDS = 3.0
REQUEST_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer and when it came; times are CLOCK_REALTIME in ns."""

    status: int  # 0: none
    body: bytes
    intended_ns: int
    sent_ns: int
    arrived_ns: int  # of the response's last segment
    stamped: bool  # arrived_ns is the kernel's, not the moment of reading
    error: str | None = None  # why there is no status

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300

    @property
    def request_us(self) -> int:
        """Intended start → arrival."""
        return (self.arrived_ns - self.intended_ns) // 1000

    @property
    def service_us(self) -> int:
        """Actual send → arrival."""
        return (self.arrived_ns - self.sent_ns) // 1000

    def problem(self) -> str:
        """One line on what went wrong."""
        return self.error or f"HTTP {self.status}: {self.body[:200].decode('utf-8', 'replace')}"


class HttpPool:
    """Keep-alive connections to one server, one request at a time on each, as many as are in flight."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self._address = (parts.hostname, parts.port or 80)
        self._host_header = f"{parts.hostname}:{parts.port or 80}"
        self._prefix = parts.path.rstrip("/")
        self._idle: deque[_Connection] = deque()
        self.responses = 0
        self.unstamped = 0

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        operator_key: str | None = None,
        body: bytes = b"",
        intended_ns: int | None = None,
    ) -> Response:
        """Sends one request and waits, in this greenlet, for its answer."""
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: {self._host_header}\r\n"
        if token is not None:
            head += f"Authorization: Bearer {token}\r\n"
        if operator_key is not None:
            head += f"Operator-Key: {operator_key}\r\n"
        if body or method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        request = head.encode("ascii") + b"\r\n" + body
        if intended_ns is None:
            intended_ns = time.time_ns()
        sent_ns = time.time_ns()
        try:
            connection = self._take()
            sent_ns = time.time_ns()
            answer = connection.exchange(request)
        except (OSError, httptools.HttpParserError) as error:
            reason = f"{type(error).__name__}: {error}"
            return Response(0, b"", intended_ns, sent_ns, time.time_ns(), stamped=False, error=reason)
        if answer.keep_alive:
            self._idle.append(connection)
        else:
            connection.close()
        self.responses += 1
        self.unstamped += not answer.stamped
        return Response(answer.status, answer.body, intended_ns, sent_ns, answer.arrived_ns, answer.stamped)

    def warm(self, connections: int) -> None:
        """Opens that many connections ahead of a measurement; OSError when the server is not there."""
        self._idle.extend([_Connection(self._address) for _ in range(connections - len(self._idle))])

    def close(self) -> None:
        """Closes what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection":
        """The connection that rested least, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        return _Connection(self._address)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    arrived_ns: int
    stamped: bool
    keep_alive: bool


class _Connection:
    """One keep-alive connection; it dies with the first error."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._sock = gevent_socket.create_connection(address, timeout=REQUEST_TIMEOUT_SECONDS)
        self._sock.setsockopt(gevent_socket.IPPROTO_TCP, gevent_socket.TCP_NODELAY, 1)
        arrival_stamp.ask_for_stamps(self._sock)
        self._used_at = time.monotonic()
        self._body: list[bytes] = []
        self._complete = False
        self._keep_alive = False

    def is_fresh(self) -> bool:
        """Whether the server still holds the connection, as far as can be known without sending."""
        if time.monotonic() - self._used_at > IDLE_LIMIT_SECONDS:
            return False
        try:
            self._sock._sock.recv(1, gevent_socket.MSG_PEEK)
        except BlockingIOError:
            return True  # nothing waits, as it should be
        except OSError:
            return False
        return False  # the server's goodbye, or something nobody asked for

    def exchange(self, request: bytes) -> _Answer:
        """Sends a request and reads its answer; OSError when the connection or the time is lost."""
        try:
            self._sock.sendall(request)
            self._body = []
            self._complete = False
            self._parser = parser = httptools.HttpResponseParser(self)
            arrived_ns, stamped = 0, False
            while not self._complete:
                data, arrived_ns, stamped = self._read()
                parser.feed_data(data)
            self._used_at = time.monotonic()
            return _Answer(parser.get_status_code(), b"".join(self._body), arrived_ns, stamped, self._keep_alive)
        except BaseException:
            self.close()
            raise

    def _read(self) -> tuple[bytes, int, bool]:
        while True:
            try:
                # Straight from the raw socket: the shared buffer must be emptied before this greenlet waits again.
                size, ancillary, _, _ = self._sock._sock.recvmsg_into(
                    arrival_stamp.READ_BUFFERS, arrival_stamp.ANCILLARY_BYTES
                )
                break
            except BlockingIOError:
                gevent_socket.wait_read(self._sock.fileno(), timeout=REQUEST_TIMEOUT_SECONDS)
        observed_ns = time.time_ns()
        if not size:
            raise ConnectionResetError("the server closed the connection before it answered")
        stamp_ns = arrival_stamp.stamp_ns(ancillary)
        return bytes(arrival_stamp.READ_VIEW[:size]), stamp_ns or observed_ns, bool(stamp_ns)

    def close(self) -> None:
        """Ends the connection."""
        self._sock.close()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._complete = True
        self._keep_alive = bool(self._parser.should_keep_alive())  # the parser knows it only during this call
