"""One device's connection to the gateway: authenticate, subscribe, receive; remembers where to resume."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import gevent
import msgspec
from gevent.event import AsyncResult

from reference_server.frames import (
    CODECS,
    Authenticate,
    Command,
    ErrorEvent,
    PresenceState,
    PresenceStatus,
    PresenceUpdated,
    Ready,
    ResumeGap,
    Subscribed,
    SubscribeMessages,
    SubscribePresence,
    UpdatePresence,
)
from scenarios.client.gateway_socket import ABNORMAL_CLOSURE, ArrivalCounts, ConnectFailedError, GatewaySocket


class TextEvent(msgspec.Struct, gc=False):
    """The fields of message and presence events that timing needs, as they are on the JSON wire.

    Ids stay strings: they are only compared. Measured: decoding this 0.5 µs, the full event with UUIDs 1.1 µs.
    """

    t: str
    c: str = ""  # conversation
    n: int = 0  # seq
    b: str = ""  # content
    u: str = ""  # user
    v: int = 0  # version


class BinaryEvent(msgspec.Struct, gc=False):
    """The same on the msgpack wire, where ids are 16 bytes."""

    t: str
    c: bytes = b""
    n: int = 0
    b: str = ""
    u: bytes = b""
    v: int = 0


# Receives (event, wire_bytes, arrival_ns, observed_ns) within the event loop; must not block.
EventHandler = Callable[[Any, int, int, int], None]


def _ignore(_event: Any, _wire_bytes: int, _arrival_ns: int, _observed_ns: int) -> None:
    return


class GatewayClient:
    """One device of one user.

    Blocking calls (`connect`, `subscribe_…`) wait in their greenlet and raise ConnectFailedError when the connection
    ends meanwhile or nothing is answered in time. Events arrive by `on_message` and `on_presence`.
    """

    def __init__(
        self,
        subprotocol: str = "chat.v1.json",
        counts: ArrivalCounts | None = None,
        answer_timeout_seconds: float = 10,
    ) -> None:
        self.codec = CODECS[subprotocol]
        self.counts = counts if counts is not None else ArrivalCounts()
        self.on_message: EventHandler = _ignore
        self.on_presence: EventHandler = _ignore
        self.on_presence_updated: Callable[[PresenceUpdated], None] = lambda _event: None
        # Called at once, not when whoever asked wakes up: the next event may be in the same segment.
        self.on_presence_state: Callable[[PresenceState], None] = lambda _event: None
        self.on_close: Callable[[int, str], None] = lambda _code, _reason: None
        self.last_seq: dict[Any, int] = {}  # conversation's wire id → highest seq received
        self.ready: Ready | None = None
        self.close_code: tuple[int, str] | None = None
        self.errors: list[ErrorEvent] = []
        self.resume_gaps: list[ResumeGap] = []
        self.unreadable_frames = 0
        self._timeout_seconds = answer_timeout_seconds
        self._decode_lean: Callable[[Any], Any] = (
            msgspec.json.Decoder(TextEvent).decode
            if self.codec.is_text
            else msgspec.msgpack.Decoder(BinaryEvent).decode
        )
        self._socket: GatewaySocket | None = None
        self._answers: dict[type, AsyncResult] = {}

    @property
    def is_open(self) -> bool:
        """Whether events still flow."""
        return self._socket is not None and self._socket.is_open

    def wire_id(self, id_: UUID) -> str | bytes:
        """How an id looks in lean events of this connection's subprotocol."""
        return str(id_) if self.codec.is_text else id_.bytes

    def connect(self, url: str, token: str) -> Ready:
        """Opens the connection (again) and authenticates; the server's Ready."""
        self.close_code = None
        self._socket = GatewaySocket(
            url, self.codec.subprotocol, on_payload=self._payload, on_close=self._closed, counts=self.counts
        )
        ready = self._ask(Authenticate(token=token), Ready)
        assert isinstance(ready, Ready)
        self.ready = ready
        return ready

    def subscribe_messages(self, *, resume: bool = False) -> None:
        """Asks for the messages of all one's conversations; with `resume`, what was missed since comes first."""
        missed = {self._uuid(key): seq for key, seq in self.last_seq.items()} if resume else {}
        self._ask(SubscribeMessages(resume=missed), Subscribed)

    def subscribe_presence(self, user_ids: Iterable[UUID]) -> PresenceState:
        """Asks for the presence of the given users; their states now."""
        state = self._ask(SubscribePresence(user_ids=tuple(user_ids)), PresenceState)
        assert isinstance(state, PresenceState)
        return state

    def change_presence(self, status: PresenceStatus) -> PresenceUpdated:
        """Sets this device's status and waits for the answer."""
        updated = self._ask(UpdatePresence(status=status), PresenceUpdated)
        assert isinstance(updated, PresenceUpdated)
        return updated

    def update_presence(self, status: PresenceStatus) -> None:
        """Sets this device's status; the answer arrives at `on_presence_updated`."""
        self._send(UpdatePresence(status=status))

    def close(self) -> None:
        """Ends the connection politely."""
        if self._socket is not None:
            self._socket.close()

    def abort(self) -> None:
        """Ends the connection as a lost network does."""
        if self._socket is not None:
            self._socket.abort()

    def _uuid(self, wire_id: Any) -> UUID:
        return UUID(wire_id) if self.codec.is_text else UUID(bytes=wire_id)

    def _send(self, command: Command) -> None:
        assert self._socket is not None
        self._socket.send(self.codec.encode(command))

    def _ask(self, command: Command, answer: type) -> Any:
        """Sends a command and waits for an event of the given type."""
        result = self._answers[answer] = AsyncResult()
        try:
            if self.is_open:
                self._send(command)
            if not self.is_open:
                raise ConnectFailedError(f"the gateway connection is closed: {self.close_code}")
            return result.get(timeout=self._timeout_seconds)
        except gevent.Timeout as error:
            raise ConnectFailedError(
                f"the gateway did not answer {type(command).__name__} within {self._timeout_seconds:g} s"
            ) from error
        finally:
            self._answers.pop(answer, None)

    def _payload(self, payload: "memoryview | bytes", wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
        try:
            event = self._decode_lean(payload)
        except msgspec.DecodeError:
            self._other_event(bytes(payload))
            return
        if event.t == "m":
            last_seq = self.last_seq
            if event.n > last_seq.get(event.c, 0):
                last_seq[event.c] = event.n
            self.on_message(event, wire_bytes, arrival_ns, observed_ns)
        elif event.t == "p":
            self.on_presence(event, wire_bytes, arrival_ns, observed_ns)
        else:
            self._other_event(bytes(payload))

    def _other_event(self, payload: bytes) -> None:
        try:
            event = self.codec.decode_event(payload)
        except msgspec.DecodeError:
            self.unreadable_frames += 1
            return
        if isinstance(event, PresenceUpdated):
            self.on_presence_updated(event)
        elif isinstance(event, PresenceState):
            self.on_presence_state(event)
        elif isinstance(event, ErrorEvent):
            self.errors.append(event)
        elif isinstance(event, ResumeGap):
            self.resume_gaps.append(event)
        waiting = self._answers.get(type(event))
        if waiting is not None:
            waiting.set(event)

    def _closed(self, code: int, reason: str) -> None:
        self.close_code = (code, reason)
        for waiting in list(self._answers.values()):
            waiting.set_exception(ConnectFailedError(f"the gateway closed the connection: {code} {reason}"))
        self.on_close(code, reason)


def lost(code: int) -> bool:
    """Whether a close code says that the connection broke, rather than that one side ended it."""
    return code == ABNORMAL_CLOSURE
