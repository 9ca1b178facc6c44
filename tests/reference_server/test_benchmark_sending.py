"""Sends to distinct conversations by the number of database connections: the server's way against the bare statement.

Both arms run in one process with the same number of connections, in alternating blocks; each connection's worth of
senders writes to conversations of its own, so that no two wait for one row.

Beside the rates stands the processor time that this process and the database's backends take per send, and how many
cores that comes to: once it is all the cores there are, more connections bring no more sends.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psutil
import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.database import app_url, connect
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


@dataclass(frozen=True)
class Block:
    """What came of sending for a while."""

    rate: float  # sends per second
    own_us: float  # processor time of this process, per send
    database_us: float  # of the backends, per send

    @property
    def busy_cores(self) -> float:
        """How many cores that takes."""
        return self.rate * (self.own_us + self.database_us) / 1e6


def _median(blocks: list[Block]) -> Block:
    return Block(*(median(getattr(one, name) for one in blocks) for name in ("rate", "own_us", "database_us")))


def _used_seconds(backends: Iterable[psutil.Process]) -> float:
    times = [one.cpu_times() for one in backends]
    return sum(one.user + one.system for one in times)


async def _block(senders: list[Any], backends: list[psutil.Process]) -> Block:
    """Every sender sends one message after the other."""
    until = time.perf_counter() + SECONDS_PER_BLOCK
    own_before, database_before = time.process_time(), _used_seconds(backends)

    async def send_on(send: Any) -> int:
        count = 0
        while time.perf_counter() < until:
            await send()
            count += 1
        return count

    count = sum(await asyncio.gather(*(send_on(send) for send in senders)))
    return Block(
        count / SECONDS_PER_BLOCK,
        (time.process_time() - own_before) / count * 1e6,
        (_used_seconds(backends) - database_before) / count * 1e6,
    )


async def _backends(url: str) -> list[psutil.Process]:
    """The processes that serve the app role's connections to this database."""
    async with connect(url) as administrator:
        text = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = 'chatbench_app'"
        return [psutil.Process(row["pid"]) for row in await administrator.fetch(text)]


async def _compare(url: str, connections: int) -> tuple[Block, Block]:
    """The median of the blocks: bare, and through the server's sender."""
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
        backends = await _backends(url)
        found: tuple[list[Block], list[Block]] = ([], [])
        for block in range(BLOCKS + 1):
            for arm in (0, 1) if block % 2 else (1, 0):
                measured = await _block((bare, ours)[arm], backends)
                if block:  # the first one warms
                    found[arm].append(measured)
    for session in sessions:
        await session.close()
    return _median(found[0]), _median(found[1])


def test_sends_scale_with_connections(tiny_url: str, benchmark: BenchmarkFixture) -> None:
    """The aim: the server's sends grow with its connections until the bare statement's do not either."""
    found = benchmark.pedantic(
        lambda: {count: uvloop.run(_compare(tiny_url, count)) for count in CONNECTIONS}, rounds=1, iterations=1
    )
    first_bare, first_ours = found[1]
    for count, (bare, ours) in found.items():
        sys.stdout.write(
            f"\n{count} connections: {_told('bare statement', bare, first_bare)}, "
            f"{_told('the sender', ours, first_ours)}, ratio {ours.rate / bare.rate:.2f}"
        )
        benchmark.extra_info[f"ratio_{count}"] = ours.rate / bare.rate


def _told(what: str, block: Block, first: Block) -> str:
    return (
        f"{what} {block.rate:,.0f} sends/s ({block.rate / first.rate:.2f} × one connection; {block.own_us:.0f} µs of"
        f" this process and {block.database_us:.0f} of the backends each: {block.busy_cores:.1f} cores)"
    )
