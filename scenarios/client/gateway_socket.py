"""A WebSocket connection read by readiness callbacks on gevent's own loop: no greenlet per connection.

Arrival is the kernel's stamp of the segment that completed a read. Measured against a greenlet per connection over
`websockets.sync`, one frame per wake: see tests/scenarios/test_bench_receive_path.py.
"""

import socket
import time
from collections.abc import Callable
from itertools import accumulate
from math import ceil
from typing import Any

import gevent
from gevent import socket as gevent_socket
from gevent.event import Event
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from scenarios.client import arrival_stamp
from scenarios.client.websocket_frames import CLOSE, PING, PONG, FrameError, FrameReader

_READ, _WRITE = 1, 2
# RFC 6455 §7.4.1: how a connection that ended without a close frame is told.
ABNORMAL_CLOSURE = 1006
NO_STATUS = 1005
CONNECT_TIMEOUT_SECONDS = 10.0


class ConnectFailedError(Exception):
    """The gateway could not be reached or refused the handshake; the message says why. A run's data, not its end."""


class ArrivalCounts:
    """What all connections of a process received."""

    def __init__(self) -> None:
        self.reads = 0
        self.unstamped_reads = 0
        self.frames = 0
        self.wire_bytes = 0
        # Reads by the bit length of their bytes: a wake reads all that waits, so this is how deep queues were.
        self.depths = [0] * (arrival_stamp.READ_BUFFER_BYTES.bit_length() + 1)

    def receive_queue_bytes_p99(self) -> int:
        """Bytes that waited at 99 % of the wakes, at most: the next power of two, less one. 0 when nothing was read."""
        needed = ceil(0.99 * self.reads)
        reached = accumulate(self.depths)
        return next(((1 << bits) - 1 for bits, count in enumerate(reached) if count >= needed > 0), 0)


