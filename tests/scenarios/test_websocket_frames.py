import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from scenarios.client.websocket_frames import BINARY, PING, PONG, TEXT, FrameError, FrameReader

Read = list[tuple[str, bytes, int]]  # "message" and its bytes on the wire, or "control" and its opcode


def read(stream: bytes, cuts: list[int]) -> Read:
    """What a reader makes of a stream that arrives in pieces; every message comes with its last piece's times."""
    got: Read = []
    times = (0, 0)

    def on_message(payload: memoryview | bytes, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
        assert (arrival_ns, observed_ns) == times
        got.append(("message", bytes(payload), wire_bytes))

    reader = FrameReader(on_message, lambda opcode, payload: got.append(("control", bytes(payload), opcode)))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, stop in itertools.pairwise(edges):
        times = (stop, stop + 1)
        reader.feed(memoryview(stream)[start:stop], *times)
    return got


payloads = st.binary(max_size=300) | st.sampled_from([bytes(125), bytes(126), bytes(65535), bytes(65536)])
control = st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))


@given(
    messages=st.lists(
        st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.lists(payloads, min_size=1, max_size=4)),
        max_size=5,
    ),
    controls=st.lists(control, max_size=5),
    cuts=st.lists(st.integers(0, 70_000), max_size=12),
    data=st.data(),
)
def test_any_stream_in_any_pieces(
    messages: list[tuple[Opcode, list[bytes]]],
    controls: list[tuple[Opcode, bytes]],
    cuts: list[int],
    data: st.DataObject,
) -> None:
    """Messages come out whole whatever their fragments, the control frames between them and the reads' boundaries."""
    stream = b""
    expected: Read = []
    pending = list(controls)
    for opcode, parts in messages:
        wire_bytes = 0
        for number, part in enumerate(parts):
            frame = Frame(opcode if number == 0 else Opcode.CONT, part, fin=number == len(parts) - 1).serialize(
                mask=False
            )
            stream += frame
            wire_bytes += len(frame)
            if number < len(parts) - 1 and pending and data.draw(st.booleans()):
                kind, payload = pending.pop()
                between = Frame(kind, payload).serialize(mask=False)
                stream += between
                expected.append(("control", payload, int(kind)))
        expected.append(("message", b"".join(parts), wire_bytes))
    assert read(stream, cuts) == expected


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (Frame(Opcode.TEXT, b"x").serialize(mask=True), "masked"),
        (b"\xc1\x00", "reserved"),
        (b"\x80\x00", "out of place"),
        (b"\x01\x00\x81\x01x", "inside a fragmented"),
        (b"\x83\x00", "out of place"),
        (b"\x09\x00", "bad control"),
        (b"\x8b\x00", "bad control"),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), "over"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_told(stream: bytes, problem: str) -> None:
    """Each violation raises and names itself; nothing is guessed."""
    with pytest.raises(FrameError, match=problem):
        read(stream, [])


def test_opcodes_are_the_standard_s() -> None:
    """The reader's names for opcodes are those of websockets."""
    assert (TEXT, BINARY, PING, PONG) == (Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG)
