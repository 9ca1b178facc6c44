"""What one arm of a duet has executed, read and written in a block: exact counters, beside the times.

The server is asked for its statements, its own database for pages and rows. The WAL belongs to the cluster, in which
both arms write at once: arm_wal.py tells theirs apart.
"""

import asyncio
from collections.abc import Mapping

from fixtures.database import connect, database_name
from scenarios.database_counts import counts_after
from scenarios.run_records import CountRecord
from scenarios.server_metrics import STATEMENTS, scrape
from scenarios.server_observer import DATABASE_COUNTERS

_MESSAGES = "chat_messages"


Executed = dict[str, dict[str, int] | None]  # arm → statement → how often; None when its server did not answer


def executed_statements(urls: Mapping[str, str]) -> Executed:
    """How often each arm's server has executed each statement since it started, by the arms' URLs."""
    found = {arm: scrape(url, STATEMENTS) for arm, url in urls.items()}
    return {
        arm: None if one is None else {name: int(count) for name, count in one.by_label(STATEMENTS[1]).items()}
        for arm, one in found.items()
    }


def statement_counts(before: Executed, after: Executed) -> tuple[list[CountRecord], list[str]]:
    """The statements that both arms executed between two readings, and warnings.

    Nothing of either arm when one did not answer: the other's count alone would look like a difference.
    """
    silent = [arm for arm in after if before[arm] is None or after[arm] is None]
    if silent:
        names = " and ".join(silent)
        return [], [f"statements are not compared in this block: {names} did not answer at /metrics"]
    counts = []
    for arm, executed in after.items():
        earlier = before[arm] or {}
        for name, count in sorted((executed or {}).items()):
            if count > earlier.get(name, 0):
                labels = {"statement": name, "arm": arm}
                counts.append(CountRecord(name="duet_statements", labels=labels, value=count - earlier.get(name, 0)))
    return counts, []


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
