"""The WAL of two databases of one cluster is told apart, although their sessions write at once and stay open."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from fixtures.database import connect, with_database
from fixtures.postgres import EmbeddedPostgres
from scenarios.arm_wal import Published, wal_counts

INSERTS = 300


@pytest.fixture
def urls(postgres: EmbeddedPostgres) -> dict[str, str]:
    """Two arms' databases, of this process alone and not named as clones are, which other tests drop."""
    names = {arm: f"chatbench_wal_{os.getpid()}_{arm}" for arm in ("base", "head")}
    return {arm: with_database(postgres.url("postgres"), name) for arm, name in names.items()}


@asynccontextmanager
async def _database(cluster_url: str, url: str) -> AsyncIterator[asyncpg.Connection]:
    name = url.split("?", maxsplit=1)[0].rpartition("/")[2]
    async with connect(cluster_url) as administrator:
        await administrator.execute(f'DROP DATABASE IF EXISTS "{name}"')
        await administrator.execute(f'CREATE DATABASE "{name}"')
        try:
            async with connect(url) as connection:
                await connection.execute("CREATE TABLE written (number int)")
                yield connection
        finally:
            await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def _written(cluster_url: str, urls: dict[str, str], inserts: dict[str, int]) -> dict[tuple[str, str], float]:
    async with AsyncExitStack() as stack:
        sessions = {arm: await stack.enter_async_context(_database(cluster_url, url)) for arm, url in urls.items()}
        for number in range(max(inserts.values())):
            for arm, session in sessions.items():
                if number < inserts[arm]:
                    await session.execute("INSERT INTO written VALUES ($1)", number)
        counts = await asyncio.to_thread(wal_counts, urls)
    return {(one.name, one.labels["arm"]): one.value for one in counts}


@pytest.mark.parametrize(("base", "head"), [(INSERTS, INSERTS), (INSERTS, 3 * INSERTS), (3 * INSERTS, INSERTS)])
def test_each_arm_gets_what_its_own_sessions_wrote(
    postgres: EmbeddedPostgres, urls: dict[str, str], base: int, head: int
) -> None:
    """Two records per insert, the row and its commit, in either arm; making the table is the same in both."""
    found = asyncio.run(_written(postgres.url("postgres"), urls, {"base": base, "head": head}))
    records = {arm: found["duet_wal_records", arm] for arm in urls}
    assert records["head"] - records["base"] == pytest.approx(2 * (head - base), abs=0.05 * INSERTS)
    assert min(records.values()) >= 2 * INSERTS
    assert all(found["duet_wal_bytes", arm] > 40 * records[arm] for arm in urls)


def test_another_session_that_ends_meanwhile_adds_nothing_to_the_arm() -> None:
    """Nor does one that begins: what it has published is its own."""
    before = Published(own=100, others={"stays": 1_000, "ends": 50_000}, cluster=500_000)
    after = Published(own=0, others={"stays": 1_010, "begins": 7}, cluster=500_000 + 30 + 10 + 7)
    assert before.written(after) == 100 + 30
