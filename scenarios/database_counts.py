"""What one turn of a comparison wrote in the database: exact counters, read before it and after it.

The WAL is the cluster's, so it is the arm's alone as long as nobody else works there; the counters of tables are those
of the arm's own database. Sessions hold their counters back for up to ten seconds (PGSTAT_IDLE_INTERVAL), unless they
end; so the server's are ended after a turn, and every turn begins with new ones, in all arms alike.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from fixtures.database import connect, database_name
from fixtures.errors import ChatbenchError
from reference_server.statements import read_statement
from scenarios.queries.parameter_classes import SQL_FOLDER
from scenarios.run_records import CountRecord

_SESSIONS_END_SECONDS = 10.0


@dataclass(frozen=True)
class TableWrites:
    """What was written to one table."""

    inserts: int
    updates: int
    hot_updates: int


@dataclass(frozen=True)
class DatabaseCounts:
    """The counters at one moment; their difference is what was written between two."""

    wal_bytes: int  # of the whole cluster
    wal_records: int
    full_pages: int  # whole pages in that WAL: the first change of a page after a checkpoint
    tables: dict[str, TableWrites]
    foreign_sessions: int  # of others in the same cluster: their WAL would be counted too

    def since(self, before: "DatabaseCounts") -> list[CountRecord]:
        """What was written since `before`, as exact counts of a scenario."""
        counts = [
            CountRecord(name="database_wal_bytes", value=self.wal_bytes - before.wal_bytes),
            CountRecord(name="database_wal_records", value=self.wal_records - before.wal_records),
            CountRecord(name="database_full_pages", value=self.full_pages - before.full_pages),
        ]
        nothing = TableWrites(0, 0, 0)
        for table, after in sorted(self.tables.items()):
            earlier = before.tables.get(table, nothing)
            for kind in ("inserts", "updates", "hot_updates"):
                written = getattr(after, kind) - getattr(earlier, kind)
                if written:
                    counts.append(CountRecord(name=f"database_{kind}", labels={"table": table}, value=written))
        return counts


def counts_before(url: str, own_urls: Collection[str]) -> DatabaseCounts:
    """Vacuums what earlier turns have written, so that every turn begins alike, and reads the counters."""
    return asyncio.run(_before(url, own_urls))


def counts_after(url: str, own_urls: Collection[str]) -> DatabaseCounts:
    """The counters once every session of the database has ended and published its own."""
    return asyncio.run(_after(url, own_urls))


async def _before(url: str, own_urls: Collection[str]) -> DatabaseCounts:
    async with connect(url) as connection:
        await connection.execute("VACUUM")
        return await _read(connection, own_urls)


async def _after(url: str, own_urls: Collection[str]) -> DatabaseCounts:
    async with connect(url) as connection:
        await end_sessions(connection, url)
        return await _read(connection, own_urls)


async def end_sessions(connection: asyncpg.Connection, url: str) -> None:
    """Ends every other session of that database, which publishes their counters; ChatbenchError when one stays."""
    deadline = time.monotonic() + _SESSIONS_END_SECONDS
    pids = [row["pid"] for row in await connection.fetch(_own("end_sessions"))]
    while await connection.fetchval(_own("sessions_left"), pids):
        if time.monotonic() > deadline:
            raise ChatbenchError(f"the server's sessions in {database_name(url)} did not end; run it again")
        await asyncio.sleep(0.02)


async def _read(connection: asyncpg.Connection, own_urls: Collection[str]) -> DatabaseCounts:
    await connection.execute(_own("flush_statistics"))
    wal = await connection.fetchrow(_own("wal_position"))
    rows = await connection.fetch(_own("table_writes"))
    foreign = await connection.fetchval(_own("foreign_sessions"), [database_name(one) for one in own_urls])
    return DatabaseCounts(
        wal_bytes=wal["wal_bytes"],
        wal_records=wal["wal_records"],
        full_pages=wal["full_pages"],
        tables={row["name"]: TableWrites(row["inserts"], row["updates"], row["hot_updates"]) for row in rows},
        foreign_sessions=foreign,
    )


def _own(name: str) -> str:
    return read_statement(SQL_FOLDER / f"{name}.sql").text
