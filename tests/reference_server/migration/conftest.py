"""A world before the migration: people who know each other from the older chat only, in a database of their own."""

import asyncio
import dataclasses
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from migration_model import rollout_bucket

from fixtures.database import app_url
from reference_server.tokens import claims_text

WAIT_SECONDS = 20  # for anything that is expected; reached only by what fails
OPERATOR = {"Operator-Key": "chatbench"}


class World:
    """One database, seen by its administrator."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self.url = url
        self.run = runner.run
        self._connection = runner.run(asyncpg.connect(url))
        self._names = itertools.count()

    def sql(self, statement: str, *arguments: Any) -> list[Any]:
        """The rows of a statement, bound by no policy."""
        rows: list[Any] = self.run(self._connection.fetch(statement, *arguments))
        return rows

    def value(self, statement: str, *arguments: Any) -> Any:
        """The first column of its first row."""
        return self.sql(statement, *arguments)[0][0]

    def script(self, text: str) -> None:
        """Several statements without rows."""
        self.run(self._connection.execute(text))

    def as_user(self, user_id: UUID, statement: str, *arguments: Any) -> list[Any]:
        """The rows of a statement as the app role sees them with the user's claims."""

        async def ask() -> list[Any]:
            connection = await self.app_connection(user_id)
            try:
                rows: list[Any] = await connection.fetch(statement, *arguments)
                return rows
            finally:
                await connection.close()

        return self.run(ask())

    async def app_connection(self, user_id: UUID) -> asyncpg.Connection:
        """A connection of the app role that acts as the user."""
        connection = await asyncpg.connect(app_url(self.url))
        await connection.fetchval("SELECT set_config('request.jwt.claims', $1, false)", claims_text(user_id))
        return connection

    def person(self) -> UUID:
        """Someone new."""
        found: UUID = self.value(
            "INSERT INTO users (display_name) VALUES ($1) RETURNING id", f"person {next(self._names)}"
        )
        return found

    def person_in(self, bucket: int) -> UUID:
        """Someone new, after all others by id, whom a roll-out to more than `bucket` percent sends to the new chat."""
        number = next(self._names)
        known = (UUID(int=(1 << 127) | (number << 64) | secrets.randbits(64)) for _ in itertools.count())
        found = next(one for one in known if rollout_bucket(one) == bucket)
        self.sql("INSERT INTO users (id, display_name) VALUES ($1, $2)", found, f"person {number}")
        return found

    def connection(
        self, sender: UUID, receiver: UUID, *, messages: int = 0, unread: int = 0, status: str = "accepted"
    ) -> UUID:
        """A connection with messages of an hour ago, sent in turns; the last `unread` ones have not been read."""
        made: UUID = self.value(
            "INSERT INTO connection_requests (sender_id, receiver_id, status, created_at) "
            "VALUES ($1, $2, $3, now() - interval '2 hours') RETURNING id",
            sender, receiver, status,
        )  # fmt: skip
        self.sql(
            "INSERT INTO messages (connection_request_id, sender_id, content, created_at, read_at) "
            "SELECT $1, CASE WHEN i % 2 = 0 THEN $2::uuid ELSE $3::uuid END, 'message ' || i, "
            "       now() - interval '1 hour' + i * interval '1 ms', CASE WHEN i < $4 - $5 THEN now() END "
            "FROM generate_series(0, $4::int - 1) AS i",
            made, sender, receiver, messages, unread,
        )  # fmt: skip
        return made

    def pair(self, **options: Any) -> tuple[UUID, UUID, UUID]:
        """Two new people and their connection."""
        one, other = self.person(), self.person()
        return one, other, self.connection(one, other, **options)

    def command(self, command: str) -> None:
        """One of the migration's commands."""
        self.sql("SELECT FROM chatbench.change_migration($1)", command)

    def copy(self, connection_id: UUID) -> UUID | None:
        """Copies a connection; its conversation."""
        found: UUID | None = self.value(
            "SELECT (SELECT conversation_id FROM chatbench.copy_connection($1))", connection_id
        )
        return found

    def conversation(self, connection_id: UUID) -> UUID:
        """The conversation that a connection has become."""
        statement = "SELECT conversation_id FROM chatbench.migrated_connections WHERE connection_request_id = $1"
        found: UUID = self.value(statement, connection_id)
        return found

    def legacy_rows(self, connection_id: UUID) -> list[tuple[Any, ...]]:
        """The connection's messages by time."""
        statement = "SELECT id, sender_id, content, created_at FROM messages WHERE connection_request_id = $1 "
        return [tuple(row) for row in self.sql(statement + "ORDER BY created_at, id", connection_id)]

    def chat_rows(self, conversation_id: UUID) -> list[tuple[Any, ...]]:
        """The conversation's messages by seq."""
        statement = "SELECT id, sender_id, content, created_at FROM chat_messages WHERE conversation_id = $1 "
        return [tuple(row) for row in self.sql(statement + "ORDER BY seq", conversation_id)]

    def seqs(self, conversation_id: UUID) -> list[int]:
        """The conversation's seqs, sorted."""
        statement = "SELECT seq FROM chat_messages WHERE conversation_id = $1 ORDER BY seq"
        return [row["seq"] for row in self.sql(statement, conversation_id)]

    def failed_checks(self) -> set[str]:
        """The names of the checks of verify_migration() that find something."""
        return {row["check_name"] for row in self.sql("SELECT * FROM verify_migration()") if not row["is_ok"]}

    def waiting(self, count: int) -> None:
        """Returns when so many connections wait for a lock."""
        self.wait_for(
            "SELECT count(*) = $1 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'",
            count,
        )

    def wait_for(self, statement: str, *arguments: Any) -> None:
        """Returns when a statement is true."""
        deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
        while not self.value(statement, *arguments):
            self.sql("SELECT pg_stat_clear_snapshot()")  # a transaction would see the same activity for ever
            assert time.monotonic() < deadline, statement
            self.run(asyncio.to_thread(pause.wait, 0.02))  # what runs in the background goes on

    def wait_for_phase(self, phase: str) -> None:
        """Returns when the migration is there."""
        self.wait_for("SELECT phase = $1 FROM chatbench.migration_state", phase)

    @contextmanager
    def copying_elsewhere(self) -> Iterator[Callable[[], None]]:
        """While the block lasts, no server copies: somebody else has the right to. What it gives lets one copy.

        Called once, it lets go; called again, it takes the right back when the server has stopped.
        """
        connection = self.run(asyncpg.connect(self.url))
        is_held = False

        def change() -> None:
            nonlocal is_held
            is_held = not is_held
            script = "BEGIN; LOCK TABLE chatbench.backfill_turn IN EXCLUSIVE MODE" if is_held else "COMMIT"
            self.run(connection.execute(script))

        change()
        try:
            yield change
        finally:
            self.run(connection.close())

    def close(self) -> None:
        """Ends the administrator's connection."""
        self.run(self._connection.close())


