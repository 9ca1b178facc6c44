"""One chat server process: HTTP API and gateway on one event loop, over one pool.

settings ──▶ check the database ──▶ services ──▶ gateway listens ──▶ HTTP listens ──▶ ready … stop, drain
"""

import asyncio
import contextlib
import errno
import functools
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import uvicorn
import uvloop
from websockets.asyncio.server import Server as WebSocketServer

from fixtures import manifest as dataset_manifest
from fixtures.database import connect, redacted
from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest
from reference_server import logs
from reference_server.accept_backlog import watch_backlog
from reference_server.gateway import Gateway
from reference_server.http_api import create_app
from reference_server.http_connections import PromptHttpConnection
from reference_server.injected_delay import parse_injected_delay
from reference_server.metrics import Metrics
from reference_server.replica_watch import require_replica
from reference_server.server_turn import ServerTurn
from reference_server.services import Services, open_services
from reference_server.settings import Settings, settings_record
from reference_server.shutdown import Shutdown
from reference_server.statement_times import TimedStatement, timed_statements

_log = logging.getLogger(__name__)

OnReady = Callable[[dict[str, Any]], None]


def run(settings: Settings, on_ready: OnReady) -> None:
    """Serves until SIGINT or SIGTERM; `on_ready` gets a record with the URLs once both ports listen.

    InputError when the database or a port is not usable.
    """
    # A connection takes a file descriptor, and the usual soft limit is 1 024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(serve(settings, on_ready))


async def serve(settings: Settings, on_ready: OnReady) -> None:
    """The same, in a running event loop."""
    url, metrics, shutdown = settings.database_url, Metrics(), Shutdown()
    statements = timed_statements(metrics, parse_injected_delay(settings.injected_delay))
    dataset = await _dataset(url, statements["get_dataset"])
    if settings.replica_url is not None:
        await require_replica(url, settings.replica_url, statements)
    async with ServerTurn.kept(url, statements) as turn:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, shutdown.ask)
        with _listening_socket(settings.host, settings.http_port, "--http-port") as http_socket:
            async with open_services(settings, dataset, shutdown, metrics, statements) as services:
                await _serve(services, http_socket, turn, on_ready)
        logs.event(_log, logging.INFO, "stopped", at_once=shutdown.is_hurried)


async def _serve(services: Services, http_socket: socket.socket, turn: ServerTurn, on_ready: OnReady) -> None:
    settings, shutdown = services.settings, services.shutdown
    async with contextlib.AsyncExitStack() as stack:
        with _port_errors(settings.host, settings.gateway_port, "--gateway-port"):
            gateway = Gateway(services)
            listening = await stack.enter_async_context(gateway.listen())
        gateway_socket = next(iter(listening.sockets))
        gateway_url = _url("ws", settings.host, gateway_socket)
        watch_backlog(services.metrics, {"http": http_socket, "gateway": gateway_socket})
        services.metrics.read_at_scrape(
            "chat_server_turn", "1 while no other server process has this database.", lambda: turn.is_held
        )
        http = _HttpServer(
            uvicorn.Config(
                create_app(services, gateway_url),
                log_level="warning",
                access_log=False,
                proxy_headers=False,  # clients connect directly
                ws="none",  # the gateway has a port of its own
                lifespan="off",  # the services open and close around it
                server_header=False,
                log_config=None,  # the process's own log takes what uvicorn says
                http=functools.partial(  # type: ignore[arg-type]
                    PromptHttpConnection, request_seconds=settings.request_seconds
                ),
            )
        )
        serving = asyncio.create_task(http.serve(sockets=[http_socket]))
        await http.until_started(serving)
        # What exists by now stays: no later collection need look at it.
        gc.collect()
        gc.freeze()
        record: dict[str, Any] = {
            "http_url": _url("http", settings.host, http_socket),
            "gateway_url": gateway_url,
            "pid": os.getpid(),
            "settings": settings_record(settings),
        }
        logs.event(_log, logging.INFO, "started", **record)
        if not settings.is_loopback:
            hint = "other machines can reach this server; loopback is 127.0.0.1"
            logs.event(_log, logging.WARNING, "listening_beyond_loopback", host=settings.host, hint=hint)
        if services.delay is not None:
            hint = "this server is slow on purpose; start it without the setting for anything but a gate's proof"
            logs.event(_log, logging.WARNING, "delay_injected", injected_delay=settings.injected_delay, hint=hint)
        on_ready({"ready": True, **record})
        await shutdown.wait_until_asked()
        await _drain(services, gateway, listening, http, serving)


async def _drain(
    services: Services, gateway: Gateway, listening: WebSocketServer, http: "_HttpServer", serving: "asyncio.Task[None]"
) -> None:
    """Finishes what was begun, as long as patience lasts; gateway connections are closed by their own listener."""
    shutdown, settings = services.shutdown, services.settings
    under_way: dict[str, Any] = {
        "requests": len(http.server_state.tasks),
        "sends": services.rooms.under_way_count,
        "gateway_connections": gateway.connection_count,
    }
    logs.event(_log, logging.INFO, "draining", **under_way)
    if settings.drain_notice_seconds:
        await shutdown.pause(settings.drain_notice_seconds)
    listening.server.close()
    http.should_exit = True
    if not await shutdown.finish(serving, settings.shutdown_seconds):
        requests = tuple(http.server_state.tasks)
        logs.event(_log, logging.WARNING, "requests_cut_off", count=len(requests))
        for request in requests:
            request.cancel()
        services.rooms.abandon()
        await asyncio.gather(serving, *requests, return_exceptions=True)


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: one place decides when the process stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def until_started(self, serving: "asyncio.Task[None]") -> None:
        """Returns when it accepts connections, or when serving ended before."""
        while not self.started and not serving.done():
            await asyncio.sleep(0.01)


async def _dataset(url: str, get: TimedStatement) -> DatasetManifest:
    """The manifest of the data set to serve; InputError when the database holds no whole one of ours."""
    async with connect(url) as connection:
        try:
            text = await get.execute(connection.fetchval)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            text = None
    if text is None:
        raise InputError(
            f"{redacted(url)} holds no chatbench data set; fill it with: chatbench seed --database-url {redacted(url)}"
        )
    return dataset_manifest.decode(text)


@contextlib.contextmanager
def _listening_socket(host: str, port: int, option: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _port_errors(host, port, option):
        listener = socket.create_server((host, port), family=family, backlog=2048)
    with listener:
        yield listener


@contextlib.contextmanager
def _port_errors(host: str, port: int, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} of {host} is in use; choose another with {option}, or 0 for any") from error
        raise InputError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; "
            f"choose another address with --host, or another port with {option}"
        ) from error


def _url(scheme: str, host: str, listener: Any) -> str:
    port = listener.getsockname()[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
