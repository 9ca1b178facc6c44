"""The WAL that each arm of a duet has written in a block, told apart in the one WAL of their cluster.

A session publishes what it has written now and then, for itself and for the cluster (PostgreSQL 18); the rest when it
ends, for the cluster alone. So what an arm's sessions have published is read, then they are ended, and what the
cluster's own counters gain by that is theirs as well, but for what others published meanwhile.

    arm = published by its sessions + gained by the cluster as they ended − published by others meanwhile

Exact for what sessions write. What nobody's session writes is in neither arm: checkpoints, autovacuum, copies.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from fixtures.database import connect, database_name
from reference_server.statements import read_statement
from scenarios.database_counts import end_sessions
from scenarios.run_records import CountRecord

_VERSION = 180_000  # the first that counts the WAL of each session
_SESSION_WAL = read_statement(Path(__file__).parent / "sql" / "session_wal.sql")


@dataclass(frozen=True)
class _Published:
    """What has been published at one moment: of one arm's sessions, of all others, and by the cluster."""

    own: int
    others: int
    cluster: int

    def written(self, after: "_Published") -> int:
        """What the arm had written, when its sessions have ended between this moment and `after`."""
        return self.own + (after.cluster - self.cluster) - (after.others - self.others)


def wal_counts(urls: Mapping[str, str]) -> list[CountRecord]:
    """The WAL records and bytes of each arm, by its database's URL; ends its sessions. Nothing before version 18."""
    return asyncio.run(_counts(urls))


async def _counts(urls: Mapping[str, str]) -> list[CountRecord]:
    counted = []
    for arm, url in urls.items():
        async with connect(url) as connection:
            if connection.get_server_version().major * 10_000 < _VERSION:
                return []
            before = await _published(connection, url)
            await end_sessions(connection, url)
            after = await _published(connection, url)
        for name, one in before.items():
            counted.append(CountRecord(name=f"duet_wal_{name}", labels={"arm": arm}, value=one.written(after[name])))
    return counted


async def _published(connection: asyncpg.Connection, url: str) -> dict[str, _Published]:
    row = await connection.fetchrow(_SESSION_WAL.text, database_name(url))
    return {
        name: _Published(row[f"own_{name}"], row[f"other_{name}"], row[f"cluster_{name}"])
        for name in ("records", "bytes")
    }
