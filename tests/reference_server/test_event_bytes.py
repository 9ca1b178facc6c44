"""What an event costs on the wire, counted at the socket: frame header included, TCP and IP headers excluded."""

import socket
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from reference_server.frames import (
    MessageEvent,
    PresenceEvent,
    PresenceState,
    SubscribePresence,
    UpdatePresence,
)

SEQ_BEFORE = (1 << 32) - 2  # the next one is the longest of 32 bits
MESSAGE_BYTES_MAX = {"chat.v1.json": 140, "chat.v1.msgpack": 75}  # beyond the content
PRESENCE_BYTES_MAX = 100


class CountingSocket(socket.socket):
    """A socket that counts what came."""

    received_bytes = 0

    def recv(self, *arguments: Any) -> bytes:
        """What came."""
        piece = super().recv(*arguments)
        self.received_bytes += len(piece)
        return piece


def counted(user: Any, subprotocol: str) -> tuple[Any, CountingSocket]:
    """A gateway connection of the user, and the socket below it."""
    address = urlsplit(user.server.record["gateway_url"])
    below = CountingSocket()
    below.connect((address.hostname, address.port))
    return user.connect(subprotocol, sock=below), below


@pytest.mark.parametrize("content", ["x", "x" * 40, "x" * 200, "x" * 4000, "🌍" * 4000])
@pytest.mark.parametrize("subprotocol", MESSAGE_BYTES_MAX)
def test_a_message_costs_little_beyond_its_content(
    server: Any, administrator_sql: Any, subprotocol: str, content: str
) -> None:
    """At most 140 bytes in JSON and 75 in msgpack, with the longest seq of 32 bits, however long the content is."""
    sender, recipient = server.user(1), server.user(2)
    group = server.group(sender, recipient)
    administrator_sql("UPDATE conversations SET last_seq = $1 WHERE id = $2", SEQ_BEFORE, group)
    gateway, below = counted(recipient, subprotocol)
    gateway.subscribe()
    before = below.received_bytes
    sender.send(group, content)
    event = gateway.receive()
    assert isinstance(event, MessageEvent)
    assert (event.content, event.seq) == (content, SEQ_BEFORE + 1)
    cost = below.received_bytes - before - len(content.encode())
    assert len(group.bytes) * 2 < cost <= MESSAGE_BYTES_MAX[subprotocol]


@pytest.mark.parametrize("subprotocol", MESSAGE_BYTES_MAX)
@pytest.mark.parametrize("status", ["away", "offline"])
def test_a_presence_change_costs_at_most_100_bytes(launch: Any, database: str, subprotocol: str, status: Any) -> None:
    """Also the longest one: offline, and last seen."""
    server = launch(database, presence_coalescing_seconds=0)
    watched, watcher = server.user(3), server.user(4)
    device = watched.connect()
    gateway, below = counted(watcher, subprotocol)
    assert isinstance(gateway.ask(SubscribePresence(user_ids=(watched.id,))), PresenceState)
    before = below.received_bytes
    device.ask(UpdatePresence(status=status))
    event = gateway.receive()
    assert isinstance(event, PresenceEvent)
    assert (event.user_id, event.status, event.last_seen_ms is not None) == (watched.id, status, status == "offline")
    cost = below.received_bytes - before
    assert len(UUID(int=0).bytes) < cost <= PRESENCE_BYTES_MAX
