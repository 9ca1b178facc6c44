import socket
import sys
from contextlib import ExitStack

import pytest

from reference_server.accept_backlog import backlog_length


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells it")
def test_connections_that_nobody_accepts_are_counted() -> None:
    """As many as wait, one fewer with each that is accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        assert backlog_length(listener) == 0
        for _ in range(3):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        assert backlog_length(listener) == 3
        stack.enter_context(listener.accept()[0])
        assert backlog_length(listener) == 2
