"""The servers that a scenario compares beside its target: started by a run as the catalogue describes them.

They work on the target's own database; where the scenario says so, they read from a streaming replica of it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fixtures.errors import InputError
from fixtures.postgres import EmbeddedPostgres
from fixtures.replica import EmbeddedReplica
from scenarios.catalogue import Scenario
from scenarios.local_target import LocalTarget, Target


@dataclass(frozen=True)
class Peer:
    """One of them while it runs."""

    server: LocalTarget
    target: Target


def parse_peers(text: str) -> dict[str, str]:
    """{"wait": "http://…"} of "wait=http://…,…"; InputError for anything else."""
    peers: dict[str, str] = {}
    for part in text.split(",") if text else ():
        name, separator, url = part.partition("=")
        if not separator or not name or name in peers:
            raise InputError(f"--peers {text!r} names no servers; write NAME=URL,NAME=URL with different names")
        peers[name] = url.rstrip("/")
    return peers


def peers_text(urls: Mapping[str, str]) -> str:
    """As `parse_peers` reads it."""
    return ",".join(f"{name}={url}" for name, url in urls.items())


@contextmanager
def own_peers(
    scenario: Scenario, database_url: str, *, out: Path, is_embedded: bool, login_key: str
) -> Iterator[dict[str, Peer]]:
    """The scenario's servers by name, alive at once on `database_url`; they and their replica are gone afterwards."""
    if scenario.needs_replica and not is_embedded:
        raise InputError(
            f"{scenario.name} makes a replica of the embedded PostgreSQL only; leave out --database-url, or start "
            "servers with chatbench serve --replica and name them with --target and the option peers=NAME=URL,…"
        )
    with ExitStack() as stack:
        settings: tuple[str, ...] = ()
        if scenario.needs_replica:
            primary = stack.enter_context(EmbeddedPostgres(out / "postgres"))
            replica = stack.enter_context(EmbeddedReplica(primary))
            settings = (f"replica_url={replica.url(urlsplit(database_url).path.removeprefix('/'))}",)
        (out / "logs").mkdir(parents=True, exist_ok=True)
        peers: dict[str, Peer] = {}
        for name, own_settings in scenario.peers.items():
            log = out / "logs" / f"server-{os.getpid()}-{name}.log"
            server = LocalTarget(database_url, login_key, log, (*settings, *own_settings))
            peers[name] = Peer(server, stack.enter_context(server))
        yield peers
