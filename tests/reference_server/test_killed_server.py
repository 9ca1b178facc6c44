"""The server is killed in the middle of sends, and comes back on the same ports: nothing acknowledged is lost."""

import signal
import threading
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from reference_server.frames import MessageEvent, Subscribed

WAIT_SECONDS = 30
SENDERS = 4


class Sending:
    """One user who sends until told to finish, each message until it is acknowledged."""

    def __init__(self, token: str, http_url: str, conversation: UUID, finish: threading.Event) -> None:
        self.acknowledged: dict[str, int] = {}  # client_id → seq
        self._headers = {"Authorization": f"Bearer {token}"}
        self._url = f"{http_url}/v1/conversations/{conversation}/messages"
        self._finish = finish
        self.thread = threading.Thread(target=self._send_on)

    def _send_on(self) -> None:
        with httpx.Client(trust_env=False, timeout=WAIT_SECONDS) as http:
            while not self._finish.is_set():
                body = {"content": "hello", "client_id": str(uuid4())}
                while True:
                    try:
                        answer = http.post(self._url, json=body, headers=self._headers)
                    except httpx.TransportError:
                        self._finish.wait(0.02)  # the server is away: come again with the same client_id
                        continue
                    assert answer.status_code in {200, 201}, answer.text
                    self.acknowledged[body["client_id"]] = answer.json()["message"]["seq"]
                    break


def heard(gateway: Any, seqs: list[int], count: int) -> None:
    """Receives until `count` seqs are held, or the connection ends."""
    try:
        while len(seqs) < count:
            event = gateway.receive()
            if isinstance(event, MessageEvent):
                seqs.append(event.seq)
            else:
                assert isinstance(event, Subscribed), event
    except ConnectionClosed:
        return


def hear_all(gateways: list[Any], seqs: list[list[int]], count: int) -> None:
    """The same for every client."""
    for gateway, held in zip(gateways, seqs, strict=True):
        heard(gateway, held, count)


@pytest.mark.parametrize("kills", [2])
def test_kill_9_in_the_middle_of_sends(database: str, launch: Any, kills: int) -> None:
    """Every acknowledged message is there once, and every client resumes and hears every message once, in order."""
    # Tokens outlive the process when the secret does.
    settings: dict[str, Any] = {"token_secret": "secret of this test", "presence_grace_seconds": 0.1}
    server = launch(database, **settings)
    settings |= {
        "http_port": urlsplit(server.record["http_url"]).port,
        "gateway_port": urlsplit(server.record["gateway_url"]).port,
    }
    people = range(60, 61 + SENDERS)  # all of them listen, and all but the first one send
    listener, *senders = (server.user(index) for index in people)
    conversation = server.group(listener, *senders)
    finish = threading.Event()
    sendings = [Sending(user.token, server.record["http_url"], conversation, finish) for user in senders]
    gateways = [user.connect() for user in (listener, *senders)]
    seqs: list[list[int]] = [[] for _ in gateways]
    for gateway in gateways:
        gateway.subscribe()
    for sending in sendings:
        sending.thread.start()
    try:
        for number in range(kills):
            hear_all(gateways, seqs, 50 * (number + 1))
            server.process.send_signal(signal.SIGKILL)
            server.wait()
            hear_all(gateways, seqs, 1 << 62)  # what was on its way
            server = launch(database, **settings)
            gateways = [server.user(index).connect() for index in people]
            for gateway, held in zip(gateways, seqs, strict=True):
                held += [event.seq for event in gateway.subscribe({conversation: held[-1]})]
        hear_all(gateways, seqs, 50 * (kills + 1))
    finally:
        finish.set()
        for sending in sendings:
            sending.thread.join(WAIT_SECONDS)
    stored = {}
    user, following = server.user(60), {}
    while True:
        page = user.get(f"/conversations/{conversation}/messages", limit=200, **following).json()
        for one in page["messages"]:
            assert one["client_id"] not in stored
            stored[one["client_id"]] = one["seq"]
        if not page["has_more"]:
            break
        following = {"before": page["next_cursor"]}
    acknowledged = {key: seq for sending in sendings for key, seq in sending.acknowledged.items()}
    assert acknowledged == stored  # the last retry of each sender was acknowledged, so nothing is stored beyond
    hear_all(gateways, seqs, len(stored))
    assert seqs == [list(range(1, len(stored) + 1))] * len(people)
