"""Where a run happens: a PostgreSQL, a copy of a data set in it, and a chat server on that copy."""

import asyncio
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from fixtures import manifest as dataset_manifest
from fixtures.database import connect, database_name, require_writable, settings_in_force
from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest
from fixtures.postgres import EmbeddedPostgres
from fixtures.progress import Progress
from fixtures.templates import cloned_database
from reference_server.seed import ensure_template
from reference_server.statements import NOTHING, Strategy, find_strategy, read_statement
from scenarios.arms import Arm
from scenarios.local_target import LocalTarget, Target
from scenarios.loopback import is_loopback
from scenarios.queries.parameter_classes import SQL_FOLDER
from scenarios.queries.strategy_ddl import apply
from scenarios.server_observer import Subject


@dataclass(frozen=True)
class Place:
    """A chat server to load, and what is known of it."""

    target: Target
    server: LocalTarget | None  # None when the target is not ours
    dataset: DatasetManifest
    postgres_settings: dict[str, str]  # empty when the target's database is not known
    cluster_url: str | None = None  # the administrator's, of another database beside the target's, when it is ours
    database_url: str | None = None  # the administrator's, of the server's database; the same

    @property
    def subject(self) -> Subject:
        """What can be observed of it."""
        database = None if self.database_url is None else database_name(self.database_url)
        return Subject(self.target.http_url, self.target.process_id, self.cluster_url, database)


@contextmanager
def open_cluster(out: Path, database_url: str | None, *, shared_buffers_mib: int | None = None) -> Iterator[str]:
    """The administrator's URL of a PostgreSQL in which databases can be made: the given one, or the embedded.

    A given one keeps the shared buffers that it has.
    """
    if database_url is not None:
        asyncio.run(_check_cluster(database_url))
        yield database_url
        return
    with EmbeddedPostgres(out / "postgres", shared_buffers_mib=shared_buffers_mib) as postgres:
        yield postgres.url("postgres")


async def _check_cluster(url: str) -> None:
    async with connect(url) as connection:
        await require_writable(connection, url)


@contextmanager
def running_target(url: str, *, allow_remote: bool) -> Iterator[Place]:
    """A chat server that somebody else started."""
    require_loopback(url, allow_remote=allow_remote)
    yield Place(Target(url, None, {}), None, fetch_dataset(url), {})


@contextmanager
def own_target(
    cluster_url: str, *, size: str, seed: int, strategy: str, login_key: str, log_folder: Path, progress: Progress
) -> Iterator[Place]:
    """A reference server of our own on a fresh copy of a data set; both are gone afterwards."""
    # One event loop for as long as the copy lives: its owner's lock hangs on a connection of that loop.
    with asyncio.Runner() as runner:
        template = runner.run(ensure_template(cluster_url, size, seed, strategy, progress=progress))
        log = _server_log(log_folder, "server")
        with (
            copy_of(runner, cluster_url, template) as url,
            serving(runner, LocalTarget(url, login_key, log), cluster_url, url) as place,
        ):
            yield place


@contextmanager
def own_arms(
    cluster_url: str, arms: Sequence[Arm], *, seed: int, login_key: str, log_folder: Path, progress: Progress
) -> Iterator[dict[str, Place]]:
    """A reference server per arm, by its name, all alive at once, each on its own copy; all are gone afterwards.

    Arms that differ in their indexes start from one template without any: a sample of statistics of their own would
    differ between them as much as the indexes do.
    """
    strategies = {arm.strategy for arm in arms}
    common = strategies.pop() if len(strategies) == 1 else None
    with asyncio.Runner() as runner, ExitStack() as stack:
        places: dict[str, Place] = {}
        for number, arm in enumerate(arms):
            progress(f"preparing {arm.name}", number / len(arms))
            template = runner.run(ensure_template(cluster_url, arm.size, seed, common or NOTHING))
            url = stack.enter_context(copy_of(runner, cluster_url, template))
            runner.run(_settle(url, None if common else find_strategy(arm.strategy)))
            log = _server_log(log_folder, f"server-{arm.name}")
            server = LocalTarget(url, login_key, log, arm.server_settings)
            places[arm.name] = stack.enter_context(serving(runner, server, cluster_url, url))
        yield places


@contextmanager
def copy_of(runner: asyncio.Runner, cluster_url: str, template: str) -> Iterator[str]:
    """The administrator's URL of a fresh copy of a template, which lives as long as the block."""
    copy = cloned_database(cluster_url, template)
    url = runner.run(copy.__aenter__())
    try:
        yield url
    finally:
        runner.run(copy.__aexit__(None, None, None))


@contextmanager
def serving(runner: asyncio.Runner, server: LocalTarget, cluster_url: str, database_url: str) -> Iterator[Place]:
    """The place of a server of ours that runs on that database while the block lasts."""
    with server as target:
        in_force = runner.run(_settings_in_force(database_url))
        yield Place(target, server, fetch_dataset(target.http_url), in_force, cluster_url, database_url)


async def _settle(url: str, strategy: Strategy | None) -> None:
    """Lays indexes over a copy, and keeps autovacuum from taking turns with one arm and not with another."""
    async with connect(url) as connection:
        needs_statistics = strategy is not None and (await apply(connection, strategy)).needs_statistics
        await connection.execute(read_statement(SQL_FOLDER / "autovacuum_off.sql").text)
        await connection.execute("VACUUM (FREEZE, ANALYZE)" if needs_statistics else "VACUUM (FREEZE)")


def _server_log(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{os.getpid()}.log"


async def _settings_in_force(url: str) -> dict[str, str]:
    async with connect(url) as connection:
        return await settings_in_force(connection)


def require_loopback(url: str, *, allow_remote: bool) -> None:
    """InputError when `url` is no HTTP URL, or not on this machine and nobody said that it may be."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme == "http" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise InputError(f"{url!r} is no HTTP URL; write it as http://127.0.0.1:8000")
    if not allow_remote and not is_loopback(url):
        raise InputError(
            f"{parts.hostname} is not this machine; add --allow-remote if the owner of that server agrees to the load"
        )


def fetch_dataset(http_url: str) -> DatasetManifest:
    """What the server at `http_url` says of its data; InputError when it does not answer or holds none."""
    url = f"{http_url.rstrip('/')}/v1/dataset"
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - checked to be HTTP before
            return dataset_manifest.decode(response.read())
    except urllib.error.HTTPError as error:
        missing = "it holds no chatbench data set: seed its database first"
        other = "that is not the HTTP API of a chat server: check the port"
        raise InputError(f"{url} answers {error.code}; {missing if error.code == 404 else other}") from error
    except (OSError, HTTPException, msgspec.DecodeError) as error:
        raise InputError(f"no chat server answers at {url} ({error}); start one with: chatbench serve") from error
