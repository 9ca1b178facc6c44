"""Real server processes on a real PostgreSQL, and clients of them that wait for what they expect, with a bound."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from fixtures.database import app_url
from fixtures.identifiers import user_id
from fixtures.postgres import EmbeddedPostgres
from fixtures.templates import cloned_database
from reference_server.frames import CODECS, Authenticate, Command, Event, Ready, Subscribed, SubscribeMessages
from reference_server.seed import ensure_template

SEED = 1
WAIT_SECONDS = 20  # for anything that is expected; reached only by what fails
SERVER_SCRIPT = Path(__file__).parent / "serving" / "server_process.py"


class GatewayClient:
    """One gateway connection, authenticated."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.codec = CODECS[str(websocket.subprotocol)]

    def send(self, command: Command) -> None:
        """Sends a command."""
        payload = self.codec.encode(command)
        self.websocket.send(payload.decode() if self.codec.is_text else payload)

    def receive(self) -> Event:
        """The next event; TimeoutError when none comes, ConnectionClosed when none can."""
        payload = self.websocket.recv(WAIT_SECONDS, decode=False)
        return self.codec.decode_event(payload)

    def ask(self, command: Command) -> Event:
        """Sends a command and gives the next event."""
        self.send(command)
        return self.receive()

    def subscribe(self, resume: dict[UUID, int] | None = None) -> list[Event]:
        """Subscribes to messages; the events that came before `subscribed`."""
        self.send(SubscribeMessages(resume=resume or {}))
        events: list[Event] = []
        while not isinstance(event := self.receive(), Subscribed):
            events.append(event)
        return events

    def close(self) -> None:
        """Says goodbye."""
        self.websocket.close()


@dataclass(frozen=True)
class User:
    """One user's client."""

    server: "ChatServer"
    id: UUID
    token: str

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """The answer to a GET below /v1."""
        return self.server.http.get("/v1" + path, params=parameters, headers=self._headers)

    def post(self, path: str, **body: Any) -> httpx.Response:
        """The answer to a POST below /v1."""
        return self.server.http.post("/v1" + path, json=body, headers=self._headers)

    def request(self, method: str, path: str, **body: Any) -> httpx.Response:
        """The answer to any request below /v1; without a body when none is given."""
        return self.server.http.request(method, "/v1" + path, json=body or None, headers=self._headers)

    def post_message(self, conversation_id: UUID, content: str = "hello", client_id: UUID | None = None) -> Any:
        """The answer to a send."""
        client_id = client_id or uuid4()
        return self.post(f"/conversations/{conversation_id}/messages", content=content, client_id=str(client_id))

    def send(self, conversation_id: UUID, content: str = "hello", client_id: UUID | None = None) -> Any:
        """The message that was stored."""
        answer = self.post_message(conversation_id, content, client_id)
        assert answer.is_success, answer.text
        return answer.json()["message"]

    def connect(self, subprotocol: str = "chat.v1.json", **options: Any) -> GatewayClient:
        """A gateway connection that has been told `ready`; the server's teardown closes it."""
        gateway = GatewayClient(self.server.connect(subprotocol, **options))
        ready = gateway.ask(Authenticate(token=self.token))
        assert isinstance(ready, Ready), ready
        assert ready.user_id == self.id
        return gateway

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class ChatServer:
    """A server process."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(WAIT_SECONDS)
            self.process.stdout.close()
            raise AssertionError(f"the server did not start: {self.log}")
        self.record = json.loads(line)
        self.http = httpx.Client(base_url=self.record["http_url"], timeout=WAIT_SECONDS, trust_env=False)
        self._connections = ExitStack()
        self._sockets: list[socket.socket] = []

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return self._log.read_text(encoding="utf-8")

    def user(self, index: int) -> User:
        """The n-th user of the data set, logged in."""
        name = user_id(SEED, index)
        answer = self.http.post("/v1/login", json={"user_id": str(name), "login_key": "chatbench"})
        assert answer.status_code == 200, answer.text
        return User(self, name, answer.json()["access_token"])

    def group(self, *members: User, name: str = "a group") -> UUID:
        """A new group, owned by the first member."""
        owner, *others = members
        answer = owner.post("/conversations/group", name=name, user_ids=[str(member.id) for member in others])
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["conversation"]["id"])

    def connect(self, subprotocol: str = "chat.v1.json", **options: Any) -> ClientConnection:
        """A gateway connection on which nothing has been said."""
        options = {"compression": None, "proxy": None, "ping_interval": None, "close_timeout": 1, **options}
        websocket: ClientConnection = self._connections.enter_context(
            connect(self.record["gateway_url"], subprotocols=[Subprotocol(subprotocol)], **options)
        )
        self._sockets.append(websocket.socket)
        return websocket

    def connect_narrow(self, user: User) -> GatewayClient:
        """A connection whose own buffers are small, so that not reading is soon noticed by the server."""
        address = urlsplit(self.record["gateway_url"])
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect((address.hostname, address.port))
        return user.connect(sock=narrow)

    def metric(self, name: str, **labels: str) -> float:
        """One counter or gauge, by its name and labels; 0 when it has not been touched."""
        wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "")
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith(wanted + " "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def wait_for_metric(self, holds: Callable[[float], bool], name: str, **labels: str) -> None:
        """Returns when a metric is as it should be."""
        deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
        while not holds(value := self.metric(name, **labels)):
            assert time.monotonic() < deadline, f"{name} {labels} stayed at {value}"
            pause.wait(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the process; its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(WAIT_SECONDS)

    def close(self) -> None:
        """Ends the process and every connection to it."""
        if self.process.poll() is None:
            self.process.terminate()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # goodbyes would wait behind what nobody read
        self._connections.close()
        self.http.close()
        try:
            self.process.wait(WAIT_SECONDS)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


Launch = Callable[..., ChatServer]
Sql = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def database(postgres: EmbeddedPostgres, tiny_template: str) -> Iterator[str]:
    """The administrator's URL of a seeded database that the servers below share; tests make their own conversations."""
    with asyncio.Runner() as runner:
        context = cloned_database(postgres.url("postgres"), tiny_template, prefix=f"chatbench_test_{os.getpid()}_")
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def small_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The administrator's URL of a database with the data set `small`, for benchmarks."""
    with asyncio.Runner() as runner:
        cluster_url = postgres.url("postgres")
        template = runner.run(ensure_template(cluster_url, "small", SEED))
        context = cloned_database(cluster_url, template, prefix=f"chatbench_test_{os.getpid()}_")
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatServer]:
    """A server as programs start it."""
    command = [sys.executable, "-m", "reference_server", "--database-url", database]
    running = ChatServer(command, tmp_path_factory.mktemp("server") / "server.log")
    yield running
    running.close()


