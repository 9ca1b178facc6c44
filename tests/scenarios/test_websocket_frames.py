import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from scenarios.client.websocket_frames import BINARY, PING, PONG, TEXT, FrameError, FrameReader, Inflater

Read = list[tuple[str, bytes, int]]  # "message" and its bytes on the wire, or "control" and its opcode


def read(stream: bytes, cuts: list[int], inflater: Inflater | None = None) -> Read:
    """What a reader makes of a stream that arrives in pieces; every message comes with its last piece's times."""
    got: Read = []
    times = (0, 0)

    def on_message(payload: memoryview | bytes, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
        assert (arrival_ns, observed_ns) == times
        got.append(("message", bytes(payload), wire_bytes))

    reader = FrameReader(on_message, lambda opcode, payload: got.append(("control", bytes(payload), opcode)))
    reader.inflater = inflater
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
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_breaks_the_protocol_is_told(stream: bytes, problem: str) -> None:
    """Each violation raises and names itself; nothing is guessed."""
    with pytest.raises(FrameError, match=problem):
        read(stream, [])


@given(
    messages=st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), payloads, st.booleans()), max_size=6),
    cuts=st.lists(st.integers(0, 70_000), max_size=8),
    window_bits=st.integers(9, 15),
    keeps_context=st.booleans(),
)
def test_compressed_messages_come_out_as_they_went_in(
    messages: list[tuple[Opcode, bytes, bool]], cuts: list[int], window_bits: int, keeps_context: bool
) -> None:
    """As the library compresses them, with a context between messages and without, mixed with uncompressed ones."""
    sender = PerMessageDeflate(True, not keeps_context, 15, window_bits)
    stream = b""
    expected: Read = []
    for opcode, payload, is_deflated in messages:
        frame = Frame(opcode, payload).serialize(mask=False, extensions=[sender] if is_deflated else [])
        stream += frame
        expected.append(("message", payload, len(frame)))
    assert read(stream, cuts, Inflater(window_bits, keeps_context=keeps_context)) == expected


def test_fragments_of_a_compressed_message_are_inflated_together() -> None:
    """Only the first frame says that the message is compressed."""
    sender = PerMessageDeflate(True, True, 15, 15)
    parts = [Frame(Opcode.TEXT, b"one, ", fin=False), Frame(Opcode.CONT, b"two", fin=True)]
    stream = b"".join(part.serialize(mask=False, extensions=[sender]) for part in parts)
    assert read(stream, [3], Inflater(15, keeps_context=False)) == [("message", b"one, two", len(stream))]


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (b"\xc1\x02\xff\xff", "damaged"),
        (b"\xc9\x00", "reserved"),
        (b"\xe1\x00", "reserved"),
        (
            Frame(Opcode.TEXT, bytes(5000)).serialize(mask=False, extensions=[PerMessageDeflate(True, True, 15, 15)]),
            "over",
        ),
    ],
)
def test_damaged_compression_is_told(stream: bytes, problem: str) -> None:
    """So is a small frame that would become a message beyond the limit."""
    with pytest.raises(FrameError, match=problem):
        read(stream, [], Inflater(15, keeps_context=False, limit_bytes=1000))


def test_opcodes_are_the_standard_s() -> None:
    """The reader's names for opcodes are those of websockets."""
    assert (TEXT, BINARY, PING, PONG) == (Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG)
