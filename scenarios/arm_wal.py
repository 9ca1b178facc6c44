"""The WAL that each arm of a duet has written in a block, told apart in the one WAL of their cluster.

A session publishes what it has written now and then, for itself and for the cluster (PostgreSQL 18); the rest when it
ends, for the cluster alone. So what an arm's sessions have published is read, then they are ended, and what the
cluster's own counters gain by that is theirs as well, but for what others published meanwhile.

    arm = published by its sessions + gained by the cluster as they ended − published by others meanwhile

Exact for what sessions write, as long as no other session ends meanwhile: what that had not published yet is counted
here. What no client's session writes is in neither arm: checkpoints, autovacuum, copies.
"""

import asyncio
from collections.abc import Hashable, Mapping
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
class Published:
    """What has been published at one moment: of one arm's sessions, by each other one, and by the cluster."""

    own: int
    others: Mapping[Hashable, int]
    cluster: int

    def written(self, after: "Published") -> int:
        """What the arm had written, when its sessions have ended between this moment and `after`.

        A session of others that ended as well takes along what it had published; that is no gain of the arm's.
        """
        gained = sum(value - self.others.get(one, 0) for one, value in after.others.items())
        return self.own + (after.cluster - self.cluster) - gained


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


async def _published(connection: asyncpg.Connection, url: str) -> dict[str, Published]:
    rows = await connection.fetch(_SESSION_WAL.text, database_name(url))
    return {
        name: Published(
            own=sum(row[name] for row in rows if row["is_own"]),
            others={(row["pid"], row["backend_start"]): row[name] for row in rows if not row["is_own"]},
            cluster=rows[0][f"cluster_{name}"],
        )
        for name in ("records", "bytes")
    }