@pytest.fixture(scope="session")
def tight_server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatServer]:
    """A server whose every bound is near."""
    settings = {
        "database_url": database,
        "authentication_seconds": 0.5,
        "heartbeat_seconds": 0.2,
        "presence_expiry_seconds": 30,
        "presence_grace_seconds": 0.1,
        "watched_users_max": 3,
        "typing_expiry_seconds": 0.3,
        "typing_throttle_seconds": 0.05,
        "typing_subscriptions_max": 2,
        "resume_conversations_max": 2,
        "resume_messages_max": 10,
        "send_queue_bytes": 1 << 16,
        "frame_bytes_max": 1 << 14,
        "shutdown_seconds": 30,
    }
    running = ChatServer(_command(settings), tmp_path_factory.mktemp("server") / "server.log")
    yield running
    running.close()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts servers of the test's own, with any settings."""
    with ExitStack() as stack:

        def start(url: str, **settings: Any) -> ChatServer:
            running = ChatServer(_command({"database_url": url, **settings}), tmp_path / "server.log")
            stack.callback(running.close)
            return running

        yield start


def _command(settings: dict[str, Any]) -> list[str]:
    return [sys.executable, str(SERVER_SCRIPT), json.dumps(settings)]


@pytest.fixture(scope="session")
def administrator_sql(database: str) -> Iterator[Sql]:
    """Runs a statement in the shared database, bound by no policy; its rows."""
    yield from _sql(database, claims=False)


@pytest.fixture(scope="session")
def user_sql(database: str) -> Iterator[Sql]:
    """Runs a statement as a user, logged in as the server's pool is: `user_sql(user_id, statement, *arguments)`."""
    yield from _sql(app_url(database), claims=True)


def _sql(url: str, *, claims: bool) -> Iterator[Sql]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))

        def run(*arguments: Any) -> list[Any]:
            if claims:
                user, *arguments = arguments  # type: ignore[assignment]
                text = json.dumps({"sub": str(user), "role": "authenticated"})
                runner.run(connection.fetchval("SELECT set_config('request.jwt.claims', $1, false)", text))
            rows: list[Any] = runner.run(connection.fetch(*arguments))
            return rows

        yield run
        runner.run(connection.close())
