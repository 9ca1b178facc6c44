"""A WebSocket connection read by readiness callbacks on gevent's own loop: no greenlet per connection.

Arrival is the kernel's stamp of the segment that completed a read. Measured against a greenlet per connection over
`websockets.sync`, one frame per wake: see tests/scenarios/test_bench_receive_path.py.
"""

import _socket
import socket
import time
from collections.abc import Callable
from itertools import accumulate
from math import ceil
from typing import Any

import gevent
from gevent import socket as gevent_socket
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from scenarios.client import arrival_stamp
from scenarios.client.websocket_frames import CLOSE, PING, PONG, FrameError, FrameReader, Inflater

_READ, _WRITE = 1, 2
# RFC 6455 §7.4.1: how a connection that ended without a close frame is told.
ABNORMAL_CLOSURE = 1006
NO_STATUS = 1005
CONNECT_TIMEOUT_SECONDS = 10.0
# Frames that were read together came together when the reader was there in time; when the last of them had waited for
# longer than this, they had come one by one. A prompt reader of some 75 connections has read them all within this
# (13 µs each).
PROMPT_NS = 1_000_000

_realtime_ns = time.time_ns
# Then the event loop's timers and greenlets come to their turn. A fan-out makes thousands of sockets readable at once,
# and reading them all (10 000: 0.3 s and more) in one round of the loop would make every start in that time late. A
# number, not a time: a process that has to wait for a core would read next to nothing in its time.
_READS_MOST = 1_000


class ReadingRound:
    """How much the event loop may still read before it looks at its timers; shared by all connections.

    Whoever comes after the bound leaves the socket as it is: it stays readable, and the next round says so again.
    """

    __slots__ = ("_watcher", "reads_left")

    def __init__(self) -> None:
        self.reads_left = _READS_MOST
        self._watcher: Any = None

    def watch(self) -> None:
        """Begins, once, to learn of rounds: a check watcher is called before the round's readiness callbacks."""
        if self._watcher is None:
            self._watcher = gevent.get_hub().loop.check(ref=False)
            self._watcher.start(self._begin)

    def _begin(self) -> None:
        self.reads_left = _READS_MOST


_ROUND = ReadingRound()


class ConnectFailedError(Exception):
    """The gateway could not be reached or refused the handshake; the message says why. A run's data, not its end."""


class ArrivalCounts:
    """What all connections of a process received."""

    __slots__ = ("depths", "frames", "frames_before", "reads", "shared_stamps", "unstamped_reads", "wire_bytes")

    def __init__(self) -> None:
        self.reads = 0
        self.unstamped_reads = 0
        self.frames = 0  # messages, control frames excepted
        # Of these, such as waited for this process until a later one had come, and bear the later one's stamp: the
        # kernel keeps one per queue of segments (measured: of twelve read one by one, all have the stamp of the last).
        self.shared_stamps = 0
        self.frames_before = 0  # the measured time
        self.wire_bytes = 0
        # Reads by the bit length of their bytes: a wake reads all that waits, so this is how deep queues were.
        self.depths = [0] * (arrival_stamp.READ_BUFFER_BYTES.bit_length() + 1)

    def begin_measuring(self) -> None:
        """From now on stamps matter: what answers came together while everyone was connecting is no one's latency."""
        self.shared_stamps = 0
        self.frames_before = self.frames

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

    # Thousands of them live in a process: no dictionary each, and what few need is made when they do.
    __slots__ = (
        "_close_code",
        "_counts",
        "_feed",
        "_is_text",
        "_on_close",
        "_on_payload",
        "_outbox",
        "_read_watcher",
        "_recvmsg_into",
        "_sock",
        "_write_watcher",
        "prompt_ns",
    )

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
        reader = FrameReader(self._message, self._control)
        self._feed = reader.feed
        self._is_text = subprotocol.endswith("json")
        self._outbox = b""  # what the kernel's buffer had no room for
        self._close_code: tuple[int, str] | None = None
        # What was read together this long after the last of it, or less, was sent together.
        self.prompt_ns = PROMPT_NS
        self._sock, rest, reader.inflater = _open(url, subprotocol)
        self._recvmsg_into = self._sock.recvmsg_into
        self._write_watcher: Any = None
        _ROUND.watch()
        self._read_watcher = gevent.get_hub().loop.io(self._sock.fileno(), _READ)
        self._read_watcher.start(self._readable)
        if rest:
            now_ns = time.time_ns()
            self._feed(memoryview(rest), now_ns, now_ns)

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
        if _ROUND.reads_left <= 0:
            return
        _ROUND.reads_left -= 1
        try:
            size, ancillary, _, _ = self._recvmsg_into(arrival_stamp.READ_BUFFERS, arrival_stamp.ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(ABNORMAL_CLOSURE, f"connection lost: {error.strerror}")
            return
        observed_ns = _realtime_ns()
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
        before = counts.frames
        try:
            self._feed(arrival_stamp.READ_VIEW[:size], arrival_ns, observed_ns)
        except FrameError as error:
            self._end(ABNORMAL_CLOSURE, f"protocol error: {error}")
        if counts.frames - before > 1 and observed_ns - arrival_ns > self.prompt_ns:
            counts.shared_stamps += counts.frames - before - 1

    def _message(self, payload: "memoryview | bytes", wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
        self._counts.frames += 1
        self._on_payload(payload, wire_bytes, arrival_ns, observed_ns)

    def _control(self, opcode: int, payload: "memoryview | bytes") -> None:
        if opcode == PING:
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
                data = data[self._sock.send(data) :]
            except BlockingIOError:
                pass
            except OSError as error:
                self._end(ABNORMAL_CLOSURE, f"connection lost: {error.strerror}")
                return
        if data:
            self._outbox += data
            if self._write_watcher is None:
                self._write_watcher = gevent.get_hub().loop.io(self._sock.fileno(), _WRITE)
            self._write_watcher.start(self._writable)

    def _writable(self) -> None:
        try:
            self._outbox = self._outbox[self._sock.send(self._outbox) :]
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
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._sock.close()
        self._on_close(code, reason)


def _open(url: str, subprotocol: str) -> tuple[_socket.socket, bytes, Inflater | None]:
    """The connected socket after the handshake, non-blocking, with stamps; what came behind it; and what inflates it.

    A plain one: gevent's wrapper adds waiting, which readiness callbacks do not need, and two watchers for it.
    """
    uri = parse_uri(url)
    # Offered as every browser does; what is sent from here stays uncompressed, as a sender may.
    offer = ClientPerMessageDeflateFactory(client_max_window_bits=True)
    protocol = ClientProtocol(uri, subprotocols=[Subprotocol(subprotocol)], extensions=[offer])
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
        inflater = None
        for agreed in protocol.extensions:
            assert isinstance(agreed, PerMessageDeflate), "nothing else was offered"
            keeps_context = not agreed.remote_no_context_takeover
            inflater = Inflater(agreed.remote_max_window_bits, keeps_context=keeps_context)
    except (OSError, EOFError, InvalidHandshake) as error:
        sock.close()
        raise ConnectFailedError(f"no WebSocket handshake with {url}: {error}") from error
    plain = _socket.socket(fileno=sock.detach())
    plain.setblocking(False)
    return plain, rest, inflater


def _read_head(sock: Any) -> tuple[bytes, bytes]:
    """The response's head, and what was already read beyond it."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        piece = sock.recv(4096)
        if not piece or len(data) > 1 << 16:
            raise EOFError("the server ended the connection during the handshake")
        data += piece
    return data[: end + 4], data[end + 4 :]
