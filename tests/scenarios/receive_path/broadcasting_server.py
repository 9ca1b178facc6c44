"""A plain broadcasting server: events to everyone who is connected, through `websockets` `broadcast()`.

    broadcasting_server.py [EVENTS_PER_SECOND]

Prints its port and broadcasts until its standard input ends; at 0 events per second it only takes connections.
"""

import asyncio
import contextlib
import random
import sys
import time

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

EVENTS_PER_SECOND = float(sys.argv[1]) if len(sys.argv) > 1 else 100.0
CONVERSATION = "01980000-0000-7000-8000-000000000001"
SENDER = "01980000-0000-7000-8000-000000000002"
USER = "01980000-0000-7000-8000-000000000003"


async def handle(connection: ServerConnection) -> None:
    """Takes the client's Authenticate frame for granted; it receives broadcasts until it leaves."""
    with contextlib.suppress(ConnectionClosed):
        await connection.recv()
        await connection.send(f'{{"t":"ready","user_id":"{USER}","heartbeat_seconds":30}}')
        connection.is_ready = True  # type: ignore[attr-defined]
        await connection.wait_closed()


async def main() -> None:
    """Serves until standard input ends."""
    async with serve(
        handle, "127.0.0.1", 0, compression=None, ping_interval=None, subprotocols=["chat.v1.json"]
    ) as server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        start = asyncio.get_running_loop().time()
        number = 0
        if not EVENTS_PER_SECOND:
            await ended
        while not ended.done():
            number += 1
            await asyncio.sleep(max(0, start + number / EVENTS_PER_SECOND - asyncio.get_running_loop().time()))
            content = f"cb1.0badcafe.{number:08x}.{time.time_ns():016x} " + "and so we talked a while"
            event = (
                f'{{"t":"m","c":"{CONVERSATION}","n":{number},"s":"{SENDER}",'
                f'"a":{time.time_ns() // 1_000_000},"b":"{content}"}}'
            )
            ready = [one for one in server.connections if getattr(one, "is_ready", False)]
            random.shuffle(
                ready
            )  # so that the few of one receiver are served as early and as late as the many of another
            broadcast(ready, event)


asyncio.run(main())
