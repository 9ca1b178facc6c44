"""One device's connection to the gateway: authenticate, subscribe, receive; remembers where to resume."""

import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import gevent
import msgspec
from gevent.event import AsyncResult, Event

from reference_server.frames import (
    CODECS,
    Authenticate,
    Command,
    ErrorEvent,
    PresenceEvent,
    PresenceState,
    PresenceStatus,
    PresenceUpdated,
    Ready,
    ResumeGap,
    StartTyping,
    StopTyping,
    Subscribed,
    SubscribeMessages,
    SubscribePresence,
    SubscribeTyping,
    TypingState,
    UnsubscribeTyping,
    UpdatePresence,
)
from scenarios.client.gateway_socket import (
    ABNORMAL_CLOSURE,
    PROMPT_NS,
    ArrivalCounts,
    ConnectFailedError,
    GatewaySocket,
)


class TextEvent(msgspec.Struct, gc=False):
    """The fields of message, receipt and presence events that timing needs, as they are on the JSON wire.

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


class TypingText(msgspec.Struct, gc=False):
    """A typing event on the JSON wire. Apart, because other events say something else by the same letter."""

    c: str  # conversation
    u: str  # typist
    s: bool  # whether they are typing


class TypingBinary(msgspec.Struct, gc=False):
    """The same on the msgpack wire."""

    c: bytes
    u: bytes
    s: bool


_decode_text: Callable[[Any], Any] = msgspec.json.Decoder(TextEvent).decode
_decode_binary: Callable[[Any], Any] = msgspec.msgpack.Decoder(BinaryEvent).decode
_decode_typing_text: Callable[[Any], Any] = msgspec.json.Decoder(TypingText).decode
_decode_typing_binary: Callable[[Any], Any] = msgspec.msgpack.Decoder(TypingBinary).decode

# Receives (event, wire_bytes, arrival_ns, observed_ns) within the event loop; must not block.
EventHandler = Callable[[Any, int, int, int], None]


_NEVER_NS = 1 << 62


def _ignore(_event: Any, _wire_bytes: int, _arrival_ns: int, _observed_ns: int) -> None:
    return


class GatewayClient:
    """One device of one user.

    Blocking calls (`connect`, `subscribe_…`) wait in their greenlet and raise ConnectFailedError when the connection
    ends meanwhile or nothing is answered in time. Events arrive by `on_message`, `on_receipt`, `on_typing` and
    `on_presence`.
    """

    __slots__ = (
        "_answers",
        "_decode_lean",
        "_decode_typing",
        "_socket",
        "_timeout_seconds",
        "close_code",
        "codec",
        "connect_began_ns",
        "counts",
        "ended",
        "errors",
        "last_seq",
        "on_close",
        "on_message",
        "on_presence",
        "on_presence_event",
        "on_presence_state",
        "on_presence_updated",
        "on_receipt",
        "on_subscribed",
        "on_typing",
        "opened",
        "ready",
        "ready_arrival_ns",
        "resume_gaps",
        "unreadable_frames",
    )

    def __init__(
        self,
        subprotocol: str = "chat.v1.json",
        counts: ArrivalCounts | None = None,
        answer_timeout_seconds: float = 10,
    ) -> None:
        self.codec = CODECS[subprotocol]
        self.counts = counts if counts is not None else ArrivalCounts()
        self.on_message: EventHandler = _ignore
        self.on_receipt: EventHandler = _ignore
        self.on_typing: EventHandler = _ignore
        self.on_presence: EventHandler = _ignore
        # The same event, decoded whole, where its status matters: twice the cost of the lean one.
        self.on_presence_event: Callable[[PresenceEvent, int], None] | None = None
        self.on_presence_updated: Callable[[PresenceUpdated], None] = lambda _event: None
        # Called at once, not when whoever asked wakes up: the next event may be in the same segment.
        self.on_presence_state: Callable[[PresenceState], None] = lambda _event: None
        # Called with its arrival, when the replay is over and live messages follow.
        self.on_subscribed: Callable[[int], None] = lambda _arrival_ns: None
        self.on_close: Callable[[int, str], None] = lambda _code, _reason: None
        self.last_seq: dict[Any, int] = {}  # conversation's wire id → highest seq received
        self.ready: Ready | None = None
        self.connect_began_ns = 0  # CLOCK_REALTIME
        self.ready_arrival_ns = 0  # the kernel's time of the last Ready
        self.close_code: tuple[int, str] | None = None
        self.opened = Event()  # authenticated, and not ended since
        self.ended = Event()  # not open, for those who wait to come back
        self.errors: list[ErrorEvent] = []
        self.resume_gaps: list[ResumeGap] = []
        self.unreadable_frames = 0
        self._timeout_seconds = answer_timeout_seconds
        self._decode_lean = _decode_text if self.codec.is_text else _decode_binary
        self._decode_typing = _decode_typing_text if self.codec.is_text else _decode_typing_binary
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
        self.connect_began_ns = time.time_ns()
        self.ended.clear()
        self._socket = GatewaySocket(
            url, self.codec.subprotocol, on_payload=self._payload, on_close=self._closed, counts=self.counts
        )
        try:
            ready = self._ask(Authenticate(token=token), Ready)
        except ConnectFailedError:
            # Told by the error; a connection that is half there must not stay, nor be told as one that was lost.
            on_close, self.on_close = self.on_close, lambda _code, _reason: None
            self._socket.abort()
            self.on_close = on_close
            raise
        assert isinstance(ready, Ready)
        self.ready = ready
        # Who is later than a window may have read two of them together, who is not has read one.
        self._socket.prompt_ns = PROMPT_NS + round(ready.coalescing_seconds * 1e9)
        if self.is_open:
            self.opened.set()
        return ready

    def subscribe_messages(self, *, resume: bool = False) -> None:
        """Asks for the messages of all one's conversations; with `resume`, what was missed since comes first."""
        missed = {self._uuid(key): seq for key, seq in self.last_seq.items()} if resume else {}
        assert self._socket is not None
        prompt_ns, self._socket.prompt_ns = self._socket.prompt_ns, _NEVER_NS  # a replay is sent in one piece
        self._ask(SubscribeMessages(resume=missed), Subscribed)
        self._socket.prompt_ns = prompt_ns

    def subscribe_presence(self, user_ids: Iterable[UUID]) -> PresenceState:
        """Asks for the presence of the given users; their states now."""
        state = self._ask(SubscribePresence(user_ids=tuple(user_ids)), PresenceState)
        assert isinstance(state, PresenceState)
        return state

    def update_presence(self, status: PresenceStatus) -> None:
        """Sets this device's status; the answer arrives at `on_presence_updated`."""
        self._send(UpdatePresence(status=status))

    def subscribe_typing(self, conversation_id: UUID) -> TypingState:
        """Asks who is typing in a conversation; who is now."""
        state = self._ask(SubscribeTyping(conversation_id=conversation_id), TypingState)
        assert isinstance(state, TypingState)
        return state

    def unsubscribe_typing(self, conversation_id: UUID) -> None:
        """Asks no more who is typing there; the answer is not waited for."""
        self._send(UnsubscribeTyping(conversation_id=conversation_id))

    def start_typing(self, conversation_id: UUID) -> None:
        """Says that one is typing; nothing is answered."""
        self._send(StartTyping(conversation_id=conversation_id))

    def stop_typing(self, conversation_id: UUID) -> None:
        """Says that one is typing no more; nothing is answered."""
        self._send(StopTyping(conversation_id=conversation_id))

    def change_presence(self, status: PresenceStatus) -> PresenceUpdated:
        """Sets this device's status and waits for the answer."""
        updated = self._ask(UpdatePresence(status=status), PresenceUpdated)
        assert isinstance(updated, PresenceUpdated)
        return updated

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
            self._other_event(bytes(payload), arrival_ns)
            return
        if event.t == "m":
            last_seq = self.last_seq
            if event.n > last_seq.get(event.c, 0):
                last_seq[event.c] = event.n
            self.on_message(event, wire_bytes, arrival_ns, observed_ns)
        elif event.t == "p":
            self.on_presence(event, wire_bytes, arrival_ns, observed_ns)
            if self.on_presence_event is not None:
                whole = self.codec.decode_event(bytes(payload))
                assert isinstance(whole, PresenceEvent)
                self.on_presence_event(whole, arrival_ns)
        elif event.t == "r":
            self.on_receipt(event, wire_bytes, arrival_ns, observed_ns)
        elif event.t == "y":
            self.on_typing(self._decode_typing(payload), wire_bytes, arrival_ns, observed_ns)
        else:
            self._other_event(bytes(payload), arrival_ns)

    def _other_event(self, payload: bytes, arrival_ns: int) -> None:
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
        elif isinstance(event, Ready):
            self.ready_arrival_ns = arrival_ns
        elif isinstance(event, Subscribed):
            self.on_subscribed(arrival_ns)
        waiting = self._answers.get(type(event))
        if waiting is not None:
            waiting.set(event)

    def _closed(self, code: int, reason: str) -> None:
        self.close_code = (code, reason)
        self.opened.clear()
        self.ended.set()
        for waiting in list(self._answers.values()):
            waiting.set_exception(ConnectFailedError(f"the gateway closed the connection: {code} {reason}"))
        self.on_close(code, reason)


def lost(code: int) -> bool:
    """Whether a close code says that the connection broke, rather than that one side ended it."""
    return code == ABNORMAL_CLOSURE
