"""The kernel's receive timestamps (SO_TIMESTAMPNS), read beside the data they came with."""

import socket
import struct
from typing import Any

# <asm-generic/socket.h>; Python's socket module does not name it.
SO_TIMESTAMPNS = 35
# Room for one ancillary message: header (16) and timespec (16), with alignment.
ANCILLARY_BYTES = 64

_TIMESPEC_BYTES = 16
_timespec = struct.Struct("@qq").unpack

# One buffer serves every connection of the process: reads are handled to their end before the next one begins.
READ_BUFFER_BYTES = 1 << 18
READ_BUFFER = bytearray(READ_BUFFER_BYTES)
READ_BUFFERS = [READ_BUFFER]
READ_VIEW = memoryview(READ_BUFFER)


def ask_for_stamps(sock: Any) -> bool:
    """Switches the kernel's receive stamps on for a socket; False where there are none."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """CLOCK_REALTIME in ns at which the kernel received the last segment of a read; 0 when it gave no stamp.

    The first segment after switching stamps on may carry none.
    """
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC_BYTES:
            seconds, nanoseconds = _timespec(data[:_TIMESPEC_BYTES])
            return int(seconds * 1_000_000_000 + nanoseconds)
    return 0
