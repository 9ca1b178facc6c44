"""Fixtures that several test folders share: a real PostgreSQL, and fresh databases in it.

A test asks for `empty_url` or `tiny_url` and gets the administrator's URL of a database of its own, dropped
afterwards. The cluster below out/test-postgres outlives the session, so that its seeded template is reused.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.postgres import EmbeddedPostgres

TEST_CLUSTER = Path(__file__).parent.parent / "out" / "test-postgres"
TINY_SEED = 1
TINY_STRATEGY = "roadmap_membership"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL, shared by all tests of all sessions."""
    with EmbeddedPostgres(TEST_CLUSTER) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def laboratory_turn() -> Iterator[None]:
    """The only module that uses the query laboratory on the shared cluster: files run at once, and it admits one."""
    TEST_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    with (TEST_CLUSTER.parent / "test-laboratory.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the kernel's: released however this process ends
        yield


@pytest.fixture(scope="session")
def tiny_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the data set `tiny`, to clone and never to connect to."""
    from reference_server.seed import ensure_template  # noqa: PLC0415 - tests without a database need no numpy

    return asyncio.run(ensure_template(postgres.url("postgres"), "tiny", TINY_SEED, TINY_STRATEGY))


@pytest.fixture
def tiny_url(postgres: EmbeddedPostgres, tiny_template: str) -> Iterator[str]:
    """The administrator's URL of a fresh database that holds the data set `tiny`."""
    yield from _database(postgres, tiny_template)


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The administrator's URL of a fresh database that holds nothing."""
    yield from _database(postgres, "template0")


def _database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    from fixtures.templates import cloned_database  # noqa: PLC0415 - the same

    with asyncio.Runner() as runner:
        context = cloned_database(postgres.url("postgres"), template, prefix=f"chatbench_test_{os.getpid()}_")
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))
