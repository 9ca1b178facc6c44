"""Ways of paging, walked to the end while others write: the rows that each loses, and those that it shows twice.

A walk reads a conversation from its newest message to its first, one page after the other, and a message is written
between any two pages. The server's own way pages by seq; the others have no route, and are measured here.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from fixtures.manifest import ConversationSample
from reference_server.statements import QUERIES_FOLDER, read_statement
from scenarios.queries.parameter_classes import SQL_FOLDER
from scenarios.run_folder import CountRecord
from scenarios.workload import Row

WORKLOAD = {
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "conversations_max": Row(3, "conversations", "guess: one heavy, one median and one light, where there are"),
    "messages_max": Row(20_000, "messages", "guess: sorting more for every page would take minutes"),
}

# Gives the next page, newest first, of rows with seq, created_at and id, after the pages so far.
NextPage = Callable[[Sequence[Sequence[asyncpg.Record]]], Awaitable[Sequence[asyncpg.Record]]]


@dataclass(frozen=True)
class WalkFindings:
    """What a walk showed of the messages that were there when it began."""

    rows: int  # that were there
    lost: int  # of those, never shown
    repeated: int  # shown again, once for each time


def judge_walk(pages: Sequence[Sequence[int]], newest_seq: int) -> WalkFindings:
    """Holds the seqs of a walk's pages against the gap-free 1 … `newest_seq` that it should have shown."""
    shown = Counter(seq for page in pages for seq in page if seq <= newest_seq)
    return WalkFindings(newest_seq, newest_seq - len(shown), shown.total() - len(shown))


async def walk_variants(admin: asyncpg.Connection, samples: Sequence[ConversationSample]) -> list[CountRecord]:
    """Walks some conversations in every way and counts, as an administrator; what it writes stays."""
    totals: Counter[tuple[str, str]] = Counter()
    for sample in _chosen(samples):
        for variant, next_page in _variants(admin, sample.conversation_id).items():
            found = await _walk(admin, sample, next_page)
            for what in ("rows", "lost", "repeated"):
                totals[f"page_walk_{what}", variant] += getattr(found, what)
    return [
        CountRecord(name=name, labels={"variant": variant}, value=value) for (name, variant), value in totals.items()
    ]


def _chosen(samples: Sequence[ConversationSample]) -> list[ConversationSample]:
    """The longest conversation of each weight that is not too long."""
    fitting = [one for one in samples if one.member_ids and 0 < one.last_seq <= int(WORKLOAD["messages_max"].value)]
    longest: dict[str, ConversationSample] = {}
    for one in sorted(fitting, key=lambda sample: sample.last_seq):
        longest[one.weight] = one
    return list(longest.values())[: int(WORKLOAD["conversations_max"].value)]


async def _walk(admin: asyncpg.Connection, sample: ConversationSample, next_page: NextPage) -> WalkFindings:
    newest_seq = await admin.fetchval(_text("newest_seq"), sample.conversation_id)
    pages: list[Sequence[asyncpg.Record]] = []
    while True:
        page = await next_page(pages)
        pages.append(page)
        # How one knows the end without a row beyond the page: it is not full.
        if len(page) < int(WORKLOAD["page_size"].value):
            return judge_walk([[row["seq"] for row in each] for each in pages], newest_seq)
        await admin.execute(_SEND.text, sample.conversation_id, sample.member_ids[0], "written meanwhile", uuid4())


def _variants(admin: asyncpg.Connection, conversation_id: UUID) -> dict[str, NextPage]:
    limit = int(WORKLOAD["page_size"].value)

    async def by_seq(pages: Sequence[Sequence[asyncpg.Record]]) -> Sequence[asyncpg.Record]:
        before = pages[-1][-1]["seq"] if pages else (1 << 63) - 1
        return await admin.fetch(_LIST.text, conversation_id, before, limit)  # type: ignore[no-any-return]

    async def by_created_at(pages: Sequence[Sequence[asyncpg.Record]]) -> Sequence[asyncpg.Record]:
        before = pages[-1][-1]["created_at"] if pages else _END_OF_TIME
        return await admin.fetch(_text("pages_by_created_at"), conversation_id, before, limit)  # type: ignore[no-any-return]

    async def by_created_at_and_id(pages: Sequence[Sequence[asyncpg.Record]]) -> Sequence[asyncpg.Record]:
        last = pages[-1][-1] if pages else {"created_at": _END_OF_TIME, "id": UUID(int=0)}
        arguments = (conversation_id, last["created_at"], last["id"], limit)
        return await admin.fetch(_text("pages_by_created_at_and_id"), *arguments)  # type: ignore[no-any-return]

    async def by_offset(pages: Sequence[Sequence[asyncpg.Record]]) -> Sequence[asyncpg.Record]:
        return await admin.fetch(_text("pages_by_offset"), conversation_id, len(pages) * limit, limit)  # type: ignore[no-any-return]

    return {
        "seq": by_seq,
        "created_at": by_created_at,
        "(created_at, id)": by_created_at_and_id,
        "OFFSET": by_offset,
    }


def _text(name: str) -> str:
    return read_statement(SQL_FOLDER / f"{name}.sql").text


_SEND = read_statement(QUERIES_FOLDER / "send_message.sql")
_LIST = read_statement(QUERIES_FOLDER / "list_messages.sql")
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
