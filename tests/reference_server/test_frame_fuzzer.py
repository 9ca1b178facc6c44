"""A gateway under attack: noise, mutated and misplaced frames, endless input.

Every end has a documented code and a reason that names the problem, no answer tells what lies behind, and afterwards
the server is as it was. `test_half_open.py` attacks below the frames.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from reference_server.frames import (
    CODECS,
    SUBPROTOCOLS,
    Authenticate,
    CloseCode,
    Command,
    PresenceUpdated,
    Ready,
    StartTyping,
    StopTyping,
    Subscribed,
    SubscribeMessages,
    SubscribePresence,
    SubscribeTyping,
    UnsubscribeMessages,
    UnsubscribePresence,
    UnsubscribeTyping,
    UpdatePresence,
)

FRAME_BYTES_MAX = 1 << 14
PAGE = (Path(__file__).parent.parent.parent / "docs" / "gateway.md").read_text(encoding="utf-8")
DOCUMENTED_CODES = {int(code) for code in re.findall(r"^\| (\d{4}) \|", PAGE, re.MULTILINE)}

Check = Callable[..., None]
Thorough = Callable[[int], settings]

IDS = st.one_of(st.uuids(), st.uuids(version=4))
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(Authenticate, token=st.text(max_size=300)),
    st.builds(SubscribeMessages, resume=st.dictionaries(IDS, st.integers(0, (1 << 63) - 1), max_size=5)),
    st.builds(UnsubscribeMessages),
    st.builds(SubscribePresence, user_ids=st.lists(IDS, max_size=5).map(tuple)),
    st.builds(UnsubscribePresence, user_ids=st.lists(IDS, max_size=5).map(tuple)),
    st.builds(UpdatePresence, status=st.sampled_from(["online", "away", "offline"])),
    *(st.builds(kind, conversation_id=IDS) for kind in (SubscribeTyping, UnsubscribeTyping, StartTyping, StopTyping)),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
TAGS = st.sampled_from([kind.__struct_config__.tag for kind in Command.__args__]) | st.text(max_size=20)
# What has the outline of a command: a tag, fields of the right names, anything in them.
OUTLINES = st.builds(
    lambda tag, fields: {"t": tag, **fields},
    TAGS,
    st.dictionaries(st.sampled_from(["token", "resume", "user_ids", "status", "c", "t", "more"]), VALUES, max_size=4),
)


@st.composite
def mutations(draw: st.DrawFn, payload: bytes) -> bytes:
    """The payload with some bytes changed, left out, doubled or cut off."""
    mutated = bytearray(payload)
    for _ in range(draw(st.integers(1, 4))):
        if not mutated:
            break
        place = draw(st.integers(0, len(mutated) - 1))
        match draw(st.sampled_from(["change", "leave out", "double", "cut off", "put in"])):
            case "change":
                mutated[place] = draw(st.integers(0, 255))
            case "leave out":
                del mutated[place]
            case "double":
                mutated[place:place] = mutated[place : place + draw(st.integers(1, 40))]
            case "cut off":
                del mutated[place:]
            case "put in":
                mutated[place:place] = draw(st.binary(max_size=8))
    return bytes(mutated)


def payloads(subprotocol: str) -> st.SearchStrategy[bytes]:
    """Anything from noise to commands."""
    codec = CODECS[subprotocol]
    encode = (lambda value: json.dumps(value).encode()) if codec.is_text else _packed
    return st.one_of(
        st.binary(max_size=200),
        VALUES.map(encode),
        OUTLINES.map(encode),
        COMMANDS.map(codec.encode),
        COMMANDS.map(codec.encode).flatmap(mutations),
    )


def _packed(value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, msgspec.ValidationError):  # msgpack has no integers that long
        return repr(value).encode()


@pytest.fixture
def thorough(pytestconfig: pytest.Config) -> Thorough:
    """So many examples, the same ones each time; with --long forty times as many, new ones each time."""
    is_long = bool(pytestconfig.getoption("--long"))
    return lambda examples: settings(
        max_examples=examples * (40 if is_long else 1),
        deadline=None,
        database=None,
        derandomize=not is_long,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


class Fortress:
    """A server, and what must hold whatever is done to it."""

    def __init__(self, server: Any, check_told: Check) -> None:
        self.server = server
        self.check_told = check_told
        self.user = server.user(1)
        self.witness = server.user(2)
        self.conversation = server.group(self.user, self.witness)

    def check_end(self, end: ConnectionClosed, said: object = "", code: int | None = None) -> int:
        """The code of a connection's end, which must be documented (and this one, if given) and name the problem."""
        assert end.rcvd is not None, f"hung up on: {end}"
        assert end.rcvd.code in (DOCUMENTED_CODES if code is None else {code}), end
        assert end.rcvd.reason, end
        self.check_told(end.rcvd.reason, said)
        return end.rcvd.code

    def end_of(self, receive: Callable[[], Any], said: object = "") -> int:
        """The same, after reading what comes before."""
        while True:
            try:
                self.check_told(str(receive()), said)
            except ConnectionClosed as end:
                return self.check_end(end, said)

    def check_unharmed(self) -> None:
        """People still talk, and the log tells of no mistake of the server's."""
        gateway = self.witness.connect()
        gateway.subscribe()
        sent = self.user.send(self.conversation)
        assert gateway.receive().seq == sent["seq"]
        gateway.close()
        assert self.server.http.get("/readyz").status_code == 200
        assert {event["event"] for event in self.server.events()} <= {
            "started",
            "another_server",
            "gateway_connection_closed",
        }