class GatewaySocket:
    """One open WebSocket.

    `on_payload(payload, wire_bytes, arrival_ns, observed_ns)` is called for each message, within the event loop: it
    must not block, and the payload is only valid during the call. `on_close(code, reason)` is called once.
    """

    def __init__(
        self,
        url: str,
        subprotocol: str,
        *,
        on_payload: Callable[["memoryview | bytes", int, int, int], None],
        on_close: Callable[[int, str], None],
        counts: ArrivalCounts,
    ) -> None:
        self._on_payload = on_payload
        self._on_close = on_close
        self._counts = counts
        self._reader = FrameReader(self._frame)
        self._is_text = subprotocol.endswith("json")
        self._outbox = bytearray()
        self._closed = Event()
        self._close_code: tuple[int, str] | None = None
        self._arrival_ns = 0
        self._observed_ns = 0
        self._realtime_ns = time.time_ns
        self._sock = _open(url, subprotocol, self._reader)
        raw = self._sock._sock  # gevent's wrapper adds waiting, which readiness callbacks do not need
        self._recvmsg_into = raw.recvmsg_into
        self._send_now = raw.send
        loop = gevent.get_hub().loop
        self._read_watcher = loop.io(raw.fileno(), _READ)
        self._write_watcher = loop.io(raw.fileno(), _WRITE)
        self._read_watcher.start(self._readable)

    @property
    def is_open(self) -> bool:
        """Whether frames still flow."""
        return self._close_code is None

    def send(self, payload: bytes) -> None:
        """Sends one message; queued by this object when the kernel's buffer is full."""
        self._send_frame(Frame(Opcode.TEXT if self._is_text else Opcode.BINARY, payload))

    def close(self, code: int = 1000) -> None:
        """Says goodbye and ends the connection without waiting for the answer."""
        if self.is_open:
            self._send_frame(Frame(Opcode.CLOSE, Close(code, "").serialize()))
            self._end(code, "closed here")

    def abort(self) -> None:
        """Ends the connection without a close frame, as a lost network does."""
        self._end(ABNORMAL_CLOSURE, "aborted here")

    def _readable(self) -> None:
        """The hot path: one read per readiness, stamped, split into frames, handed over."""
        try:
            size, ancillary, _, _ = self._recvmsg_into(arrival_stamp.READ_BUFFERS, arrival_stamp.ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(ABNORMAL_CLOSURE, f"connection lost: {error.strerror}")
            return
        observed_ns = self._realtime_ns()
        if not size:
            self._end(ABNORMAL_CLOSURE, "connection lost: the server closed it without a close frame")
            return
        counts = self._counts
        counts.reads += 1
        counts.wire_bytes += size
        counts.depths[size.bit_length()] += 1
        arrival_ns = arrival_stamp.stamp_ns(ancillary)
        if not arrival_ns:
            counts.unstamped_reads += 1
            arrival_ns = observed_ns
        self._arrival_ns = arrival_ns
        self._observed_ns = observed_ns
        try:
            self._reader.feed(arrival_stamp.READ_VIEW[:size])
        except FrameError as error:
            self._end(ABNORMAL_CLOSURE, f"protocol error: {error}")

    def _frame(self, opcode: int, payload: "memoryview | bytes", wire_bytes: int) -> None:
        if opcode < CLOSE:
            self._counts.frames += 1
            self._on_payload(payload, wire_bytes, self._arrival_ns, self._observed_ns)
        elif opcode == PING:
            self._send_frame(Frame(Opcode.PONG, bytes(payload)))
        elif opcode == CLOSE:
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else NO_STATUS
            reason = bytes(payload[2:]).decode("utf-8", "replace")
            self._send_frame(Frame(Opcode.CLOSE, bytes(payload)))
            self._end(code, reason)
        else:
            assert opcode == PONG

    def _send_frame(self, frame: Frame) -> None:
        if not self.is_open:
            return
        data = frame.serialize(mask=True)
        if not self._outbox:
            try:
                data = data[self._send_now(data) :]
            except BlockingIOError:
                pass
            except OSError as error:
                self._end(ABNORMAL_CLOSURE, f"connection lost: {error.strerror}")
                return
        if data:
            self._outbox += data
            self._write_watcher.start(self._writable)

    def _writable(self) -> None:
        try:
            del self._outbox[: self._send_now(self._outbox)]
        except BlockingIOError:
            return
        except OSError as error:
            self._end(ABNORMAL_CLOSURE, f"connection lost: {error.strerror}")
            return
        if not self._outbox:
            self._write_watcher.stop()

    def _end(self, code: int, reason: str) -> None:
        if self._close_code is not None:
            return
        self._close_code = (code, reason)
        for watcher in (self._read_watcher, self._write_watcher):
            watcher.stop()
            watcher.close()
        self._sock.close()
        self._on_close(code, reason)


def _open(url: str, subprotocol: str, reader: FrameReader) -> Any:
    """The connected socket after the handshake, non-blocking, with stamps; what came behind it went to `reader`."""
    uri = parse_uri(url)
    protocol = ClientProtocol(uri, subprotocols=[Subprotocol(subprotocol)])
    try:
        sock = gevent_socket.create_connection((uri.host, uri.port), timeout=CONNECT_TIMEOUT_SECONDS)
    except OSError as error:
        raise ConnectFailedError(f"cannot connect to {url}: {error.strerror or error}") from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arrival_stamp.ask_for_stamps(sock)
        protocol.send_request(protocol.connect())
        sock.sendall(b"".join(protocol.data_to_send()))
        head, rest = _read_head(sock)
        status_line = head.partition(b"\r\n")[0].decode("latin-1")
        if status_line.split(" ")[1:2] != ["101"]:
            raise EOFError(f"the server answered {status_line!r}")  # noqa: TRY301 - told with the others below
        protocol.receive_data(head)
        if protocol.handshake_exc is not None:
            raise protocol.handshake_exc
        (response,) = protocol.events_received()
        assert isinstance(response, Response)
    except (OSError, EOFError, InvalidHandshake) as error:
        sock.close()
        raise ConnectFailedError(f"no WebSocket handshake with {url}: {error}") from error
    sock.settimeout(0)
    if rest:
        reader.feed(memoryview(rest))
    return sock


def _read_head(sock: Any) -> tuple[bytes, bytes]:
    """The response's head, and what was already read beyond it."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        piece = sock.recv(4096)
        if not piece or len(data) > 1 << 16:
            raise EOFError("the server ended the connection during the handshake")
        data += piece
    return data[: end + 4], data[end + 4 :]
