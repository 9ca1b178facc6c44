import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import gevent
import pytest
from gevent.event import Event

from fixtures.identifiers import user_id
from reference_server.frames import CODECS, PresenceEvent, ReceiptEvent, TypingEvent, TypingState
from scenarios.client import gateway_socket
from scenarios.client.chat_client import ChatClient
from scenarios.client.gateway_client import GatewayClient
from scenarios.client.gateway_socket import ConnectFailedError
from scenarios.client.http_client import HttpPool

USERS = [user_id(7, number) for number in range(4)]
HEAVY = UUID(int=1)


class Party:
    """Users connected to one server."""

    def __init__(self, server: Any) -> None:
        self.base_url = server.url
        self.clients: list[GatewayClient] = []
        self.pool = HttpPool(server.url)
        self.chat = ChatClient(self.pool, server.url, "chatbench")
        self.tokens = [self.chat.login(user) for user in USERS]
        self.url = self.chat.gateway(self.tokens[0]).url

    def connected(self, number: int) -> GatewayClient:
        """The client of one user, ready."""
        client = GatewayClient()
        self.clients.append(client)
        ready = client.connect(self.url, self.tokens[number])
        assert ready.user_id == USERS[number]
        return client


@pytest.fixture
def party(scripted_server: Callable[..., Any]) -> Iterator[Party]:
    guests = Party(scripted_server())
    yield guests
    for client in guests.clients:
        client.abort()
    guests.pool.close()