@pytest.fixture(scope="module")
def fortress(launch_for_module: Any, database: str, check_told: Check) -> Iterator[Fortress]:
    """A server that only this file attacks, with near bounds; unharmed in the end."""
    settings = {"frame_bytes_max": FRAME_BYTES_MAX, "shutdown_seconds": 2}
    fortress = Fortress(launch_for_module(database, **settings), check_told)
    yield fortress
    fortress.check_unharmed()


# --- payloads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
def test_whatever_comes_first_is_authenticate_or_the_end(
    fortress: Fortress, thorough: Thorough, subprotocol: str
) -> None:
    """No payload but a token opens the conversation."""

    @thorough(60)
    @given(payload=payloads(subprotocol), is_text=st.booleans())
    def strike(payload: bytes, is_text: bool) -> None:
        websocket = fortress.server.connect(subprotocol)
        websocket.send(payload, text=is_text)
        assert fortress.end_of(websocket.recv, payload) in (CloseCode.BAD_FRAME, CloseCode.UNAUTHENTICATED)

    strike()


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
def test_whatever_comes_later_is_answered_or_the_end(fortress: Fortress, thorough: Thorough, subprotocol: str) -> None:
    """After any run of payloads the connection either works as before or has ended with a reason."""

    @thorough(60)
    @given(run=st.lists(st.tuples(payloads(subprotocol), st.booleans()), min_size=1, max_size=5))
    def strike(run: list[tuple[bytes, bool]]) -> None:
        gateway = fortress.user.connect(subprotocol)
        try:
            for payload, is_text in run:
                gateway.websocket.send(payload, text=is_text)
            gateway.send(UpdatePresence(status="away"))
            gateway.send(SubscribeMessages())
            told: list[Any] = []
            while not isinstance(told[-1] if told else None, Subscribed) or not any(
                isinstance(event, PresenceUpdated) for event in told
            ):
                told.append(gateway.receive())
            for event in told:
                fortress.check_told(str(event), run)
        except ConnectionClosed as end:
            fortress.check_end(end, run, CloseCode.BAD_FRAME)
        gateway.close()

    strike()


