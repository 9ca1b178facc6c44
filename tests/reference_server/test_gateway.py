import socket
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode as StandardCode

from reference_server.frames import (
    Authenticate,
    CloseCode,
    ErrorEvent,
    MessageEvent,
    PresenceEvent,
    PresenceState,
    PresenceUpdated,
    SubscribeMessages,
    SubscribePresence,
    Unsubscribed,
    UnsubscribeMessages,
    UnsubscribePresence,
    UpdatePresence,
)

LONG = "🌍" * 4000  # 16 kB, the longest message there is


def close_of(receive: Callable[[], object]) -> tuple[int, str]:
    """Code and reason with which the server closes, whatever comes before."""
    received = end_of(receive).rcvd
    assert received is not None, "the connection ended without a close frame"
    return received.code, received.reason


def end_of(receive: Callable[[], object]) -> ConnectionClosed:
    """How the connection ends, whatever comes before."""
    while True:
        try:
            receive()
        except ConnectionClosed as end:
            return end


# --- who is let in -------------------------------------------------------------------------------------


@pytest.mark.parametrize("subprotocol", ["chat.v1.json", "chat.v1.msgpack"])
def test_a_token_opens_the_gateway(server: Any, subprotocol: str) -> None:
    """Both subprotocols answer `ready` with the user and the heartbeat."""
    assert server.user(40).connect(subprotocol).websocket.subprotocol == subprotocol


def test_a_client_without_a_known_subprotocol_is_refused(server: Any) -> None:
    """The encoding must be agreed on."""
    with pytest.raises(InvalidStatus) as caught:
        server.connect("chat.v9.json")
    assert caught.value.response.status_code == 400


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"])
def test_pages_of_this_machine_are_let_in(server: Any, origin: str) -> None:
    """A browser on a page from loopback may connect."""
    server.user(40).connect(origin=origin)


@pytest.mark.parametrize("origin", ["https://example.org", "http://localhost.example.org", "null"])
def test_pages_of_others_are_refused(server: Any, origin: str) -> None:
    """Any other page is refused in the handshake."""
    with pytest.raises(InvalidStatus) as caught:
        server.connect(origin=origin)
    assert caught.value.response.status_code == 403


def test_pages_that_the_server_was_told_of_are_let_in(database: str, launch: Any) -> None:
    """An allowed origin is let in as it was written, and nothing that resembles it."""
    server = launch(database, allowed_origins=["https://chat.example.org"])
    server.user(40).connect(origin="https://chat.example.org")
    for origin in ("http://chat.example.org", "https://chat.example.org:8443", "https://chat.example.org.example.com"):
        with pytest.raises(InvalidStatus) as caught:
            server.connect(origin=origin)
        assert caught.value.response.status_code == 403


def test_a_false_token_is_closed_with_4401(server: Any) -> None:
    """An invalid token ends the connection and says why."""
    websocket = server.connect()
    websocket.send('{"t":"authenticate","token":"forged"}')
    assert close_of(websocket.recv) == (CloseCode.UNAUTHENTICATED, "the token is not valid; log in again")


def test_a_silent_client_is_closed_with_4401(tight_server: Any) -> None:
    """Who does not authenticate in time is closed."""
    assert close_of(tight_server.connect().recv) == (CloseCode.UNAUTHENTICATED, "no authenticate within 0.5 s")


def test_a_token_that_expires_ends_its_connection(database: str, launch: Any) -> None:
    """Who was let in by it is closed with 4401 then, and comes back with a new one."""
    server = launch(database, token_lifetime_seconds=1)
    gateway = server.user(40).connect()
    gateway.subscribe()
    assert close_of(gateway.receive) == (CloseCode.UNAUTHENTICATED, "the token has expired; log in again")
    server.user(40).connect()


# --- bad frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    ["", "hello", "{}", '{"t":"shout"}', '{"t":"authenticate"}', "[]", b"\xff\x00", '{"t":"subscribe_messages"}'],
)
def test_a_first_frame_that_is_no_authenticate_is_closed_with_4400(server: Any, payload: str | bytes) -> None:
    """Noise and commands out of order end the connection."""
    websocket = server.connect()
    websocket.send(payload)
    assert close_of(websocket.recv)[0] == CloseCode.BAD_FRAME


