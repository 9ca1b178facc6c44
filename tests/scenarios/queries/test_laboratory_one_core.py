"""Tests of scenarios/queries/one_core.py, on the processes of a real PostgreSQL."""

import asyncio
import os

import asyncpg
import psutil
import pytest

from fixtures.database import database_name
from scenarios.queries.one_core import on_one_core


async def cores(url: str, *, database: str) -> tuple[bool, list[set[int]], list[set[int]]]:
    """Whether it was done, and the cores of this thread and of a session's process, meanwhile and afterwards."""
    connection = await asyncpg.connect(url)
    try:
        process = psutil.Process(connection.get_server_pid())

        def now() -> list[set[int]]:
            return [os.sched_getaffinity(0), set(process.cpu_affinity())]

        with on_one_core({process.pid: database}) as done:
            meanwhile = now()
        return done, meanwhile, now()
    finally:
        await connection.close()


def test_both_sides_share_a_core_and_get_theirs_back(empty_url: str) -> None:
    """One core and the same while it lasts, all of them again at the end."""
    before = os.sched_getaffinity(0)
    done, meanwhile, after = asyncio.run(cores(empty_url, database=database_name(empty_url)))
    assert done
    assert meanwhile == [{max(before)}, {max(before)}]
    assert after == [before, before]


def test_another_process_is_left_alone(empty_url: str) -> None:
    """A process of that id that serves another database, and one that is gone, move nothing."""
    before = os.sched_getaffinity(0)
    done, meanwhile, _ = asyncio.run(cores(empty_url, database="another"))
    assert not done
    assert meanwhile == [before, before]
    with on_one_core({2**22 + 1: "gone"}) as done:
        assert not done
        assert os.sched_getaffinity(0) == before


def test_an_error_gives_the_cores_back() -> None:
    """Whatever happens within."""
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyboardInterrupt), on_one_core({}):
        raise KeyboardInterrupt
    assert os.sched_getaffinity(0) == before
