"""The WebSocket gateway: one task per connection reads commands; events leave through its outlet.

`docs/gateway.md` is the reference of frames, close codes and resume.
"""

import asyncio
import contextlib
import functools
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never
from uuid import UUID

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from reference_server import logs
from reference_server.coalescing import Coalescer
from reference_server.errors import RateLimitedError, RefusedError, UnauthenticatedError
from reference_server.frames import (
    CODECS,
    SUBPROTOCOLS,
    Authenticate,
    CloseCode,
    Codec,
    Command,
    ErrorEvent,
    PresenceState,
    PresenceUpdated,
    Ready,
    StartTyping,
    StopTyping,
    Subscribed,
    SubscribeMessages,
    SubscribePresence,
    SubscribeTyping,
    Unsubscribed,
    UnsubscribeMessages,
    UnsubscribePresence,
    UnsubscribeTyping,
    UpdatePresence,
    kind_of,
)
from reference_server.handshakes import PromptConnection
from reference_server.outlet import Outlet, close_in_time
from reference_server.resume import replay
from reference_server.services import Services
from reference_server.wire import deflate_extension

_LOOPBACK_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
_log = logging.getLogger(__name__)

_OPERATORS_CODES = (CloseCode.SLOW_CONSUMER, CloseCode.TRY_AGAIN_LATER, CloseCode.RATE_LIMITED)  # worth a look
_REASON_BYTES_MAX = 123  # of a close frame (RFC 6455, section 5.5)

TypingCommand = SubscribeTyping | UnsubscribeTyping | StartTyping | StopTyping


class _BadFrameError(Exception):
    """What came is no command, or one out of order; the connection ends with 4400."""