@pytest.mark.parametrize(
    "payload",
    [
        b"?",
        b'{"t":"update_presence","status":"busy"}',
        b'{"t":"update_presence","status":"\xff"}',
        b'{"t":"update_presence","status":"away","more":' + b"[" * 100_000,
        b'{"t":"subscribe_presence","user_ids":[1]}',
    ],
    ids=["noise", "unknown status", "no UTF-8", "bottomless", "no id"],
)
def test_a_later_bad_frame_is_closed_with_4400(server: Any, payload: bytes) -> None:
    """The same once authenticated."""
    gateway = server.user(40).connect()
    gateway.websocket.send(payload, text=True)
    code, reason = close_of(gateway.receive)
    assert (code, reason[:11]) == (CloseCode.BAD_FRAME, "no command:")


def test_authenticating_twice_is_closed_with_4400(server: Any) -> None:
    """A connection does not change hands."""
    user = server.user(40)
    gateway = user.connect()
    gateway.send(Authenticate(token=user.token))
    assert close_of(gateway.receive)[0] == CloseCode.BAD_FRAME


def test_a_frame_above_the_bound_is_closed_with_1009(tight_server: Any) -> None:
    """A command that is too big is not read."""
    websocket = tight_server.connect()
    websocket.send("x" * 20_000)
    assert close_of(websocket.recv)[0] == StandardCode.MESSAGE_TOO_BIG


def test_too_many_watched_users_is_an_error_and_no_more(tight_server: Any) -> None:
    """The command is not carried out; the connection and its earlier subscriptions stay."""
    gateway, others = tight_server.user(40).connect(), tuple(tight_server.user(index).id for index in range(41, 44))
    assert isinstance(gateway.ask(SubscribePresence(user_ids=others)), PresenceState)
    error = gateway.ask(SubscribePresence(user_ids=(uuid4(),)))
    assert (error.code, error.message) == ("too_many", "at most 3 watched users per connection")
    assert isinstance(gateway.ask(SubscribePresence(user_ids=others[:1])), PresenceState)


def test_too_many_conversations_to_resume_is_an_error(tight_server: Any) -> None:
    """The same for a resume."""
    error = tight_server.user(40).connect().ask(SubscribeMessages(resume={uuid4(): 0 for _ in range(3)}))
    assert isinstance(error, ErrorEvent)
    assert error.code == "too_many"


# --- subscriptions -------------------------------------------------------------------------------------


def test_unsubscribing_ends_the_messages(server: Any) -> None:
    """What is sent after `unsubscribed` does not come; after subscribing again, the next one does."""
    user, sender = server.user(41), server.user(42)
    conversation, gateway = server.group(user, sender), user.connect()
    gateway.subscribe()
    assert gateway.ask(UnsubscribeMessages()) == Unsubscribed(topic="messages")
    sender.send(conversation)
    gateway.subscribe()
    sender.send(conversation)
    assert gateway.receive().seq == 2


def test_presence_reaches_watchers_only(server: Any) -> None:
    """A watcher hears the change with its version; who has stopped watching does not."""
    watcher, watched = server.user(43).connect(), server.user(44)
    state = watcher.ask(SubscribePresence(user_ids=(watched.id,)))
    assert state.users == (PresenceEvent(user_id=watched.id, status="offline", version=0),)
    device = watched.connect()
    assert watcher.receive() == PresenceEvent(user_id=watched.id, status="online", version=1)
    assert device.ask(UpdatePresence(status="away")) == PresenceUpdated(status="away", version=2)
    assert watcher.receive() == PresenceEvent(user_id=watched.id, status="away", version=2)
    assert watcher.ask(UnsubscribePresence(user_ids=(watched.id,))) == Unsubscribed(topic="presence")
    assert device.ask(UpdatePresence(status="online")).version == 3
    state = watcher.ask(SubscribePresence(user_ids=(watched.id,)))
    assert state.users == (PresenceEvent(user_id=watched.id, status="online", version=3),)


def test_two_devices_are_one_presence(tight_server: Any) -> None:
    """Away on one, online on the other: online, until the other is gone for longer than the grace."""
    watcher, watched = tight_server.user(49).connect(), tight_server.user(57)
    watcher.ask(SubscribePresence(user_ids=(watched.id,)))
    phone, laptop = watched.connect(), watched.connect()
    assert watcher.receive() == PresenceEvent(user_id=watched.id, status="online", version=1)
    assert phone.ask(UpdatePresence(status="away")) == PresenceUpdated(status="away", version=1)
    laptop.close()
    assert watcher.receive() == PresenceEvent(user_id=watched.id, status="away", version=2)
    phone.close()
    gone = watcher.receive()
    assert (gone.status, gone.version) == ("offline", 3)


