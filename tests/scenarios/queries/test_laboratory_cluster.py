"""Tests of scenarios/queries/cluster.py."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from fixtures.database import is_local
from fixtures.errors import InputError
from fixtures.sizes import SIZES
from scenarios.queries.cluster import (
    GROWTH_FACTOR,
    check_disk,
    check_disk_for_all,
    database_bytes,
    free_bytes,
    laboratory_lock,
)


def with_connections(url: str, count: int, action: Callable[..., Awaitable[None]]) -> None:
    """Runs an action with that many connections."""

    async def run() -> None:
        connections = [await asyncpg.connect(url) for _ in range(count)]
        try:
            await action(*connections)
        finally:
            for connection in connections:
                await connection.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgresql://postgres@/x?host=/tmp/socket", True),
        ("postgresql://postgres@localhost/x", True),
        ("postgresql://postgres@127.0.0.1:5433/x", True),
        ("postgresql://postgres@[::1]/x", True),
        ("postgresql://postgres@database.example/x", False),
        ("postgresql://postgres@/x?host=database.example", False),
    ],
)
def test_locality(url: str, local: bool) -> None:
    """Sockets and loopback are this machine."""
    assert is_local(url) is local


def test_copies_that_do_not_fit_are_refused(empty_url: str) -> None:
    """The sentence has the size that is needed and the one that is there."""

    async def ask(connection: asyncpg.Connection) -> None:
        await check_disk(connection, empty_url, bytes_each=1, copies=2)
        with pytest.raises(InputError, match=r"3 copies of the data set need about .* MiB and .* has .* MiB left"):
            await check_disk(connection, empty_url, bytes_each=10**17, copies=3)

    with_connections(empty_url, 1, ask)


def test_all_data_sets_and_copies_are_counted(cluster_url: str, bare_template: str) -> None:
    """What is there counts with its copies alone, what has to be loaded with loading too, sizes one after the other."""

    async def ask(connection: asyncpg.Connection) -> None:
        tiny = await database_bytes(connection, bare_template)
        assert tiny is not None
        assert await database_bytes(connection, "nowhere") is None
        await check_disk_for_all(connection, cluster_url, [("tiny", 3)], seed=1)
        there = round(tiny * 10**6 * GROWTH_FACTOR)
        loaded = round(SIZES["tiny"].disk_bytes * (1 + 10**6 * GROWTH_FACTOR))
        for copies, seed, needed in (
            ([("tiny", 10**6)], 1, there),
            ([("tiny", 2), ("tiny", 10**6)], 1, there),
            ([("tiny", 10**6)], -1, loaded),
        ):
            with pytest.raises(InputError, match=f"1000000 copies of tiny need about {mebibytes(needed)} and "):
                await check_disk_for_all(connection, cluster_url, copies, seed)

    with_connections(cluster_url, 1, ask)


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB".replace(",", " ")


def test_free_space_is_unknown_where_one_may_not_look(tmp_path: Path) -> None:
    """A folder that cannot be seen gives no figure instead of a wrong one."""
    assert free_bytes(tmp_path / "missing") is None
    assert (free_bytes(tmp_path) or 0) > 0


def test_one_laboratory_at_a_time(empty_url: str) -> None:
    """The second laboratory in a database is refused while the first one is at work, and let in afterwards."""

    async def lock(first: asyncpg.Connection, second: asyncpg.Connection) -> None:
        async with laboratory_lock(first, empty_url):
            with pytest.raises(InputError, match="another query laboratory is at work"):
                await laboratory_lock(second, empty_url).__aenter__()
        async with laboratory_lock(second, empty_url):
            pass

    with_connections(empty_url, 2, lock)