class Gateway:
    """Serves gateway connections of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings
        self._websockets: set[ServerConnection] = set()
        self._outlets: set[Outlet] = set()
        self._coalescer: Coalescer | None = None
        metrics = services.metrics
        metrics.read_at_scrape(
            "chat_gateway_queued_bytes", "Bytes that wait for gateway clients to read on.", self._queued_bytes
        )
        metrics.read_at_scrape(
            "chat_gateway_queued_bytes_max", "The same, of the client with most.", self._queued_bytes_max
        )
        metrics.read_at_scrape(
            "chat_gateway_held_events",
            "Live messages that wait for their client's replay to end.",
            lambda: sum(outlet.held_count for outlet in self._outlets),
        )

    def _queued_bytes(self) -> int:
        return sum(outlet.queued_bytes for outlet in self._outlets)

    def _queued_bytes_max(self) -> int:
        return max((outlet.queued_bytes for outlet in self._outlets), default=0)

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._websockets)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Server]:
        """The listening server; in the end its connections are closed with 1001."""
        window_seconds = self._settings.message_coalescing_seconds
        self._coalescer = Coalescer(window_seconds) if window_seconds else None
        server = await serve(
            self._handle,
            self._settings.host,
            self._settings.gateway_port,
            subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
            origins=[None, _LOOPBACK_ORIGIN, *self._settings.allowed_origins],  # type: ignore[list-item]
            compression=None,  # the library's own would be another frame for every connection
            extensions=[deflate_extension()] if self._settings.permessage_deflate else None,
            max_size=self._settings.frame_bytes_max,
            ping_interval=None,  # the heartbeat below tells presence what it hears
            close_timeout=self._settings.shutdown_seconds,
            open_timeout=None,  # the connection keeps the time itself, and says so when it is over
            create_connection=functools.partial(  # type: ignore[arg-type]  # it is called like the class
                PromptConnection,
                metrics=self._services.metrics,
                handshake_seconds=self._settings.authentication_seconds,
            ),
            server_header=None,
            backlog=2048,  # clients of a whole scenario come at once; one that finds no room waits a second
        )
        try:
            yield server
        finally:
            for outlet in self._outlets:
                outlet.flush()
            server.close(code=CloseCode.GOING_AWAY, reason="the server stops")
            if not await self._services.shutdown.finish(server.wait_closed(), self._settings.shutdown_seconds):
                for connection in self._websockets:
                    connection.transport.abort()  # its queue is full, and a goodbye would wait behind it
                await server.wait_closed()

    async def _handle(self, websocket: ServerConnection) -> None:
        codec = CODECS[websocket.subprotocol or SUBPROTOCOLS[0]]
        self._websockets.add(websocket)
        user_id: UUID | None = None
        try:
            bearer = await self._authenticate(websocket, codec)
            if bearer is not None:
                user_id, lasting_seconds = bearer
                await self._converse(self._outlet(websocket, user_id), codec, lasting_seconds)
        except _BadFrameError as error:
            await self._close(websocket, CloseCode.BAD_FRAME, str(error))
        except ConnectionClosed:
            pass  # by either side, which is how every conversation ends
        finally:
            self._websockets.discard(websocket)
        self._note_close(websocket, user_id)

    def _note_close(self, websocket: ServerConnection, user_id: UUID | None) -> None:
        """Counts a connection that the server closed, and logs it unless all are closed."""
        sent = websocket.protocol.close_sent
        if sent is None or websocket.protocol.close_rcvd_then_sent:
            return
        self._services.metrics.closes.labels(str(sent.code)).inc()
        if sent.code != CloseCode.GOING_AWAY:
            level = logging.WARNING if sent.code in _OPERATORS_CODES else logging.INFO
            user = str(user_id) if user_id is not None else None
            logs.event(_log, level, "gateway_connection_closed", code=sent.code, reason=sent.reason, user_id=user)

    def _outlet(self, websocket: ServerConnection, user_id: UUID) -> Outlet:
        settings = self._settings
        return Outlet(
            websocket,
            user_id,
            counts=self._services.counts,
            queue_bytes_max=settings.send_queue_bytes,
            close_seconds=settings.shutdown_seconds,
            coalescer=self._coalescer,
        )

    async def _authenticate(self, websocket: ServerConnection, codec: Codec) -> tuple[UUID, float] | None:
        """The user, by the first frame, and how long the token lasts; None when it was closed with 4401."""
        seconds = self._settings.authentication_seconds
        try:
            async with asyncio.timeout(seconds):
                command = await self._receive(websocket, codec)
            if not isinstance(command, Authenticate):
                raise _BadFrameError("the first frame must be authenticate")
            return self._services.tokens.verify_lasting(command.token)
        except TimeoutError:
            await self._close(websocket, CloseCode.UNAUTHENTICATED, f"no authenticate within {seconds:g} s")
        except UnauthenticatedError as error:
            await self._close(websocket, CloseCode.UNAUTHENTICATED, error.message)
        return None

    async def _converse(self, outlet: Outlet, codec: Codec, lasting_seconds: float) -> None:
        services, websocket = self._services, outlet.websocket
        services.presence.connect(outlet.user_id, outlet)
        services.metrics.connections.inc()
        outlet.send(
            Ready(
                user_id=outlet.user_id,
                heartbeat_seconds=self._settings.heartbeat_seconds,
                coalescing_seconds=self._settings.message_coalescing_seconds,
            )
        )
        self._outlets.add(outlet)
        heartbeat = asyncio.create_task(self._heartbeat(outlet))
        expiry = asyncio.get_running_loop().call_later(
            lasting_seconds, outlet.close, CloseCode.UNAUTHENTICATED, "the token has expired; log in again"
        )
        try:
            while True:
                command = await self._receive(websocket, codec)
                try:
                    services.limits.command(outlet.user_id)
                    await self._carry_out(outlet, command)
                except RateLimitedError as error:
                    outlet.send(ErrorEvent(code="too_many", message=error.message))
                    if services.limits.goes_on(outlet.user_id):
                        outlet.close(CloseCode.RATE_LIMITED, error.message)
                except RefusedError as error:
                    outlet.send(ErrorEvent(code=error.code, message=error.message))
        finally:
            is_lost = heartbeat.done() and not heartbeat.cancelled() and heartbeat.result()
            expiry.cancel()
            heartbeat.cancel()
            self._outlets.discard(outlet)
            services.hub.detach(outlet)
            services.typing.disconnect(outlet)
            services.presence.disconnect(outlet.user_id, outlet, is_lost=is_lost)
            services.metrics.connections.dec()

    async def _carry_out(self, outlet: Outlet, command: Command) -> None:
        hub, presence = self._services.hub, self._services.presence
        match command:
            case SubscribeMessages(resume=resume):
                await self._subscribe_messages(outlet, resume)
            case UnsubscribeMessages():
                hub.unsubscribe_messages(outlet)
                outlet.send(Unsubscribed(topic="messages"))
            case SubscribePresence(user_ids=user_ids):
                await self._subscribe_presence(outlet, user_ids)
            case UnsubscribePresence(user_ids=user_ids):
                hub.unwatch(outlet, user_ids)
                outlet.send(Unsubscribed(topic="presence"))
            case UpdatePresence(status=status):
                version = presence.update(outlet.user_id, outlet, status)
                outlet.send(PresenceUpdated(status=status, version=version))
            case SubscribeTyping() | UnsubscribeTyping() | StartTyping() | StopTyping():
                await self._carry_out_typing(outlet, command)
            case Authenticate():
                raise _BadFrameError("authenticate comes once, as the first frame")
            case _:
                assert_never(command)

    async def _carry_out_typing(self, outlet: Outlet, command: TypingCommand) -> None:
        typing = self._services.typing
        match command:
            case SubscribeTyping(conversation_id=conversation_id):
                outlet.send(await typing.subscribe(outlet, conversation_id, self._services.live_state))
            case UnsubscribeTyping(conversation_id=conversation_id):
                typing.unsubscribe(outlet, conversation_id)
                outlet.send(Unsubscribed(topic="typing"))
            case StartTyping(conversation_id=conversation_id):
                await typing.start(outlet, conversation_id)
            case StopTyping(conversation_id=conversation_id):
                await typing.stop(outlet, conversation_id)
            case _:
                assert_never(command)

    async def _subscribe_presence(self, outlet: Outlet, user_ids: tuple[UUID, ...]) -> None:
        hub, live_state = self._services.hub, self._services.live_state
        if hub.watched_count(outlet, user_ids) > self._settings.watched_users_max:
            raise _too_many("watched users", self._settings.watched_users_max)
        # From here on, no change is missed; one that overtakes the answer has the higher version.
        unwatched = hub.watch(outlet, user_ids)
        try:
            users = await live_state.presence(outlet.user_id, user_ids)
        except RefusedError:
            hub.unwatch(outlet, unwatched)
            raise
        outlet.send(PresenceState(users=users))

    async def _subscribe_messages(self, outlet: Outlet, resume: dict[UUID, int]) -> None:
        services, settings = self._services, self._settings
        if len(resume) > settings.resume_conversations_max:
            raise _too_many("conversations to resume", settings.resume_conversations_max)
        if not resume:
            services.hub.subscribe_messages(outlet)
            outlet.send(Subscribed(topic="messages"))
            return
        outlet.hold()
        services.hub.subscribe_messages(outlet)
        try:
            await replay(outlet, services.chat, services.sender, resume, settings.resume_messages_max)
        except RefusedError as error:
            # Half a replay must not look like a whole one: the client comes again and resumes from what it has.
            services.hub.unsubscribe_messages(outlet)
            await self._close(outlet.websocket, CloseCode.TRY_AGAIN_LATER, error.message)

    async def _heartbeat(self, outlet: Outlet) -> bool:
        """Pings; a client that answers none for a whole interval is gone: True when it was cut off for that."""
        seconds = self._settings.heartbeat_seconds
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(seconds)
                try:
                    async with asyncio.timeout(seconds):
                        await (await outlet.websocket.ping())
                except TimeoutError:
                    outlet.websocket.transport.abort()  # nobody is there to say goodbye to
                    return True
                self._services.presence.heard(outlet.user_id, outlet)
        return False

    async def _receive(self, websocket: ServerConnection, codec: Codec) -> Command:
        payload = await websocket.recv(decode=False)
        try:
            command = codec.decode_command(payload)
        except msgspec.DecodeError as error:
            raise _BadFrameError(f"no command: {error}") from error
        self._services.metrics.commands.labels(kind_of(command)).inc()
        return command

    async def _close(self, websocket: ServerConnection, code: int, reason: str) -> None:
        shortened = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
        await close_in_time(websocket, code, shortened, self._settings.shutdown_seconds)


def _too_many(what: str, bound: int) -> RefusedError:
    error = RefusedError(f"at most {bound:,} {what} per connection")
    error.code = "too_many"
    return error
