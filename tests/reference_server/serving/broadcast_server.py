"""The yardstick of the fan-out benchmark: a bare `websockets` server that broadcasts each message to all connections.

Prints its port; serves until its standard input ends.
"""

import asyncio
import contextlib
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

connections: set[ServerConnection] = set()


async def echo_to_all(websocket: ServerConnection) -> None:
    """One connection: what it says, everyone hears."""
    connections.add(websocket)
    with contextlib.suppress(ConnectionClosed):
        async for message in websocket:
            broadcast(connections, message)
    connections.discard(websocket)


async def main() -> None:
    """The server."""
    async with serve(echo_to_all, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)  # noqa: T201 - the starter reads it
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for connection in connections:
            connection.transport.abort()


uvloop.run(main())
