"""One gateway connection's way out: a bounded queue in the transport, and a place to hold events during a resume."""

import asyncio
from typing import Any
from uuid import UUID

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from reference_server.frames import CODECS, CloseCode, Codec, ConversationEvent, Event, MessageEvent


def wire_frame(codec: Codec, event: Event) -> bytes:
    """The event as one WebSocket frame from a server: final, unmasked, as every connection's bytes."""
    opcode = Opcode.TEXT if codec.is_text else Opcode.BINARY
    return Frame(opcode, codec.encode(event)).serialize(mask=False)


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
    """

    __slots__ = (
        "_close_seconds",
        "_held",
        "_held_bytes",
        "_queue_bytes_max",
        "closing",
        "codec",
        "protocol",
        "subprotocol",
        "transport",
        "user_id",
        "websocket",
    )

    def __init__(
        self, websocket: ServerConnection, user_id: UUID, *, queue_bytes_max: int, close_seconds: float
    ) -> None:
        self.websocket = websocket
        # What the fan-out loop touches, without a detour.
        self.protocol = websocket.protocol
        self.transport: Any = websocket.transport
        self.user_id = user_id
        self.codec = CODECS[websocket.subprotocol or "chat.v1.json"]
        self.subprotocol = self.codec.subprotocol
        self.closing: asyncio.Task[None] | None = None
        self._queue_bytes_max = queue_bytes_max
        self._close_seconds = close_seconds
        self._held: list[tuple[ConversationEvent, bytes]] | None = None
        self._held_bytes = 0

    @property
    def is_open(self) -> bool:
        """False once either side has said goodbye."""
        return self.protocol.state is State.OPEN and self.closing is None

    def send(self, event: Event) -> int:
        """Queues an event; the bytes written, 0 when the connection is closing."""
        data = wire_frame(self.codec, event)
        return len(data) if self.write(data) else 0

    def write(self, data: bytes) -> bool:
        """Queues a whole frame; False when the connection is closing."""
        # Written past websockets' own send(), as its broadcast() does: one frame, serialised once for all
        # recipients. Frames cannot interleave, because no one sends fragmented messages here.
        if self.protocol.state is not State.OPEN or self.closing is not None:
            return False
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > self._queue_bytes_max:
            self._close_slow()
        return True

    def write_conversation_event(self, event: ConversationEvent, data: bytes) -> bool:
        """Queues the frame of a message or of what happens to a conversation; holds it while a resume is replaying."""
        if self._held is None:
            return self.write(data)
        if not self.is_open:
            return False
        self._held.append((event, data))
        self._held_bytes += len(data)
        if self._held_bytes > self._queue_bytes_max:
            self._close_slow()
        return True

    def hold(self) -> None:
        """From now on, live events of conversations wait for release."""
        self._held, self._held_bytes = [], 0

    def release(self, replayed_through: dict[UUID, int]) -> None:
        """Queues what was held, save the messages that the replay has covered, and ends the holding."""
        held, self._held = self._held or [], None
        for event, data in held:
            if isinstance(event, MessageEvent) and event.seq <= replayed_through.get(event.conversation_id, 0):
                continue
            self.write(data)

    async def send_patiently(self, event: Event) -> int:
        """Sends an event at the client's pace: a replay may be longer than the queue."""
        data = self.codec.encode(event)
        await self.websocket.send(data, text=self.codec.is_text)
        return len(data)

    def close(self, code: int, reason: str) -> None:
        """Says goodbye behind what is queued; nothing follows. A client that does not take it in time is cut off."""
        if self.closing is None:
            closing = close_in_time(self.websocket, code, reason, self._close_seconds)
            self.closing = asyncio.get_running_loop().create_task(closing)

    def _close_slow(self) -> None:
        self.close(CloseCode.SLOW_CONSUMER, f"more than {self._queue_bytes_max} bytes were waiting to be read")