def collected(client: GatewayClient, count: int) -> tuple[list[tuple[Any, ...]], Event]:
    """What a client receives, and an event set when `count` messages came."""
    got: list[tuple[Any, ...]] = []
    complete = Event()

    def on_message(event: Any, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
        got.append((event.c, event.n, event.b, wire_bytes, arrival_ns, observed_ns))
        if len(got) == count:
            complete.set()

    client.on_message = on_message
    return got, complete


def send_with_the_loop_blocked(party: Party, count: int) -> None:
    """Sends messages one after another by plain urllib: this process's event loop stands still meanwhile."""
    for number in range(count):
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{party.base_url}/v1/conversations/{HEAVY}/messages",
            data=json.dumps({"content": f"hello {number}", "client_id": str(uuid4())}).encode(),
            headers={"Authorization": f"Bearer {party.tokens[1]}"},
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same


def test_messages_arrive_with_their_times_and_bytes(party: Party) -> None:
    """Each event has its fields, its bytes on the wire, and was received before it was read."""
    client = party.connected(0)
    got, complete = collected(client, 3)
    client.subscribe_messages()
    for number in range(3):
        response = party.chat.send_message(party.tokens[1], HEAVY, f"hello {number}", uuid4())
        assert response.ok
        assert response.stamped
        assert response.intended_ns <= response.sent_ns <= response.arrived_ns
    assert complete.wait(timeout=10)
    client.close()
    assert [(conversation, seq, content) for conversation, seq, content, *_ in got] == [
        (str(HEAVY), 3001 + number, f"hello {number}") for number in range(3)
    ]
    assert all(100 < wire_bytes < 250 for *_, wire_bytes, _, _ in got)
    assert all(arrival_ns <= observed_ns for *_, arrival_ns, observed_ns in got)
    assert client.last_seq == {str(HEAVY): 3003}


def test_what_waits_while_the_loop_is_blocked_is_read_deep(party: Party) -> None:
    """A generator that does not come to read finds what came meanwhile in few deep reads, and counts how deep."""
    client = party.connected(0)
    got, complete = collected(client, 50)
    client.subscribe_messages()
    shallow = client.counts.receive_queue_bytes_p99()
    reads = client.counts.reads
    send_with_the_loop_blocked(party, 50)
    assert complete.wait(timeout=10)
    client.close()
    wire_bytes = sum(one[3] for one in got)
    # The kernel hands fifty messages over in one piece or, with a stamp each, in two or three; never one by one.
    assert reads < client.counts.reads <= reads + 4
    assert shallow < wire_bytes / 4 <= client.counts.receive_queue_bytes_p99() < 2 * wire_bytes


def read_late(party: Party) -> tuple[GatewayClient, int]:
    """A client that comes to read long after three messages; how many of these bear a later one's stamp."""
    client = party.connected(0)
    got, complete = collected(client, 3)
    client.subscribe_messages()
    client.counts.begin_measuring()
    send_with_the_loop_blocked(party, 3)
    time.sleep(0.05)  # the lateness
    assert complete.wait(timeout=10)
    return client, len(got) - len({arrival_ns for *_, arrival_ns, _ in got})


def test_frames_that_waited_for_their_reader_are_counted(party: Party) -> None:
    """Those that have the stamp of a later one; not such as are sent together because they were asked for together."""
    client, late = read_late(party)
    assert late > 0
    assert client.counts.shared_stamps == late
    assert client.counts.frames - client.counts.frames_before == 3
    client.last_seq[str(HEAVY)] = 3000
    again = party.connected(0)
    again.last_seq = dict(client.last_seq)
    again.subscribe_messages(resume=True)
    assert again.last_seq == {str(HEAVY): 3003}
    assert again.counts.shared_stamps == 0
    client.close()


def test_a_server_that_coalesces_sends_frames_together(scripted_server: Callable[..., Any]) -> None:
    """What is read together within the window that the server told is no sign of a late reader."""
    party = Party(scripted_server(coalescing_seconds=60))
    client, _ = read_late(party)
    assert client.counts.shared_stamps == 0
    client.close()
    party.pool.close()


def test_a_change_of_presence_is_confirmed_and_seen(party: Party) -> None:
    """The one who changes hears the version that the watcher sees."""
    watcher, flapper = party.connected(0), party.connected(1)
    seen, confirmed = [], []
    both = Event()

    def note(into: list[Any], value: Any) -> None:
        into.append(value)
        if seen and confirmed:
            both.set()

    watcher.on_presence = lambda event, *_: note(seen, (event.u, event.v))
    flapper.on_presence_updated = lambda event: note(confirmed, event.version)
    state = watcher.subscribe_presence([USERS[1]])
    assert [one.version for one in state.users] == [0]
    flapper.update_presence("away")
    assert both.wait(timeout=10)
    watcher.close()
    flapper.close()
    assert (seen, confirmed) == ([(str(USERS[1]), 1)], [1])


@pytest.mark.parametrize("subprotocol", CODECS)
def test_typing_receipts_and_last_seen_reach_their_handlers(subprotocol: str) -> None:
    """Events whose single letters mean something else than a message's are neither lost nor taken for one."""
    client = GatewayClient(subprotocol)
    changes: list[tuple[Any, int]] = []
    client.on_message = lambda *_: pytest.fail("no message was sent")
    typing: list[tuple[Any, ...]] = []
    receipts: list[tuple[Any, ...]] = []
    client.on_presence = lambda event, *_: changes.append((event.u, event.v))
    client.on_typing = lambda event, *_: typing.append((event.c, event.u, event.s))
    client.on_receipt = lambda event, *_: receipts.append((event.c, event.u, event.n))
    for event in (
        TypingEvent(conversation_id=HEAVY, user_id=USERS[0], is_typing=True),
        TypingEvent(conversation_id=HEAVY, user_id=USERS[1], is_typing=False),
        TypingState(conversation_id=HEAVY, user_ids=tuple(USERS)),
        ReceiptEvent(conversation_id=HEAVY, user_id=USERS[2], seq=17),
        PresenceEvent(user_id=USERS[1], status="offline", version=3, last_seen_ms=1_735_689_600_000),
    ):
        payload = client.codec.encode(event)
        client._payload(payload, len(payload), 0, 0)
    assert client.unreadable_frames == 0
    assert changes == [(client.wire_id(USERS[1]), 3)]
    heavy = client.wire_id(HEAVY)
    assert typing == [(heavy, client.wire_id(USERS[0]), True), (heavy, client.wire_id(USERS[1]), False)]
    assert receipts == [(heavy, client.wire_id(USERS[2]), 17)]


def test_the_end_of_the_server_is_told_once(scripted_server: Callable[..., Any]) -> None:
    """A lost connection surfaces its close code, and asking on it fails at once."""
    server = scripted_server()
    party = Party(server)
    client = party.connected(0)
    ended = Event()
    codes: list[int] = []
    client.on_close = lambda code, _reason: (codes.append(code), ended.set())
    server.process.kill()
    server.process.wait()  # its listening socket goes a moment after its connections
    assert ended.wait(timeout=10)
    assert codes == [1006]
    assert not client.is_open
    with pytest.raises(ConnectFailedError, match="closed"):
        client.subscribe_messages()
    with pytest.raises(ConnectFailedError, match="cannot connect"):
        client.connect(party.url, party.tokens[0])
    party.pool.close()


def test_something_that_is_no_gateway_is_refused(scripted_server: Callable[..., Any]) -> None:
    """An HTTP server that answers the handshake with something else is named."""
    server = scripted_server()
    with pytest.raises(ConnectFailedError, match="handshake"):
        GatewayClient().connect(server.url.replace("http", "ws"), "token")


def test_closing_here_is_not_a_loss(party: Party) -> None:
    """A polite goodbye has its own code; what follows is silence."""
    client = party.connected(0)
    codes: list[int] = []
    client.on_close = lambda code, _reason: codes.append(code)
    client.close()
    client.close()
    gevent.sleep(0)
    assert codes == [1000]


def test_reading_many_lets_others_have_their_turn(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a round of the loop may read once, it reads once; every message still comes, once and in order."""
    monkeypatch.setattr(gateway_socket, "_READS_MOST", 1)
    count = 20
    clients = [party.connected(number) for number in (0, 1)]
    received = [collected(client, count) for client in clients]
    for client in clients:
        client.subscribe_messages()
    rounds = gevent.get_hub().loop.check(ref=False)
    reads: list[int] = []  # so far, at the beginning of each round
    rounds.start(lambda: reads.append(sum(client.counts.reads for client in clients)))
    for number in range(count):
        party.chat.send_message(party.tokens[0], HEAVY, f"hello {number}", uuid4())
    for got, complete in received:
        assert complete.wait(timeout=10)
        assert [seq for _, seq, *_ in got] == list(range(3001, 3001 + count))
    rounds.stop()
    rounds.close()
    assert {later - before for before, later in pairwise(reads)} == {0, 1}
