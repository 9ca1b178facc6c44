"""Ways of paging on real rows: what each loses and repeats is what an oracle says that it must."""

import asyncio
from datetime import datetime

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.manifest import ConversationSample, decode
from scenarios.queries.page_variants import WORKLOAD, WalkFindings, judge_walk, walk_variants

LIMIT = int(WORKLOAD["page_size"].value)
TIED = 3 * LIMIT + 7  # messages of one time, which no page boundary can avoid


@given(st.lists(st.integers(1, 40), max_size=80), st.integers(0, 40))
def test_a_walk_is_judged_by_what_was_there(seqs: list[int], newest_seq: int) -> None:
    """Lost and shown make up all; repeats are counted apart; what was written meanwhile counts for nothing."""
    found = judge_walk([seqs[:30], seqs[30:]], newest_seq)
    shown = [seq for seq in seqs if seq <= newest_seq]
    assert found == WalkFindings(newest_seq, newest_seq - len(set(shown)), len(shown) - len(set(shown)))


def lost_by_created_at(times: list[datetime]) -> int:
    """Of rows newest first: each page ends the walk's view of the time of its last row."""
    place = lost = 0
    while place + LIMIT <= len(times):
        last = times[place + LIMIT - 1]
        following = next((number for number, time in enumerate(times) if time < last), len(times))
        lost += following - (place + LIMIT)
        place = following
    return lost


async def measured(url: str) -> tuple[dict[tuple[str, str], int], dict[str, list[datetime]]]:
    """The counts of a conversation with many ties, and the times of its rows at the beginning of each walk."""
    connection = await asyncpg.connect(url)
    try:
        manifest = decode(await connection.fetchval("SELECT manifest FROM chatbench.dataset"))
        sample: ConversationSample = max(manifest.conversations, key=lambda one: one.last_seq)
        await connection.execute(
            "UPDATE chat_messages SET created_at = '2026-01-01' WHERE conversation_id = $1 AND seq <= $2",
            sample.conversation_id, TIED,
        )  # fmt: skip
        counts = {
            (count.name, count.labels["variant"]): round(count.value)
            for count in await walk_variants(connection, [sample])
        }
        rows = await connection.fetch(
            "SELECT seq, created_at FROM chat_messages WHERE conversation_id = $1 ORDER BY created_at DESC, id DESC",
            sample.conversation_id,
        )
    finally:
        await connection.close()
    walks = {variant: number for (name, variant), number in counts.items() if name == "page_walk_rows"}
    return counts, {
        variant: [row["created_at"] for row in rows if row["seq"] <= newest] for variant, newest in walks.items()
    }


@pytest.fixture
def walked(tiny_url: str) -> tuple[dict[tuple[str, str], int], dict[str, list[datetime]]]:
    """Every way of paging walked once."""
    return asyncio.run(measured(tiny_url))


def test_every_way_loses_and_repeats_exactly_what_it_must(
    walked: tuple[dict[tuple[str, str], int], dict[str, list[datetime]]],
) -> None:
    """Cursors that tell rows apart are complete; ties are lost by time alone; OFFSET shows a row twice per write."""
    counts, times = walked
    assert len(times["seq"]) > 4 * LIMIT
    for variant in ("seq", "(created_at, id)"):
        assert (counts["page_walk_lost", variant], counts["page_walk_repeated", variant]) == (0, 0)
    assert counts["page_walk_lost", "created_at"] == lost_by_created_at(times["created_at"]) >= TIED - 2 * LIMIT
    assert counts["page_walk_repeated", "created_at"] == 0
    # Before page p, p messages have pushed every row p places further: its first row was on the page before.
    pages = next(page for page in range(len(times["OFFSET"])) if (page + 1) * LIMIT - page > len(times["OFFSET"]))
    assert counts["page_walk_repeated", "OFFSET"] == pages
    assert counts["page_walk_lost", "OFFSET"] == 0
