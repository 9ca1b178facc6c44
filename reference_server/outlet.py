"""One gateway connection's way out: a bounded queue in the transport, and a place to hold events during a resume."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from reference_server.coalescing import Coalescer
from reference_server.event_counts import EventCounts
from reference_server.frames import CloseCode, ConversationEvent, Event, MessageEvent
from reference_server.wire import wire_of


def _frame_bytes(payload_bytes: int) -> int:
    """How long a server's frame of the payload is (RFC 6455, section 5.2)."""
    if payload_bytes < 126:
        return 2 + payload_bytes
    return (4 if payload_bytes < 1 << 16 else 10) + payload_bytes


async def close_in_time(websocket: ServerConnection, code: int, reason: str, seconds: float) -> None:
    """Says goodbye behind what is queued; a client that does not take it in time is cut off."""
    try:
        # websockets' own time-out begins only when the queue has room again, which may be never.
        async with asyncio.timeout(seconds):
            await websocket.close(code, reason)
    except TimeoutError:
        websocket.transport.abort()


class Outlet:
    """Writes events to one connection.

    The transport's write buffer is the queue. Once it holds more than `queue_bytes_max`, the connection is closed
    with 4408: what was queued still goes out, nothing follows, nothing is left out in between.

    With a coalescer, events of conversations wait for the end of its window and leave in one write; whatever else is
    written takes them with it, so that the order stays.
    """

    __slots__ = (
        "_close_seconds",
        "_coalescer",
        "_counts",
        "_gathered",
        "_gathered_bytes",
        "_held",
        "_held_bytes",
        "closing",
        "codec",
        "is_direct",
        "protocol",
        "queue_bytes_max",
        "subprotocol",
        "transport",
        "user_id",
        "websocket",
        "wire",
    )

    def __init__(
        self,
        websocket: ServerConnection,
        user_id: UUID,
        *,
        counts: EventCounts,
        queue_bytes_max: int,
        close_seconds: float,
        coalescer: Coalescer | None = None,
    ) -> None:
        self.websocket = websocket
        # What the fan-out loop touches, without a detour.
        self.protocol = websocket.protocol
        self.transport: Any = websocket.transport
        self.user_id = user_id
        self.wire = wire_of(websocket)
        self.codec = self.wire.codec
        self.subprotocol = self.wire.name  # for the hub: connections of one name are sent the same bytes
        self.closing: asyncio.Task[None] | None = None
        self.queue_bytes_max = queue_bytes_max
        self._close_seconds = close_seconds
        self._counts = counts
        self._held: list[tuple[ConversationEvent, bytes]] | None = None
        self._held_bytes = 0
        self._coalescer = coalescer
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        # Whether an event goes straight to the transport as long as the protocol is open.
        self.is_direct = coalescer is None

    @property
    def is_open(self) -> bool:
        """False once either side has said goodbye."""
        return self.protocol.state is State.OPEN and self.closing is None

    @property
    def queued_bytes(self) -> int:
        """What waits for the client to read on."""
        return int(self.transport.get_write_buffer_size()) + self._gathered_bytes

    @property
    def held_count(self) -> int:
        """How many messages wait for a replay to end."""
        return len(self._held or ())

    def send(self, event: Event) -> None:
        """Queues an event, unless the connection is closing."""
        data = self.wire.frame(event)
        if self.write(data):
            self._counts.add(event, 1, len(data))

    def write(self, data: bytes) -> bool:
        """Queues a whole frame; False when the connection is closing."""
        # Written past websockets' own send(), as its broadcast() does: one frame, serialised once for all
        # recipients. Frames cannot interleave, because no one sends fragmented messages here.
        if self.protocol.state is not State.OPEN or self.closing is not None:
            return False
        if self._gathered:
            self._gathered.append(data)
            self.flush()
            return True
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > self.queue_bytes_max:
            self.close_slow()
        return True

    def write_conversation_event(self, event: ConversationEvent, data: bytes) -> bool:
        """Queues the frame of a message or of what happens to a conversation; True when it was queued.

        It is held while a resume is replaying.
        """
        if self._held is None:
            return self.write(data) if self._coalescer is None else self._gather(data)
        if self.is_open:
            self._held.append((event, data))
            self._held_bytes += len(data)
            if self._held_bytes > self.queue_bytes_max:
                self.close_slow()
        return False

    def _gather(self, data: bytes) -> bool:
        if not self.is_open:
            return False
        assert self._coalescer is not None
        if not self._gathered:
            self._coalescer.at_window_end(self.flush)
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self.queued_bytes > self.queue_bytes_max:
            self.flush()
        return True

    def flush(self) -> None:
        """Queues what was gathered in the window so far, in one write."""
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if gathered and self.is_open:
            self.transport.write(b"".join(gathered))
            if self.transport.get_write_buffer_size() > self.queue_bytes_max:
                self.close_slow()

    def hold(self) -> None:
        """From now on, live events of conversations wait for release."""
        self._held, self._held_bytes, self.is_direct = [], 0, False

    def release(self, replayed_through: dict[UUID, int]) -> None:
        """Queues what was held, save the messages that the replay has covered, and ends the holding."""
        held, self._held = self._held or [], None
        self.is_direct = self._coalescer is None and self.closing is None
        for event, data in held:
            if isinstance(event, MessageEvent) and event.seq <= replayed_through.get(event.conversation_id, 0):
                continue
            if self.write(data):
                self._counts.add(event, 1, len(data))

    async def send_patiently(self, event: Event) -> None:
        """Sends an event at the client's pace: a replay may be longer than the queue."""
        self.flush()
        data = self.codec.encode(event)
        await self.websocket.send(data, text=self.codec.is_text)
        size = len(self.wire.frame(event)) if self.wire.is_deflated else _frame_bytes(len(data))
        self._counts.add(event, 1, size)

    def close(self, code: int, reason: str) -> None:
        """Says goodbye behind what is queued; nothing follows. A client that does not take it in time is cut off."""
        if self.closing is None:
            self.flush()
        if self.closing is None:  # flushing may have closed it
            self.is_direct = False
            closing = close_in_time(self.websocket, code, reason, self._close_seconds)
            self.closing = asyncio.get_running_loop().create_task(closing)

    def close_slow(self) -> None:
        """Says goodbye to a client that reads too slowly for what it is sent."""
        self.close(CloseCode.SLOW_CONSUMER, f"more than {self.queue_bytes_max} bytes were waiting to be read")


def write_to_all(outlets: Iterable[Outlet], event: ConversationEvent, data: bytes) -> int:
    """Queues the frame of a conversation's event at each; how many took it.

    What most outlets do is written out here: by the time of the next recipient, writing to a socket has driven out of
    the processor's caches what a call would touch.
    """
    written = 0
    open_state = State.OPEN
    for outlet in outlets:
        if outlet.is_direct and outlet.protocol.state is open_state:
            transport = outlet.transport
            transport.write(data)
            if transport.get_write_buffer_size() > outlet.queue_bytes_max:
                outlet.close_slow()
            written += 1
        else:
            written += outlet.write_conversation_event(event, data)
    return written
