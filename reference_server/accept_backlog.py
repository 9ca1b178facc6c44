"""How many TCP connections wait to be accepted, as the kernel counts them for a listening socket."""

import functools
import socket
import struct
import sys
from typing import Any

from reference_server.metrics import Metrics

# struct tcp_info of <linux/tcp.h>: eight bytes, then words; of a listener, tcpi_unacked is the queue's length.
_UNACKED_OFFSET = 8 + 4 * 4


def backlog_length(listener: Any) -> int:
    """The connections that the kernel has completed and the process not accepted."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED_OFFSET + 4)
    return int(struct.unpack_from("=I", info, _UNACKED_OFFSET)[0])


def watch_backlog(metrics: Metrics, listeners: dict[str, Any]) -> None:
    """Lets the metrics ask for it, where the kernel tells."""
    if sys.platform != "linux":
        return
    for name, listener in listeners.items():
        metrics.accept_backlog.labels(name).set_function(functools.partial(backlog_length, listener))
