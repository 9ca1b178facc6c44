from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.frames import (
    CODECS,
    Authenticate,
    Command,
    ErrorEvent,
    Event,
    MessageEvent,
    PresenceEvent,
    PresenceState,
    PresenceUpdated,
    Ready,
    ResumeGap,
    StartTyping,
    StopTyping,
    Subscribed,
    SubscribeMessages,
    SubscribePresence,
    SubscribeTyping,
    TypingEvent,
    TypingState,
    Unsubscribed,
    UnsubscribeMessages,
    UnsubscribePresence,
    UnsubscribeTyping,
    UpdatePresence,
)

# JSON cannot carry half a surrogate pair; nor can PostgreSQL's text.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
ids = st.uuids()
id_lists = st.lists(ids, max_size=5).map(tuple)
seqs = st.integers(0, (1 << 63) - 1)
statuses = st.sampled_from(["online", "away", "offline"])
presence_events = st.builds(
    PresenceEvent, user_id=ids, status=statuses, version=seqs, last_seen_ms=st.none() | st.integers(0, 1 << 50)
)
commands = st.one_of(
    st.builds(Authenticate, token=texts),
    st.builds(SubscribeMessages, resume=st.dictionaries(ids, seqs, max_size=5)),
    st.just(UnsubscribeMessages()),
    st.builds(SubscribePresence, user_ids=id_lists),
    st.builds(UnsubscribePresence, user_ids=id_lists),
    st.builds(UpdatePresence, status=statuses),
    st.builds(SubscribeTyping, conversation_id=ids),
    st.builds(UnsubscribeTyping, conversation_id=ids),
    st.builds(StartTyping, conversation_id=ids),
    st.builds(StopTyping, conversation_id=ids),
)
events = st.one_of(
    st.builds(Ready, user_id=ids, heartbeat_seconds=st.floats(0, 1e6)),
    st.just(Subscribed(topic="messages")),
    st.builds(Unsubscribed, topic=st.sampled_from(["messages", "presence", "typing"])),
    st.builds(MessageEvent, conversation_id=ids, seq=seqs, sender_id=ids, created_at_ms=seqs, content=texts),
    st.builds(ResumeGap, conversation_id=ids, from_seq=seqs, to_seq=seqs),
    presence_events,
    st.builds(PresenceState, users=st.lists(presence_events, max_size=5).map(tuple)),
    st.builds(PresenceUpdated, status=statuses, version=seqs),
    st.builds(TypingEvent, conversation_id=ids, user_id=ids, is_typing=st.booleans()),
    st.builds(TypingState, conversation_id=ids, user_ids=id_lists),
    st.builds(ErrorEvent, code=texts, message=texts),
)


@pytest.mark.parametrize("subprotocol", CODECS)
@given(command=commands)
def test_commands_round_trip(subprotocol: str, command: Command) -> None:
    """What was encoded is what is decoded, in both encodings."""
    codec = CODECS[subprotocol]
    assert codec.decode_command(codec.encode(command)) == command


@pytest.mark.parametrize("subprotocol", CODECS)
@given(event=events)
def test_events_round_trip(subprotocol: str, event: Event) -> None:
    """The same for events."""
    codec = CODECS[subprotocol]
    assert codec.decode_event(codec.encode(event)) == event


@pytest.mark.parametrize("subprotocol", CODECS)
@given(payload=st.binary(max_size=200))
def test_noise_is_refused_by_one_error(subprotocol: str, payload: bytes) -> None:
    """Bytes that are no command raise DecodeError and nothing else."""
    with pytest.raises(msgspec.DecodeError):
        CODECS[subprotocol].decode_command(payload)


@pytest.mark.parametrize(
    ("subprotocol", "payload"),
    [
        ("chat.v1.json", b'{"t":"authenticate","token":"\xff"}'),
        ("chat.v1.msgpack", b"\x82\xa1t\xacauthenticate\xa5token\xa1\xff"),
        ("chat.v1.json", b'{"t":"update_presence","status":"away","more":' + b"[" * 100_000),
        ("chat.v1.msgpack", b"\x82\xa1t\xacauthenticate\xa4more" + b"\x91" * 100_000),
    ],
)
def test_strings_that_are_no_text_and_bottomless_frames_are_refused_alike(subprotocol: str, payload: bytes) -> None:
    """What msgspec reports by errors of other kinds is a DecodeError here."""
    with pytest.raises(msgspec.DecodeError):
        CODECS[subprotocol].decode_command(payload)


@pytest.mark.parametrize("seq", [-1, 1 << 63, 1 << 80])
def test_a_seq_that_no_message_has_is_refused(seq: int) -> None:
    """A resume from an impossible seq is no command."""
    text = f'{{"t":"subscribe_messages","resume":{{"{UUID(int=1)}":{seq}}}}}'
    with pytest.raises(msgspec.DecodeError):
        CODECS["chat.v1.json"].decode_command(text.encode())


def test_an_event_is_small() -> None:
    """What a delivery costs on the wire beside its text: less than half as much in msgpack."""
    event = MessageEvent(
        conversation_id=UUID(int=1), seq=42, sender_id=UUID(int=2), created_at_ms=1_735_689_600_000, content=""
    )
    sizes = {name: len(codec.encode(event)) for name, codec in CODECS.items()}
    assert sizes == {"chat.v1.json": 127, "chat.v1.msgpack": 62}


def test_presence_without_last_seen_costs_nothing_more() -> None:
    """Who is online or away is told by a status and a version, as if there were no third field."""
    event = PresenceEvent(user_id=UUID(int=1), status="away", version=7)
    assert CODECS["chat.v1.json"].encode(event) == f'{{"t":"p","u":"{UUID(int=1)}","s":"away","v":7}}'.encode()