@given(st.binary(max_size=100) | OUTLINES.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_command_is_named_in_few_words(payload: bytes) -> None:
    """The decoder's complaint is what a close frame can hold, and names no type of ours."""
    for codec in CODECS.values():
        complaint = "fine"
        try:
            codec.decode_command(payload)
        except msgspec.DecodeError as error:
            complaint = str(error)
        assert complaint
        assert "reference_server" not in complaint


# --- frames ---------------------------------------------------------------------------------------------


def raw_frame(opcode: int, payload: bytes, *, final: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, well-formed or not."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    length = len(payload)
    if length < 126:
        head = bytes((first, (0x80 if masked else 0) | length))
    elif length < 1 << 16:
        head = bytes((first, (0x80 if masked else 0) | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, (0x80 if masked else 0) | 127)) + length.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


RAW_FRAMES = st.builds(
    raw_frame,
    st.integers(0, 15),
    st.binary(max_size=130),
    final=st.booleans(),
    masked=st.sampled_from([True, True, True, False]),
    reserved=st.sampled_from([0, 0, 0, 1, 4, 7]),
)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (raw_frame(Opcode.TEXT, b"{}", masked=False), 1002),
        (raw_frame(3, b""), 1002),
        (raw_frame(Opcode.TEXT, b"{}", reserved=4), 1002),
        (raw_frame(Opcode.CONT, b"{}"), 1002),
        (raw_frame(Opcode.PING, b"x" * 126), 1002),
        (raw_frame(Opcode.PING, b"", final=False), 1002),
        (raw_frame(Opcode.CLOSE, b"\x03"), 1002),
        (raw_frame(Opcode.CLOSE, b"\x03\xe8\xff"), 1007),
        (raw_frame(Opcode.TEXT, b"x" * (FRAME_BYTES_MAX + 1)), 1009),
        (b"\x81\xff" + (1 << 62).to_bytes(8, "big"), 1009),
        (b"\x81\xff" + b"\xff" * 8, 1009),
        (raw_frame(Opcode.TEXT, b"x" * FRAME_BYTES_MAX, final=False) + raw_frame(Opcode.CONT, b"x"), 1009),
        (raw_frame(Opcode.TEXT, b"{", final=False) + raw_frame(Opcode.TEXT, b"}"), 1002),
    ],
    ids=[
        "unmasked", "unknown opcode", "reserved bit", "continuation of nothing", "long ping", "ping in pieces",
        "half a close code", "close reason no UTF-8", "above the bound", "4 exbibytes", "endless",
        "above the bound in pieces", "a frame within a message",
    ],
)  # fmt: skip
def test_a_frame_that_is_none_ends_with_its_code(fortress: Fortress, frame: bytes, code: int) -> None:
    """What breaks WebSocket's own rules ends with WebSocket's own codes."""
    gateway = fortress.user.connect()
    gateway.websocket.socket.sendall(frame)
    assert fortress.end_of(gateway.receive) == code


def test_any_frames_end_documented_or_go_on(fortress: Fortress, thorough: Thorough) -> None:
    """Any run of frames, whole or cut off: a documented end, or a connection that still answers."""

    @thorough(100)
    @given(frames=st.lists(RAW_FRAMES, min_size=1, max_size=6), cut=st.integers(0, 3))
    def strike(frames: list[bytes], cut: int) -> None:
        gateway = fortress.user.connect()
        data = b"".join(frames)
        # What is cut off swallows some of these; one of them ends what is still open.
        goodbyes = raw_frame(Opcode.CLOSE, (1000).to_bytes(2, "big")) * 40
        gateway.websocket.socket.sendall(data[: len(data) - cut] + goodbyes)
        try:
            while True:
                fortress.check_told(str(gateway.receive()), frames)
        except ConnectionClosed as end:
            # A close frame of ours that was understood comes back as it was.
            if end.rcvd is not None and end.rcvd.reason:
                fortress.check_end(end, frames)

    strike()


def test_a_command_in_any_pieces_is_the_command(fortress: Fortress, thorough: Thorough) -> None:
    """Fragments, control frames between them, and TCP segments of any length change nothing."""

    @thorough(25)
    @given(seed=st.integers(0, 1 << 32))
    def strike(seed: int) -> None:
        source = random.Random(seed)
        payload = CODECS["chat.v1.json"].encode(Authenticate(token=fortress.user.token))
        cuts = sorted(source.sample(range(1, len(payload)), source.randint(0, 10)))
        pieces = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        data = b""
        for number, piece in enumerate(pieces):
            opcode = Opcode.CONT if number else Opcode.TEXT
            data += Frame(opcode, piece, fin=number == len(pieces) - 1).serialize(mask=True)
            if source.random() < 0.5:
                data += Frame(Opcode.PING, b"still there?").serialize(mask=True)
        websocket = fortress.server.connect()
        while data:
            length = source.randint(1, 200)
            websocket.socket.sendall(data[:length])
            data = data[length:]
        assert isinstance(CODECS["chat.v1.json"].decode_event(websocket.recv(20, decode=False)), Ready)
        websocket.close()

    strike()
