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
from reference_server.statements import operation_statements

HOME_DATABASE = "chatbench"
EMBEDDED_REPLICA = "embedded"
DEFAULT_SIZE = "small"
DEFAULT_SEED = 1


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


async def seeded(url: str, size: str | None, random_seed: int | None, progress: Progress) -> DatasetManifest:
    """Fills the database unless it holds a whole data set already; what it holds then. InputError as `held_dataset`."""
    held = await held_dataset(url, size, random_seed)
    if held is not None:
        return held
    wanted_seed = DEFAULT_SEED if random_seed is None else random_seed
    return await seed(url, size or DEFAULT_SIZE, wanted_seed, progress=progress)


async def held_dataset(url: str, size: str | None, random_seed: int | None) -> DatasetManifest | None:
    """The whole data set that the database holds, if it does.

    InputError when it is of another size or seed than is asked for; None asks for none in particular.
    """
    async with connect(url) as connection:
        if await connection.fetchval("SELECT to_regclass('chatbench.dataset')") is None:
            return None
        text = await connection.fetchval(operation_statements()["get_dataset"].text)
    if text is None:
        return None
    held = dataset_manifest.decode(text)
    if size not in {None, held.size} or random_seed not in {None, held.seed}:
        raise InputError(
            f"{redacted(url)} holds size {held.size!r} with seed {held.seed}, not what --size and --seed ask for; "
            "leave them out to serve what is there, or replace it with: "
            f"chatbench seed --size {size or held.size} --seed {held.seed if random_seed is None else random_seed}"
        )
    return held
