"""What one arm of a duet has executed, read and written in a block: exact counters, beside the times.

The server is asked for its statements, its own database for pages and rows. The WAL belongs to the cluster, in which
both arms write at once: arm_wal.py tells theirs apart.
"""

import asyncio

from fixtures.database import connect, database_name
from scenarios.database_counts import counts_after
from scenarios.run_records import CountRecord
from scenarios.server_metrics import STATEMENTS, scrape
from scenarios.server_observer import DATABASE_COUNTERS

_MESSAGES = "chat_messages"


def executed_statements(http_url: str) -> dict[str, int]:
    """How often a server has executed each statement since it started; nothing when it does not say."""
    found = scrape(http_url, STATEMENTS)
    return {} if found is None else {name: int(count) for name, count in found.by_label(STATEMENTS[1]).items()}


def statement_counts(arm: str, before: dict[str, int], after: dict[str, int]) -> list[CountRecord]:
    """The statements executed between two readings."""
    return [
        CountRecord(name="duet_statements", labels={"statement": name, "arm": arm}, value=count - before.get(name, 0))
        for name, count in sorted(after.items())
        if count > before.get(name, 0)
    ]


def database_counts(arm: str, url: str) -> list[CountRecord]:
    """What was done in a database since it was copied, once the server that used it has ended."""
    tables = counts_after(url, [url]).tables
    updates = sum(one.updates for one in tables.values())
    heap_only = sum(one.hot_updates for one in tables.values())
    messages = tables[_MESSAGES].inserts if _MESSAGES in tables else 0
    counted = {
        "duet_buffers": asyncio.run(_buffers(url)),
        "duet_rows_written": updates + sum(one.inserts for one in tables.values()),
        "duet_cold_updates": updates - heap_only,
        "duet_messages_stored": messages,
    }
    return [CountRecord(name=name, labels={"arm": arm}, value=value) for name, value in counted.items()]


async def _buffers(url: str) -> int:
    async with connect(url) as connection:
        found = await connection.fetchrow(DATABASE_COUNTERS.text, database_name(url))
    return int(found["buffers_hit"] + found["buffers_read"])
