"""Fixtures that several test folders share: a real PostgreSQL, and fresh databases in it.

A test asks for `empty_url` or `tiny_url` and gets the administrator's URL of a database of its own, dropped
afterwards. The cluster below out/test-postgres outlives the session, so that its seeded template is reused.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from clusters import running_process

from fixtures.database import connect
from fixtures.postgres import EmbeddedPostgres

TEST_CLUSTER = Path(__file__).parent.parent / "out" / "test-postgres"
TINY_SEED = 1
WAIT_SECONDS = 30
TINY_STRATEGY = "roadmap_membership"


class OwnPostgres:
    """A PostgreSQL of a test's own, with the data set `tiny` in its database `chat`, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.cluster = EmbeddedPostgres(folder)
        self.url = self.cluster.url("chat")
        self._running = ExitStack()

    @property
    def main_process(self) -> psutil.Process:
        """The process from which all others of the server come."""
        return running_process(self.cluster.data)

    def fill(self) -> None:
        """Makes the database."""
        from reference_server.seed import seed  # noqa: PLC0415 - tests without a database need no numpy

        async def make() -> None:
            async with connect(self.cluster.url("postgres")) as connection:
                await connection.execute("CREATE DATABASE chat")
            await seed(self.url, "tiny", TINY_SEED)

        asyncio.run(make())

    def start(self) -> None:
        """Starts the server, recovering from whatever ended it."""
        self._running.close()
        self._running.enter_context(self.cluster)

    def kill(self) -> None:
        """Ends the server at once, as a crash does: what is not in its log is lost, connections break."""
        process = self.main_process
        process.send_signal(signal.SIGQUIT)
        process.wait(WAIT_SECONDS)

    def close(self) -> None:
        """Stops the server if it runs."""
        self._running.close()


@pytest.fixture(scope="session")
def filled_data() -> Iterator[Path]:
    """The data of a PostgreSQL that was filled and stopped, to be copied: making it takes ten times as long."""
    with _cluster_folder() as folder:
        own = OwnPostgres(folder)
        try:
            own.start()
            own.fill()
        finally:
            own.close()
        yield own.cluster.data


@pytest.fixture
def own_postgres(filled_data: Path) -> Iterator[OwnPostgres]:
    """A running PostgreSQL that nobody else uses."""
    with _own_postgres(filled_data) as own:
        yield own


@pytest.fixture(scope="module")
def own_postgres_of_module(filled_data: Path) -> Iterator[OwnPostgres]:
    """The same for all tests of a file."""
    with _own_postgres(filled_data) as own:
        yield own


@pytest.fixture(scope="module")
def cluster_folder() -> Iterator[Path]:
    """A folder for a PostgreSQL of a file's own, which its tests make, start and stop."""
    with _cluster_folder() as folder:
        yield folder


@contextmanager
def _own_postgres(filled_data: Path) -> Iterator[OwnPostgres]:
    with _cluster_folder() as folder:
        own = OwnPostgres(folder)
        subprocess.run(["cp", "--archive", filled_data, own.cluster.data], check=True)
        try:
            own.start()
            yield own
        finally:
            own.close()


@contextmanager
def _cluster_folder() -> Iterator[Path]:
    # Not below pytest's own: every session closes that to others, and root's server runs as another user.
    with TemporaryDirectory(prefix="chatbench-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


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
    from reference_server.seed import ensure_template  # noqa: PLC0415 - the same

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
