"""How events become bytes: an encoding, and compression where a connection has agreed to it.

A frame is the same for every connection of one wire, so that it is made once per event: compression keeps no context
between messages (RFC 7692, server_no_context_takeover), or it would differ from connection to connection.
"""

from functools import cache

from websockets.asyncio.server import ServerConnection
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from reference_server.frames import CODECS, SUBPROTOCOLS, Event

# Level 6 is zlib's own compromise; events are short, and 2^5 kB of state per message would mostly be cleared.
_COMPRESSION = {"level": 6, "memLevel": 5}
_WINDOW_BITS_MAX = 15


def deflate_extension() -> ServerPerMessageDeflateFactory:
    """What the gateway answers a client that offers permessage-deflate."""
    return ServerPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True, compress_settings=_COMPRESSION
    )


class Wire:
    """One way of sending events: all connections of it are sent the same bytes."""

    def __init__(self, subprotocol: str, window_bits: int | None) -> None:
        self.name = subprotocol if window_bits is None else f"{subprotocol} deflate {window_bits}"
        self.codec = CODECS[subprotocol]
        self.is_deflated = window_bits is not None
        self._opcode = Opcode.TEXT if self.codec.is_text else Opcode.BINARY
        self._extensions = [] if window_bits is None else [_deflate(window_bits)]

    def frame(self, event: Event) -> bytes:
        """The event as one WebSocket frame from a server: final and unmasked."""
        return Frame(self._opcode, self.codec.encode(event)).serialize(mask=False, extensions=self._extensions)


@cache
def _wire(subprotocol: str, window_bits: int | None) -> Wire:
    wire = Wire(subprotocol, window_bits)
    _BY_NAME[wire.name] = wire
    return wire


_BY_NAME: dict[str, Wire] = {}


def wire_of(connection: ServerConnection) -> Wire:
    """The wire that a connection agreed to in its handshake."""
    agreed = [one for one in connection.protocol.extensions if isinstance(one, PerMessageDeflate)]
    window_bits = agreed[0].local_max_window_bits if agreed else None
    return _wire(connection.subprotocol or SUBPROTOCOLS[0], window_bits)


def wire_named(name: str) -> Wire:
    """The wire of connections that say this name."""
    return _BY_NAME[name]


def _deflate(window_bits: int) -> PerMessageDeflate:
    return PerMessageDeflate(
        remote_no_context_takeover=True,
        local_no_context_takeover=True,
        remote_max_window_bits=_WINDOW_BITS_MAX,
        local_max_window_bits=window_bits,
        compress_settings=_COMPRESSION,
    )
