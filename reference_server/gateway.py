"""The WebSocket gateway: one task per connection reads commands; events leave through its outlet.

`docs/gateway.md` is the reference of frames, close codes and resume.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never
from uuid import UUID

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from reference_server.errors import RefusedError, UnauthenticatedError
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
)
from reference_server.outlet import Outlet, close_in_time
from reference_server.resume import replay
from reference_server.services import Services

_LOOPBACK_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
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

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Server]:
        """The listening server; in the end its connections are closed with 1001."""
        server = await serve(
            self._handle,
            self._settings.host,
            self._settings.gateway_port,
            subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
            origins=[None, _LOOPBACK_ORIGIN, *self._settings.allowed_origins],  # type: ignore[list-item]
            compression=None,
            max_size=self._settings.frame_bytes_max,
            ping_interval=None,  # the heartbeat below tells presence what it hears
            close_timeout=self._settings.shutdown_seconds,
            server_header=None,
            backlog=2048,  # clients of a whole scenario come at once; one that finds no room waits a second
        )
        try:
            yield server
        finally:
            server.close(code=CloseCode.GOING_AWAY, reason="the server stops")
            try:
                async with asyncio.timeout(self._settings.shutdown_seconds):
                    await server.wait_closed()
            except TimeoutError:
                for websocket in self._websockets:
                    websocket.transport.abort()  # its queue is full, and a goodbye would wait behind it
                await server.wait_closed()

    async def _handle(self, websocket: ServerConnection) -> None:
        codec = CODECS[websocket.subprotocol or SUBPROTOCOLS[0]]
        self._websockets.add(websocket)
        try:
            user_id = await self._authenticate(websocket, codec)
            if user_id is not None:
                await self._converse(self._outlet(websocket, user_id), codec)
        except _BadFrameError as error:
            await self._close(websocket, CloseCode.BAD_FRAME, str(error))
        except ConnectionClosed:
            pass  # by either side, which is how every conversation ends
        finally:
            self._websockets.discard(websocket)
        if websocket.protocol.close_sent is not None:
            self._services.metrics.closes.labels(str(websocket.protocol.close_sent.code)).inc()

    def _outlet(self, websocket: ServerConnection, user_id: UUID) -> Outlet:
        settings = self._settings
        return Outlet(
            websocket, user_id, queue_bytes_max=settings.send_queue_bytes, close_seconds=settings.shutdown_seconds
        )

    async def _authenticate(self, websocket: ServerConnection, codec: Codec) -> UUID | None:
        """The user, by the first frame; None when the connection was closed with 4401."""
        seconds = self._settings.authentication_seconds
        try:
            async with asyncio.timeout(seconds):
                command = await _receive(websocket, codec)
            if not isinstance(command, Authenticate):
                raise _BadFrameError("the first frame must be authenticate")
            return self._services.tokens.verify(command.token)
        except TimeoutError:
            await self._close(websocket, CloseCode.UNAUTHENTICATED, f"no authenticate within {seconds:g} s")
        except UnauthenticatedError as error:
            await self._close(websocket, CloseCode.UNAUTHENTICATED, error.message)
        return None

    async def _converse(self, outlet: Outlet, codec: Codec) -> None:
        services, websocket = self._services, outlet.websocket
        services.presence.connect(outlet.user_id, outlet)
        services.metrics.connections.inc()
        outlet.send(Ready(user_id=outlet.user_id, heartbeat_seconds=self._settings.heartbeat_seconds))
        heartbeat = asyncio.create_task(self._heartbeat(outlet))
        try:
            while True:
                command = await _receive(websocket, codec)
                try:
                    await self._carry_out(outlet, command)
                except RefusedError as error:
                    outlet.send(ErrorEvent(code=error.code, message=error.message))
        finally:
            is_lost = heartbeat.done() and not heartbeat.cancelled() and heartbeat.result()
            heartbeat.cancel()
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

    async def _close(self, websocket: ServerConnection, code: int, reason: str) -> None:
        shortened = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
        await close_in_time(websocket, code, shortened, self._settings.shutdown_seconds)


async def _receive(websocket: ServerConnection, codec: Codec) -> Command:
    payload = await websocket.recv(decode=False)
    try:
        return codec.decode_command(payload)
    except msgspec.DecodeError as error:
        raise _BadFrameError(f"no command: {error}") from error


def _too_many(what: str, bound: int) -> RefusedError:
    error = RefusedError(f"at most {bound:,} {what} per connection")
    error.code = "too_many"
    return error
