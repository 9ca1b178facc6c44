"""The database that `serve` and `seed` use: one that is named, or `chatbench` on the embedded PostgreSQL."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures import manifest as dataset_manifest
from fixtures.database import connect, redacted
from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest
from fixtures.postgres import EmbeddedPostgres
from fixtures.progress import Progress
from fixtures.replica import EmbeddedReplica
from reference_server.seed import seed

HOME_DATABASE = "chatbench"
EMBEDDED_REPLICA = "embedded"


@contextmanager
def home_database(out: Path, database_url: str | None) -> Iterator[str]:
    """The administrator's URL of the given database, or of our own, which is made when missing."""
    if database_url is not None:
        yield database_url
        return
    with EmbeddedPostgres(out / "postgres") as postgres:
        asyncio.run(_create_if_missing(postgres.url("postgres")))
        yield postgres.url(HOME_DATABASE)


@contextmanager
def home_replica(out: Path, database_url: str | None, replica: str | None) -> Iterator[str | None]:
    """The administrator's URL of a standby of the home database: the given one, or `embedded` one started here.

    The database is filled before: the copy is made now. InputError when the database is not ours to copy.
    """
    if replica != EMBEDDED_REPLICA:
        yield replica
        return
    if database_url is not None:
        raise InputError(
            f"the replica of {redacted(database_url)} cannot be embedded; "
            "give the URL of a standby of that server with --replica, or leave --database-url out"
        )
    with EmbeddedPostgres(out / "postgres") as primary, EmbeddedReplica(primary) as standby:
        yield standby.url(HOME_DATABASE)


async def _create_if_missing(cluster_url: str) -> None:
    async with connect(cluster_url) as connection:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", HOME_DATABASE):
            await connection.execute(f'CREATE DATABASE "{HOME_DATABASE}"')


async def seeded(url: str, size: str, random_seed: int, progress: Progress) -> DatasetManifest:
    """Fills the database unless it holds a whole data set already; what it holds then."""
    async with connect(url) as connection:
        if await connection.fetchval("SELECT to_regclass('chatbench.dataset')") is not None:
            text = await connection.fetchval("SELECT manifest FROM chatbench.dataset")
            if text is not None:
                return dataset_manifest.decode(text)
    return await seed(url, size, random_seed, progress=progress)
