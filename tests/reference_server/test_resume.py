import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from reference_server.frames import ErrorEvent, MessageEvent, ResumeGap, Subscribed, SubscribeMessages

WAIT_SECONDS = 20


class Sending:
    """A thread that sends numbered messages until it is told to stop, each until it is stored."""

    def __init__(self, sender: Any, conversation: UUID) -> None:
        self.sender = sender  # may be exchanged for the same user on another server
        self.count = 0
        self.reachable = threading.Event()
        self.reachable.set()
        self._conversation = conversation
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            client_id = uuid4()
            while not self._stored(client_id):
                assert self.reachable.wait(WAIT_SECONDS)
            self.count += 1

    def _stored(self, client_id: UUID) -> bool:
        sender = self.sender
        try:
            answer = sender.post_message(self._conversation, str(self.count + 1), client_id)
        except (httpx.TransportError, RuntimeError):  # gone, or its client closed
            return False
        assert answer.status_code in (200, 201, 503), answer.text
        return bool(answer.is_success)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sends for as long as the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self.reachable.set()
            self._thread.join(WAIT_SECONDS)
            assert not self._thread.is_alive()


def hear(gateway: Any, seqs: list[int], until: int) -> None:
    """Notes the seqs of the messages that come, up to and with the given one."""
    while (seqs[-1] if seqs else 0) < until:
        event = gateway.receive()
        assert isinstance(event, MessageEvent | Subscribed), event
        if isinstance(event, MessageEvent):
            assert int(event.content) == event.seq
            seqs.append(event.seq)


@pytest.mark.parametrize("subprotocol", ["chat.v1.json", "chat.v1.msgpack"])
def test_what_was_missed_comes_first(server: Any, subprotocol: str) -> None:
    """Exactly the messages after the given seqs, in order within each conversation, then `subscribed`."""
    user, sender = server.user(60), server.user(61)
    one, other, untouched = (server.group(sender, user) for _ in range(3))
    for conversation in (one, other, one, untouched, one):
        sender.send(conversation)
    events = user.connect(subprotocol).subscribe(resume={one: 1, other: 0, untouched: 1})
    assert [event.seq for event in events if event.conversation_id == one] == [2, 3]
    assert [event.seq for event in events if event.conversation_id == other] == [1]
    assert len(events) == 3


def test_a_seq_from_the_future_gets_what_is_live(server: Any) -> None:
    """A client that claims more than there is gets no replay, and every live message."""
    user, sender = server.user(60), server.user(61)
    conversation = server.group(sender, user)
    gateway = user.connect()
    assert gateway.subscribe(resume={conversation: 1000}) == []
    sender.send(conversation)
    assert gateway.receive().seq == 1


def test_a_foreign_conversation_is_not_resumed(server: Any) -> None:
    """It is answered by an error, like one that does not exist; the others are resumed."""
    user, sender = server.user(60), server.user(61)
    foreign, mine = server.group(sender), server.group(sender, user)
    sender.send(foreign)
    sender.send(mine)
    events = user.connect().subscribe(resume={foreign: 0, mine: 0})
    error, message = events
    assert isinstance(error, ErrorEvent)
    assert (error.code, str(foreign) in error.message) == ("not_found", True)
    assert (message.conversation_id, message.seq) == (mine, 1)


def test_too_much_is_told_as_a_gap(tight_server: Any) -> None:
    """What is beyond the bound is named exactly; live messages follow."""
    user, sender = tight_server.user(62), tight_server.user(63)
    conversation = tight_server.group(sender, user)
    for _ in range(12):
        sender.send(conversation)
    gateway = user.connect()
    (gap,) = gateway.subscribe(resume={conversation: 1})
    assert gap == ResumeGap(conversation_id=conversation, from_seq=2, to_seq=12)
    sender.send(conversation)
    assert gateway.receive().seq == 13
    events = user.connect().subscribe(resume={conversation: 3})
    assert [event.seq for event in events] == list(range(4, 14))


def test_reconnecting_while_others_send_loses_and_repeats_nothing(server: Any) -> None:
    """Every message exactly once, in order, over many abrupt ends of the connection."""
    user, sender = server.user(64), server.user(65)
    conversation = server.group(sender, user)
    seqs: list[int] = []
    sending = Sending(sender, conversation)
    with sending.running():
        for round_number in range(1, 16):
            gateway = user.connect()
            gateway.send(SubscribeMessages(resume={conversation: seqs[-1] if seqs else 0}))
            hear(gateway, seqs, until=round_number * 10)
            gateway.websocket.socket.close()
    last = user.connect()
    events = last.subscribe(resume={conversation: seqs[-1]})
    seqs += [event.seq for event in events]
    assert seqs == list(range(1, sending.count + 1))


def test_resuming_again_and_again_on_one_connection_repeats_nothing(server: Any) -> None:
    """A resume while live messages come is seamless: what is held and what is replayed do not overlap."""
    user, sender = server.user(64), server.user(65)
    conversation = server.group(sender, user)
    sending = Sending(sender, conversation)
    with sending.running():
        held = 0
        for _ in range(6):
            gateway, seqs = user.connect(), [held]
            gateway.send(SubscribeMessages(resume={conversation: held}))
            hear(gateway, seqs, until=held + 25)
            assert seqs == list(range(held, seqs[-1] + 1))
            # From where this one ended, not from the start: a fast sender would soon be beyond what is replayed.
            held = seqs[-1]
            gateway.close()


def test_a_server_restart_loses_and_repeats_nothing(tiny_url: str, launch: Any) -> None:
    """Sends and subscriptions go on at the new process; every message comes exactly once."""
    first = launch(tiny_url)
    user, sender = first.user(1), first.user(2)
    conversation = first.group(sender, user)
    seqs: list[int] = []
    sending = Sending(sender, conversation)
    gateway = user.connect()
    gateway.subscribe(resume={conversation: 0})
    with sending.running():
        hear(gateway, seqs, until=30)
        sending.reachable.clear()
        exit_code = first.stop()
        with pytest.raises(ConnectionClosed):
            hear(gateway, seqs, until=1 << 40)
        second = launch(tiny_url)
        sending.sender = second.user(2)
        sending.reachable.set()
        gateway = second.user(1).connect()
        gateway.send(SubscribeMessages(resume={conversation: seqs[-1]}))
        hear(gateway, seqs, until=seqs[-1] + 30)
    hear(gateway, seqs, until=sending.count)
    assert exit_code == 0
    assert seqs == list(range(1, sending.count + 1))