def test_a_closed_connection_becomes_offline_after_the_grace(tight_server: Any) -> None:
    """No goodbye is needed: the connection's end is enough."""
    watcher, watched = tight_server.user(45).connect(), tight_server.user(46)
    watcher.ask(SubscribePresence(user_ids=(watched.id,)))
    device = watched.connect()
    assert watcher.receive().status == "online"
    device.websocket.socket.shutdown(socket.SHUT_RDWR)
    gone = watcher.receive()
    assert (gone.user_id, gone.status, gone.version) == (watched.id, "offline", 2)
    assert gone.last_seen_ms is not None


def test_a_client_that_answers_no_ping_is_cut_off(tight_server: Any) -> None:
    """A peer that is gone without a word is noticed by the heartbeat, and its presence ends."""
    watcher, watched = tight_server.user(47).connect(), tight_server.user(48)
    watcher.ask(SubscribePresence(user_ids=(watched.id,)))
    device = watched.connect()
    assert watcher.receive().status == "online"
    device.websocket.protocol.receive_data = lambda _data: None  # deaf from here on: pings get no pong
    assert watcher.receive().status == "offline"


# --- consumers that cannot keep up ---------------------------------------------------------------------


def send_until(sender: Any, conversation: Any, reached: Callable[[], bool]) -> int:
    """Sends long messages until something happens; how many were sent."""
    for number in range(1, 4001):
        sender.send(conversation, LONG)
        if number % 10 == 0 and reached():
            return number
    raise AssertionError("64 MB were queued for a client that reads nothing")


def test_a_slow_consumer_is_closed_with_4408_and_misses_nothing_in_between(database: str, launch: Any) -> None:
    """It gets a gap-free piece from the first message on, then the close code; others are not held up."""
    server = launch(database, send_queue_bytes=1 << 16, shutdown_seconds=15)
    slow, quick, sender = (server.user(index) for index in (50, 51, 52))
    conversation = server.group(sender, slow, quick)
    gateway, other = server.connect_narrow(slow), quick.connect()
    gateway.subscribe()
    other.subscribe()
    written = [0.0]

    def stalled() -> bool:
        """Ten more messages brought ten more events and not twenty: one of two connections takes no more."""
        heard.extend(other.receive().seq for _ in range(10))
        written.append(server.metric("chat_gateway_events_total", kind="m"))
        return written[-1] - written[-2] == 10

    heard: list[int] = []
    sent = send_until(sender, conversation, stalled)
    seqs: list[int] = []

    def receive() -> None:
        event = gateway.receive()
        assert isinstance(event, MessageEvent)
        seqs.append(event.seq)

    assert close_of(receive)[0] == CloseCode.SLOW_CONSUMER
    assert seqs == list(range(1, len(seqs) + 1))
    assert 0 < len(seqs) < sent
    assert heard == list(range(1, sent + 1))
    server.wait_for_metric(lambda value: value == 1, "chat_gateway_closes_total", code="4408")


def test_a_consumer_that_never_reads_is_cut_off(database: str, launch: Any) -> None:
    """A goodbye that cannot be delivered is given up after the closing time."""
    server = launch(database, send_queue_bytes=1 << 16, shutdown_seconds=0.5)
    stuck, sender = server.user(53), server.user(54)
    conversation, gateway = server.group(sender, stuck), server.connect_narrow(stuck)
    gateway.subscribe()
    send_until(sender, conversation, lambda: server.metric("chat_gateway_closes_total", code="4408") == 1)
    assert server.metric("chat_gateway_connections") == 0


def test_a_bad_frame_of_a_client_that_never_reads_ends_its_connection(database: str, launch: Any) -> None:
    """The same when the goodbye has another reason and stands behind a queue that is within its bound."""
    server = launch(database, send_queue_bytes=1 << 28, shutdown_seconds=0.5)
    stuck, sender = server.user(55), server.user(56)
    conversation, gateway = server.group(sender, stuck), server.connect_narrow(stuck)
    gateway.subscribe()
    for _ in range(600):  # 10 MB: more than the kernel's buffers take
        sender.send(conversation, LONG)
    gateway.websocket.send("?")
    server.wait_for_metric(lambda value: value == 1, "chat_gateway_closes_total", code="4400")


def test_a_server_with_a_stuck_client_still_stops(database: str, launch: Any) -> None:
    """A client that reads nothing cannot keep the process from ending."""
    server = launch(database, send_queue_bytes=1 << 30, shutdown_seconds=1)
    stuck, sender = server.user(55), server.user(56)
    conversation, gateway = server.group(sender, stuck), server.connect_narrow(stuck)
    gateway.subscribe()
    for _ in range(300):  # more than the buffers of both ends take
        sender.send(conversation, LONG)
    assert server.stop() == 0
    assert end_of(gateway.receive).rcvd is None  # cut off: the goodbye did not fit
