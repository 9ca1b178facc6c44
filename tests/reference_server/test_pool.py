"""reference_server.pool: connections that are counted, and waits that are timed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from fixtures.database import app_url, connect
from reference_server.database_watch import DatabaseWatch
from reference_server.errors import UnavailableError
from reference_server.metrics import Metrics
from reference_server.pool import AppPool
from reference_server.statement_times import timed_statements


@asynccontextmanager
async def opened(url: str, waits: list[float], timeout_seconds: float = 30.0) -> AsyncIterator[AppPool]:
    """A pool of one to two connections."""
    async with AppPool.open(
        app_url(url),
        size_min=1,
        size_max=2,
        timeout_seconds=timeout_seconds,
        statement_timeout_seconds=30.0,
        observe_wait=waits.append,
        statements=timed_statements(Metrics()),
        watch=DatabaseWatch(),
    ) as pool:
        yield pool


def numbers(pool: AppPool) -> tuple[int, int, int]:
    """Busy, resting, waiting."""
    return pool.busy, pool.resting, pool.waiting


def test_a_user_gets_the_connection_that_acts_for_them(database: str) -> None:
    """Whoever took one last: their claims need not be set again."""

    async def scenario() -> None:
        async with opened(database, []) as pool:
            users = uuid4(), uuid4()
            async with pool.as_user(users[0]) as first, pool.as_user(users[1]) as second:
                had = dict(zip(users, (first, second), strict=True))
            for user in (*users, *reversed(users), *users):
                async with pool.as_user(user) as connection:
                    assert connection is had[user]
            async with pool.as_user(uuid4()) as connection:
                assert connection in had.values()

    asyncio.run(scenario())


def test_connections_are_counted_by_what_they_do(database: str) -> None:
    """Resting at first, busy in the block, resting again; a pool at its bound makes the next one wait."""

    async def scenario() -> None:
        waits: list[float] = []
        async with opened(database, waits) as pool:
            assert numbers(pool) == (0, 1, 0)
            async with pool.as_user(uuid4()):
                assert numbers(pool) == (1, 0, 0)
                async with pool.as_user(uuid4()):
                    assert numbers(pool) == (2, 0, 0)
                    took = asyncio.Event()

                    async def third() -> None:
                        async with pool.as_user(uuid4()):
                            took.set()

                    waiting = asyncio.create_task(third())
                    while pool.waiting == 0:
                        await asyncio.sleep(0)
                    assert numbers(pool) == (2, 0, 1)
                    assert len(waits) == 2
                    assert not took.is_set()
                await waiting
            assert numbers(pool) == (0, 2, 0)
            assert len(waits) == 3

    asyncio.run(scenario())


def test_who_waits_too_long_is_refused(database: str) -> None:
    """A pool at its bound answers that the database does not, after the pool's time."""

    async def scenario() -> None:
        async with (
            opened(database, [], timeout_seconds=0.1) as pool,
            pool.as_user(uuid4()),
            pool.as_user(uuid4()),
        ):
            with pytest.raises(UnavailableError):
                async with pool.as_user(uuid4()):
                    pass
            assert numbers(pool) == (2, 0, 0)

    asyncio.run(scenario())


def test_sessions_that_the_database_ended_are_replaced_unnoticed(database: str) -> None:
    """Connections that rested when their sessions were ended refuse nobody: the next user gets a new one."""

    async def scenario() -> None:
        async with opened(database, []) as pool:
            async with pool.as_user(uuid4()) as one, pool.as_user(uuid4()) as other:
                # The database is shared with a server, whose sessions stay.
                pids = [await connection.fetchval("SELECT pg_backend_pid()") for connection in (one, other)]
            assert numbers(pool) == (0, 2, 0)
            async with connect(database) as admin:
                ended = await admin.fetchval(
                    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM unnest($1::integer[]) AS pid", pids
                )
            assert ended == 2
            async with pool.as_user(uuid4()) as connection:
                assert await connection.fetchval("SELECT 1") == 1

    asyncio.run(scenario())