class Operator:
    """Who holds the operator's key of a server."""

    def __init__(self, server: Any) -> None:
        self._http = server.http

    def get(self) -> Any:
        """Where the migration is."""
        return self._http.get("/v1/operator/migration", headers=OPERATOR).json()

    def post(self, command: str, **body: Any) -> Any:
        """The answer to a command."""
        return self._http.post(f"/v1/operator/migration/{command}", json=body or None, headers=OPERATOR)

    def put(self, setting: str, **body: Any) -> Any:
        """The answer to a change."""
        return self._http.put(f"/v1/operator/migration/{setting}", json=body, headers=OPERATOR)

    def check(self) -> None:
        """Nothing differs between the two schemas."""
        answer = self.post("verify").json()
        assert answer["is_ok"], [check for check in answer["checks"] if not check["is_ok"]]


@pytest.fixture
def world(tiny_url: str) -> Iterator[World]:
    """A database of the test's own."""
    with asyncio.Runner() as runner:
        made = World(tiny_url, runner)
        yield made
        made.close()


@pytest.fixture
def user_session(world: World) -> Iterator[Any]:
    """Runs SQL on one connection of the app role: `user_session(user_id, statement, *arguments)`."""
    connection = world.run(asyncpg.connect(app_url(world.url)))

    def run(user_id: UUID, statement: str, *arguments: Any) -> list[Any]:
        world.run(connection.fetchval("SELECT set_config('request.jwt.claims', $1, false)", claims_text(user_id)))
        rows: list[Any] = world.run(connection.fetch(statement, *arguments))
        return rows

    yield run
    world.run(connection.close())


@pytest.fixture
def operator() -> type[Operator]:
    """Makes the operator of a server."""
    return Operator


@pytest.fixture
def log_in() -> Any:
    """Logs someone in at a server: `log_in(server, user_id)`."""

    def logged_in(server: Any, user_id: UUID) -> Any:
        answer = server.http.post("/v1/login", json={"user_id": str(user_id), "login_key": "chatbench"})
        return dataclasses.replace(server.user(0), id=user_id, token=answer.json()["access_token"])

    return logged_in
