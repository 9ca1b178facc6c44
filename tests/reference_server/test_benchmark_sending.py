"""Sends to distinct conversations by the number of database connections: the server's way against the bare statement.

Both arms run in one process with the same number of connections, in alternating blocks; each connection's worth of
senders writes to conversations of its own, so that no two wait for one row.
"""

import asyncio
import json
import sys
import time
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.database import app_url
from reference_server.database_watch import DatabaseWatch
from reference_server.metrics import Metrics
from reference_server.pool import AppPool
from reference_server.rooms import Rooms
from reference_server.sending import Sender
from reference_server.statement_times import timed_statements
from reference_server.statements import server_statements

CONNECTIONS = (1, 2, 4, 8)
BLOCKS, SECONDS_PER_BLOCK = 4, 0.6


async def _places(url: str, count: int) -> list[tuple[UUID, UUID]]:
    """Distinct conversations, each with a different sender."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT ON (user_id) user_id, conversation_id FROM conversation_participants"
            " WHERE left_at IS NULL ORDER BY user_id, conversation_id"
        )
    finally:
        await connection.close()
    taken: dict[UUID, UUID] = {}
    for row in rows:
        if row["conversation_id"] not in taken.values():
            taken[row["user_id"]] = row["conversation_id"]
    return list(taken.items())[:count]


async def _rate(senders: list[Any]) -> float:
    """Sends per second while every sender sends one after the other."""
    until = time.perf_counter() + SECONDS_PER_BLOCK

    async def send_on(send: Any) -> int:
        count = 0
        while time.perf_counter() < until:
            await send()
            count += 1
        return count

    return sum(await asyncio.gather(*(send_on(send) for send in senders))) / SECONDS_PER_BLOCK


async def _compare(url: str, connections: int) -> tuple[float, float]:
    """Median sends per second: bare, and through the server's sender."""
    places = await _places(url, connections)
    text = server_statements()["send_message"].text
    bare = []
    sessions = []
    for user, conversation in places:
        session = await asyncpg.connect(app_url(url))
        claims = json.dumps({"sub": str(user), "role": "authenticated"})
        await session.execute("SELECT set_config('request.jwt.claims', $1, false)", claims)
        statement = await session.prepare(text)
        sessions.append(session)
        bare.append(lambda s=statement, u=user, c=conversation: s.fetchrow(c, u, "hello", uuid4()))
    async with AppPool.open(
        app_url(url),
        size_min=connections,
        size_max=connections,
        timeout_seconds=10,
        statement_timeout_seconds=30,
        observe_wait=lambda _seconds: None,
        statements=timed_statements(Metrics()),
        watch=DatabaseWatch(),
    ) as pool:
        sender = Sender(pool, Rooms(pool, 100_000, lambda: None), lambda _event, _members: None, Metrics())
        ours = [lambda u=user, c=conversation: sender.send(u, c, "hello", uuid4()) for user, conversation in places]
        rates: tuple[list[float], list[float]] = ([], [])
        for block in range(BLOCKS + 1):
            for arm in (0, 1) if block % 2 else (1, 0):
                rate = await _rate((bare, ours)[arm])
                if block:  # the first one warms
                    rates[arm].append(rate)
    for session in sessions:
        await session.close()
    return median(rates[0]), median(rates[1])


def test_sends_scale_with_connections(tiny_url: str, benchmark: BenchmarkFixture) -> None:
    """The aim: the server's sends grow with its connections until the bare statement's do not either."""
    found = benchmark.pedantic(
        lambda: {count: uvloop.run(_compare(tiny_url, count)) for count in CONNECTIONS}, rounds=1, iterations=1
    )
    for count, (bare, ours) in found.items():
        sys.stdout.write(
            f"\n{count} connections: bare statement {bare:,.0f} sends/s ({bare / found[1][0]:.2f} × one connection), "
            f"server's sender {ours:,.0f} ({ours / found[1][1]:.2f} ×), ratio {ours / bare:.2f}"
        )
        benchmark.extra_info[f"ratio_{count}"] = ours / bare
