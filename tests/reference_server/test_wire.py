"""Compression and coalescing at the gateway: the same events, in other bytes and other writes."""

import time
from typing import Any

import pytest

from reference_server.frames import MessageEvent

WINDOW_SECONDS = 0.5
WORDS = "the same words again and again, the same words again and again"


def told(event: Any) -> tuple[int, str]:
    """What a message event says."""
    assert isinstance(event, MessageEvent), event
    return event.seq, event.content


@pytest.mark.parametrize("subprotocol", ["chat.v1.json", "chat.v1.msgpack"])
def test_who_agrees_to_compression_gets_the_same_events_in_fewer_bytes(
    database: str, launch: Any, subprotocol: str
) -> None:
    """Live and replayed; who does not offer it gets them plain, from the same server."""
    server = launch(database, permessage_deflate=True)
    one, other = server.user(40), server.user(41)
    conversation = server.group(one, other)
    pressed, plain = one.connect(subprotocol, compression="deflate"), other.connect(subprotocol)
    assert [extension.name for extension in pressed.websocket.protocol.extensions] == ["permessage-deflate"]
    assert plain.websocket.protocol.extensions == []
    sizes = []
    for gateway in (pressed, plain):
        gateway.subscribe()
        before = server.metric("chat_gateway_event_bytes_total", kind="m")
        sent = [one.send(conversation, f"{WORDS} {number}") for number in range(3)]
        # Both are subscribed in the second round only.
        for receiver in (pressed, plain) if gateway is plain else (pressed,):
            assert [told(receiver.receive()) for _ in sent] == [(each["seq"], each["content"]) for each in sent]
        sizes.append(server.metric("chat_gateway_event_bytes_total", kind="m") - before)
    compressed, both = sizes
    assert compressed < 0.8 * (both - compressed)
    again = one.connect(subprotocol, compression="deflate")
    replayed = [event for event in again.subscribe({conversation: 2}) if isinstance(event, MessageEvent)]
    assert [event.seq for event in replayed] == [3, 4, 5, 6]
    assert {event.content[: len(WORDS)] for event in replayed} == {WORDS}


def test_without_the_setting_nobody_is_compressed(server: Any) -> None:
    """An offer is declined, and the connection opens all the same."""
    gateway = server.user(40).connect(compression="deflate")
    assert gateway.websocket.protocol.extensions == []


def test_messages_wait_for_the_window_and_come_in_order(database: str, launch: Any) -> None:
    """The first opens the window and waits for its end with those that follow; nothing is lost or told twice."""
    server = launch(database, message_coalescing_seconds=WINDOW_SECONDS)
    one = server.user(40)
    conversation = server.group(one, server.user(41))
    gateway = one.connect()
    gateway.subscribe()
    begun = time.monotonic()
    sent = [one.send(conversation, str(number)) for number in range(5)]
    arrived, got = [], []
    for _ in sent:
        got.append(told(gateway.receive()))
        arrived.append(time.monotonic() - begun)
    assert got == [(each["seq"], each["content"]) for each in sent]
    assert arrived[0] >= WINDOW_SECONDS  # no earlier than the window's end, however late the machine is


def test_an_answer_takes_what_was_gathered_with_it(database: str, launch: Any) -> None:
    """Order stays: a message that was stored before an answer comes before it, also within the window."""
    server = launch(database, message_coalescing_seconds=1.0)
    one = server.user(40)
    conversation = server.group(one, server.user(41))
    gateway = one.connect()
    gateway.subscribe()
    stored = one.send(conversation, "before")
    server.wait_for_metric(lambda value: value == 1, "chat_gateway_events_total", kind="m")
    assert [told(event) for event in gateway.subscribe()] == [(stored["seq"], "before")]


def test_what_was_gathered_leaves_before_the_server_says_goodbye(database: str, launch: Any) -> None:
    """A server that stops within the window has told everything that it acknowledged."""
    server = launch(database, message_coalescing_seconds=1.0)
    one = server.user(40)
    conversation = server.group(one, server.user(41))
    gateway = one.connect()
    gateway.subscribe()
    stored = one.send(conversation, "the last one")
    server.process.terminate()
    assert told(gateway.receive()) == (stored["seq"], "the last one")
