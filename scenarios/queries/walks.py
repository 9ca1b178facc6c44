"""Completeness walks: a list read page by page to its end, on data with ties, quietly and with messages coming in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from reference_server.statements import server_statements
from scenarios.queries.arm import Arm
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Case, Unit
from scenarios.queries.variants import ROWS, Variant
from scenarios.study import Walk

WORKLOAD = {
    "page_limit": 50,  # cited: the roadmap's getMessages(conversationId, limit = 50)
    "pages_at_most": 200,  # guess: five times the longest conversation that is walked; a walk in a circle ends here
}
# Where a list begins: before everything.
START: dict[str, Any] = {
    "before_seq": (1 << 63) - 1,
    "before_created_at": datetime(9999, 12, 31, tzinfo=UTC),
    "before_message_id": UUID(int=(1 << 128) - 1),
    "before_at": datetime(9999, 12, 31, tzinfo=UTC),
    "before_id": UUID(int=(1 << 128) - 1),
    "after_conversation_id": UUID(int=0),
    "after_user_id": UUID(int=0),
    "page_offset": 0,
}

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Count:
    """How what a walk met compares with what was there."""

    lost: int
    repeated: int
    example: str | None


async def walk_all(arms: Sequence[Arm], variants: Sequence[Variant], findings: Findings) -> list[Walk]:
    """Walks every paging variant that has a truth, in every arm, with and without inserts in between."""
    cases = await arms[0].cases_in("walk_classes")
    walks = []
    for variant, arm in ((variant, arm) for variant in variants for arm in arms):
        if variant.next_page is None or variant.truth is None:
            continue
        for case, with_inserts in ((case, with_inserts) for case in cases for with_inserts in (False, True)):
            try:
                walks.append(await walk(arm, variant, case, with_inserts=with_inserts))
            except (asyncpg.PostgresError, KeyError) as error:
                findings.reason(f"{variant.name} cannot be walked under {arm.name}: {' '.join(str(error).split())}")
    return walks


async def walk(arm: Arm, variant: Variant, case: Case, *, with_inserts: bool) -> Walk:
    """One walk to the list's end, which leaves nothing; asyncpg.PostgresError when a page fails."""
    assert variant.truth is not None, "a walk is compared with what is there"
    assert variant.next_page is not None, "a walk knows how to go on"
    position = {name: value for name, value in START.items() if name not in case.values}
    everything = Unit(variant.truth, _at(case, {**position, "page_limit": (1 << 31) - 1}))
    columns, expected = await arm.plain_rows(everything)
    met: list[Row] = []
    pages = 0
    async with arm.taken_back(case.caller_id):
        for number in range(WORKLOAD["pages_at_most"]):
            unit = Unit(variant.statement, _at(case, {**position, "page_limit": WORKLOAD["page_limit"]}))
            page = await arm.within(unit)
            pages += 1
            met += [tuple(row[page.columns.index(name)] for name in columns) for row in page.rows]
            if len(page.rows) < WORKLOAD["page_limit"]:
                break
            position = dict(_advanced(variant, position, page.columns, page.rows))
            if with_inserts:
                await arm.within(Unit(server_statements()["send_message"], case), number)
    # The first column is the row's key: what else a row says may change while the walk goes on.
    count = compared([row[:1] for row in expected], [row[:1] for row in met])
    return Walk(
        question=variant.question or variant.name,
        statement=variant.name,
        strategy=arm.name,
        with_inserts=with_inserts,
        page_limit=WORKLOAD["page_limit"],
        pages=pages,
        rows=len(expected),
        lost=count.lost,
        repeated=count.repeated,
        example=count.example,
    )


def compared(expected: Sequence[Row], met: Sequence[Row]) -> Count:
    """Rows that were there and never came, and those that came again; rows that came in meanwhile count as neither."""
    times = Counter(met)
    lost = [row for row in expected if row not in times]
    repeated = sorted((row for row, count in times.items() if count > 1), key=str)
    example = next(iter([*lost, *repeated]), None)
    return Count(
        lost=len(lost),
        repeated=sum(times[row] - 1 for row in repeated),
        example=None if example is None else "(" + ", ".join(str(value) for value in example) + ")",
    )


def _at(case: Case, values: dict[str, Any]) -> Case:
    return replace(case, values={**case.values, **values})


def _advanced(
    variant: Variant, position: dict[str, Any], columns: Sequence[str], rows: Sequence[Row]
) -> Iterator[tuple[str, Any]]:
    """The position of the next page: what `next` names comes from the last row, the rest stays."""
    assert variant.next_page is not None, "a walk knows how to go on"
    for name, value in position.items():
        source = variant.next_page.get(name)
        if source is None:
            yield name, value
        elif source == ROWS:
            yield name, value + len(rows)
        elif source in columns:
            yield name, rows[-1][columns.index(source)]
        else:
            raise KeyError(f"its page has no column {source}")
