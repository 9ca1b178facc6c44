"""Deliveries per second of the gateway, every message stored first, against a bare `websockets` broadcast().

One receiving process for both arms: raw sockets, a poll, and a count of one byte that each frame holds once. Both keep
the same number of messages under way; arms alternate in short blocks within one run.

Beside the speed stands CPU time of the server's process per delivery: with receivers, database and server on two cores,
speed tells how busy the machine is as well.

Measured on a shared and very busy 2-core machine. Group of 1 000: ratio 0.85 to 1.1, CPU per delivery 10.7 µs against
11.5 (bare ÷ stored 1.08). Group of 100, three versions in turns: 0.44 while the process waited for the database and
then the database for the process, 0.52 since they overlap; CPU per message 0.98 ms, of which the send alone took 0.43
and 100 writes the rest, bare 0.67. Plain sends past the HTTP framework then took 0.84 × the CPU of a send through it.
Per delivery with 1 000 and with 10 000 recipients: 10.5 and 11.0 µs (1.04).

Where a message to 100 goes, by strace, perf and the scheduler's account of CPU time, on the same machine: both arms
write once per delivery; 70 % of a delivery is the kernel's, which takes the segment over to the receiver and wakes it.
Of CPU time, stored: server 0.91 ms, receivers 0.62, PostgreSQL 0.39; bare: server 0.70, receivers 0.47. So the two
cores have 1.9 ms of work where bare they have 1.2, and about 0.6 is what that leaves. The bare arm's receivers take
less because its messages come on one connection: they bunch up, and one wake reads several. Of the database's part, a
fifth syncs its log, and checking constraints is a sixth of what remains without that (46 of 281 µs): PostgreSQL reads
their expressions anew from their text for every statement.
"""

import json
import resource
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import cycle
from statistics import fmean, geometric_mean
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psutil
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from reference_server.frames import CODECS, MessageEvent

UNDER_WAY = 8  # messages sent and not yet delivered to all
CONTENT = "@" + "x" * 99  # @ is counted, and stands nowhere else in a frame, its header included
DELIVERIES_PER_BLOCK = 30_000
WARM_MESSAGES = 10
RATIO_AIMS = {100: 0.6, 1_000: 0.8}  # by group size
# Nobody answers pings here: the heartbeat must not come within the run.
SETTINGS = {"heartbeat_seconds": 600, "presence_expiry_seconds": 1500}


def client_frame(payload: bytes) -> bytes:
    """A text frame from a client; masked with zeros, which change nothing."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack("!BH", 0xFE, len(payload))
    return b"\x81" + length + bytes(4) + payload


def read_until(connection: socket.socket, mark: bytes) -> None:
    found = b""
    while mark not in found:
        piece = connection.recv(65536)
        assert piece, found
        found += piece


def open_websocket(host: str, port: int, *commands: tuple[str, str]) -> socket.socket:
    """A connection after its handshake; each command is said and its answer awaited."""
    connection = socket.create_connection((host, port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(
        f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"{'Sec-WebSocket-Protocol: chat.v1.json' + chr(13) + chr(10) if commands else ''}\r\n".encode()
    )
    read_until(connection, b"\r\n\r\n")
    for command, answer in commands:
        connection.sendall(client_frame(command.encode()))
        read_until(connection, answer.encode())
    return connection


@dataclass(frozen=True)
class Speed:
    """Of one block."""

    deliveries_per_second: float
    cpu_us: float  # of the server's process, per delivery
    kernel_us: float  # the part of it that the kernel spent: writing to sockets


class Arm:
    """One server's receivers, and the connections on which messages are sent to it in turn."""

    def __init__(self, process_id: int, receivers: list[socket.socket], size: int | None = None) -> None:
        self.size = size or len(receivers)  # recipients of one message
        self._process = psutil.Process(process_id)
        self._receivers = {one.fileno(): one for one in receivers}
        self._poll = select.epoll()
        for number in self._receivers:
            self._poll.register(number, select.EPOLLIN)

    def senders(self) -> list[socket.socket]:
        """The connections of one block; HTTP ones that rested during the other arm's would have been closed."""
        raise NotImplementedError

    def request(self) -> bytes:
        """What sends one message."""
        raise NotImplementedError

    def answered(self, answer: bytes) -> None:
        """Looks at what came on a sending connection."""

    def block(self, message_count: int) -> Speed:
        """Sends so many messages, a few under way at a time, until each has reached every receiver."""
        requests = [self.request() for _ in range(message_count)]
        senders, per_message = self.senders(), self.size
        answering = {one.fileno(): one for one in senders if one.fileno() not in self._receivers}
        for number in answering:
            self._poll.register(number, select.EPOLLIN)
        sent = delivered = 0
        cpu = self._process.cpu_times()
        began = time.perf_counter()
        while delivered < message_count * per_message:
            while sent < message_count and sent - delivered // per_message < UNDER_WAY:
                senders[sent % len(senders)].sendall(requests[sent])
                sent += 1
            events = self._poll.poll(30)
            assert events, f"{delivered} of {message_count * per_message} deliveries came"
            for number, _ in events:
                if number in self._receivers:
                    received = self._receivers[number].recv(65536)
                    assert received, "the server closed a connection"
                    delivered += received.count(b"@")
                else:
                    self.answered(answering[number].recv(65536))
        seconds = time.perf_counter() - began
        used = self._process.cpu_times()
        kernel_seconds = used.system - cpu.system
        assert delivered == message_count * per_message
        for each in answering.values():
            each.close()
        return Speed(
            delivered / seconds,
            (used.user - cpu.user + kernel_seconds) / delivered * 1e6,
            kernel_seconds / delivered * 1e6,
        )

    def close(self) -> None:
        """Ends its connections."""
        self._poll.close()
        for each in self._receivers.values():
            each.close()


class BroadcastArm(Arm):
    """Messages as large as the gateway's events, sent as they are to be delivered."""

    def __init__(self, server: subprocess.Popen[bytes], size: int) -> None:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        receivers = [open_websocket("127.0.0.1", port) for _ in range(size)]
        super().__init__(server.pid, receivers)
        self._sender = receivers[0]
        event = MessageEvent(
            conversation_id=uuid4(), seq=100, sender_id=uuid4(), created_at_ms=1_735_689_600_000, content=CONTENT
        )
        self._frame = client_frame(CODECS["chat.v1.json"].encode(event))

    def senders(self) -> list[socket.socket]:
        """One of the receivers."""
        return [self._sender]

    def request(self) -> bytes:
        """The event itself."""
        return self._frame


class ChatbenchArm(Arm):
    """Groups of equal size, written to in turn; messages are stored, then delivered.

    A group comes with the token of a member; the receivers are the connections of all groups.
    """

    def __init__(self, server: Any, groups: list[tuple[UUID, str]], receivers: list[socket.socket]) -> None:
        super().__init__(server.process.pid, receivers, len(receivers) // len(groups))
        http = urlsplit(server.record["http_url"])
        self._http = str(http.hostname), http.port or 0
        self._heads = cycle(
            f"POST /v1/conversations/{group}/messages HTTP/1.1\r\nHost: chat\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: "
            for group, token in groups
        )

    def senders(self) -> list[socket.socket]:
        """As many as there are messages under way."""
        return [socket.create_connection(self._http, timeout=30) for _ in range(UNDER_WAY)]

    def request(self) -> bytes:
        """An HTTP request."""
        body = json.dumps({"content": CONTENT, "client_id": str(uuid4())})
        return f"{next(self._heads)}{len(body)}\r\n\r\n{body}".encode()

    def answered(self, answer: bytes) -> None:
        """Every message must have been stored as new."""
        assert answer, "the server closed a connection"
        assert b"HTTP/1.1 " not in answer or b"HTTP/1.1 201" in answer, answer


def chatbench_arms(server: Any, *shapes: tuple[int, int], devices: int = 1) -> list[Arm]:
    """An arm for so many groups of so many connections each, `devices` per member; all arms share their connections."""
    gateway = urlsplit(server.record["gateway_url"])
    users = [server.user(index) for index in range(max(count * size for count, size in shapes) // devices)]
    receivers = [
        open_websocket(
            str(gateway.hostname),
            gateway.port or 0,
            (f'{{"t":"authenticate","token":"{user.token}"}}', '"ready"'),
            ('{"t":"subscribe_messages"}', '"subscribed"'),
        )
        for user in users
        for _ in range(devices)
    ]

    def arm(count: int, size: int) -> Arm:
        places = range(0, count * size // devices, size // devices)
        groups = [(server.group(*users[place : place + size // devices]), users[place].token) for place in places]
        return ChatbenchArm(server, groups, receivers[: count * size])

    return [arm(count, size) for count, size in shapes]


@pytest.fixture
def broadcasting(request: pytest.FixtureRequest) -> Iterator[Callable[[int], Arm]]:
    """Starts a bare broadcasting server with so many connections."""
    script = request.path.parent / "serving" / "broadcast_server.py"
    with ExitStack() as stack:

        def start(size: int) -> Arm:
            command = [sys.executable, str(script)]
            server = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            arm = BroadcastArm(server, size)
            stack.callback(arm.close)
            return arm

        yield start


def compared(arms: dict[str, Arm], order: tuple[str, ...]) -> dict[str, Speed]:
    """Each arm's speed: the geometric means over blocks in the given order, after unmeasured messages."""
    blocks: dict[str, list[Speed]] = {kind: [] for kind in arms}
    for arm in arms.values():
        arm.block(WARM_MESSAGES)
    for kind in order:
        arm = arms[kind]
        blocks[kind].append(arm.block(max(DELIVERIES_PER_BLOCK // arm.size, 1)))
    return {
        kind: Speed(
            geometric_mean(block.deliveries_per_second for block in found),
            geometric_mean(block.cpu_us for block in found),
            fmean(block.kernel_us for block in found),  # ticks of 10 ms: a short block may show none
        )
        for kind, found in blocks.items()
    }


@pytest.mark.parametrize("size", RATIO_AIMS)
def test_deliveries_per_second(
    small_url: str, launch: Any, broadcasting: Callable[[int], Arm], benchmark: BenchmarkFixture, size: int
) -> None:
    """The aims: at least 0.6 × those of the bare broadcast() at group size 100, and 0.8 × at 1 000."""
    stored = chatbench_arms(launch(small_url, **SETTINGS), (1, size))[0]
    with closing(stored):
        arms = {"chatbench": stored, "broadcast": broadcasting(size)}
        order = ("chatbench", "broadcast", "broadcast", "chatbench") * 4
        speeds = benchmark.pedantic(compared, (arms, order), rounds=1, iterations=1)
    ours, bare = speeds["chatbench"], speeds["broadcast"]
    ratio, cpu_ratio = ours.deliveries_per_second / bare.deliveries_per_second, bare.cpu_us / ours.cpu_us
    benchmark.extra_info.update(ratio=ratio, cpu_ratio=cpu_ratio)
    sys.stdout.write(
        f"\ngroup of {size}: stored and delivered {ours.deliveries_per_second:,.0f}/s, "
        f"bare broadcast() {bare.deliveries_per_second:,.0f}/s, ratio {ratio:.2f} (aim {RATIO_AIMS[size]}); "
        f"server CPU per delivery {ours.cpu_us:.1f} µs, bare {bare.cpu_us:.1f} µs, bare ÷ stored {cpu_ratio:.2f}\n"
    )


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """As many as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_cpu_per_delivery_by_group_size(small_url: str, launch: Any, benchmark: BenchmarkFixture) -> None:
    """The aim: with 10 000 recipients, server CPU per delivery within 15 % of that with 1 000.

    Both of one group of 1 000, which leaves nine of ten connections alone, and of ten such groups in turn, which use
    them all: only the group's size differs then. Eight devices per member: the data set has 1 250 users.
    """
    shapes = {"one group of 1 000": (1, 1_000), "ten groups of 1 000": (10, 1_000), "one group of 10 000": (1, 10_000)}
    arms = chatbench_arms(launch(small_url, **SETTINGS), *shapes.values(), devices=8)
    with closing(arms[-1]):  # holds the other ones' connections too
        tell_growth("server", benchmark, dict(zip(shapes, arms, strict=True)))


@pytest.mark.usefixtures("many_descriptors")
def test_bare_cpu_per_delivery_by_group_size(broadcasting: Callable[[int], Arm], benchmark: BenchmarkFixture) -> None:
    """What the kernel makes of it: the same of the bare broadcast()."""
    tell_growth("bare broadcast()", benchmark, {"1 000": broadcasting(1_000), "10 000": broadcasting(10_000)})


def tell_growth(what: str, benchmark: BenchmarkFixture, arms: dict[str, Arm]) -> None:
    """Prints CPU per delivery of each arm, and the last one's, the largest group's, against the others'."""
    order = (*arms, *reversed(arms)) * 4
    speeds = benchmark.pedantic(compared, (arms, order), rounds=1, iterations=1)
    *others, largest = arms
    sys.stdout.write(f"\n{what}, CPU per delivery: ")
    sys.stdout.write(
        ", ".join(f"{one} {speed.cpu_us:.2f} µs ({speed.kernel_us:.2f} the kernel's)" for one, speed in speeds.items())
    )
    for one in others:
        ratio = speeds[largest].cpu_us / speeds[one].cpu_us
        benchmark.extra_info[f"{largest} ÷ {one}"] = ratio
        sys.stdout.write(f"; {largest} ÷ {one}: {ratio:.2f} (aim 0.85 to 1.15)")
    sys.stdout.write("\n")
