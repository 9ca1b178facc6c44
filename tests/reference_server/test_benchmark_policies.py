"""What row-level security and long lists cost: the same statements for users in few and in many conversations.

Arms alternate execution by execution in one run, through asyncpg's prepared path, and medians are compared. The arm
without row-level security is the administrator, whom no policy binds; everything else about the session is the same.

Backends rest between executions, as a server's do: a thousand pages per second over one connection are more than any
asks for. Back to back, which is printed too, the statement without policies stays in the processor's caches and costs
a third less (0.13 against 0.19 ms), while 51 probes cost what they cost: the ratio is then
1.4-1.7 instead of 1.40-1.45.
"""

import asyncio
import json
import sys
import time
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.database import app_url
from reference_server.cursors import NEWEST_CONVERSATIONS, SEQ_MAX
from reference_server.statements import server_statements

EXECUTIONS, PAGE, LISTED = 1_000, 50, 20
REST_SECONDS = 0.002

# Two people with so many direct conversations, and two with so many groups; one conversation of each has 200 messages.
FILL = """
WITH made AS (
    INSERT INTO users (id, display_name)
    SELECT uuidv7(), 'of the benchmark' FROM generate_series(1, $1) RETURNING id),
numbered AS (SELECT id, row_number() OVER () AS number FROM made),
me AS (INSERT INTO users (display_name) VALUES ('busy') RETURNING id),
direct AS (
    INSERT INTO conversations (type, participant1_id, participant2_id, created_by, last_message_at)
    SELECT 'direct', least(me.id, n.id), greatest(me.id, n.id), me.id, now() - n.number * interval '1 minute'
      FROM numbered n, me WHERE $2 = 'direct'
    RETURNING id, participant1_id, participant2_id),
groups AS (
    INSERT INTO conversations (type, name, created_by, last_message_at)
    SELECT 'group', 'group ' || n.number, me.id, now() - n.number * interval '1 minute'
      FROM numbered n, me WHERE $2 = 'group'
    RETURNING id),
participants AS (
    INSERT INTO conversation_participants (conversation_id, user_id, conversation_type)
    SELECT id, participant1_id, 'direct' FROM direct
    UNION ALL SELECT id, participant2_id, 'direct' FROM direct
    UNION ALL SELECT g.id, me.id, 'group' FROM groups g, me
    RETURNING conversation_id)
SELECT me.id AS user_id, (SELECT id FROM direct UNION ALL SELECT id FROM groups LIMIT 1) AS conversation_id FROM me
"""
WRITE = """
INSERT INTO chat_messages (conversation_id, sender_id, content, client_id)
SELECT $1, $2, 'message ' || number, gen_random_uuid() FROM generate_series(1, 200) AS number
"""


async def _busy(url: str, conversations: int, kind: str) -> tuple[UUID, UUID]:
    """A user in so many conversations of a kind, and one of these with messages."""
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(FILL, conversations, kind)
        await connection.execute(WRITE, row["conversation_id"], row["user_id"])
        await connection.execute("VACUUM ANALYZE users, conversations, conversation_participants, chat_messages")
        return row["user_id"], row["conversation_id"]
    finally:
        await connection.close()


class Arm:
    """One session that executes one statement with one set of values."""

    def __init__(self, url: str, user: UUID, statement: str, arguments: tuple[Any, ...]) -> None:
        self._place = (url, user, server_statements()[statement].text)
        self._arguments = arguments
        self.milliseconds: list[float] = []

    async def open(self) -> None:
        """Connects and acts as the user."""
        url, user, text = self._place
        self._connection = await asyncpg.connect(url)
        claims = json.dumps({"sub": str(user), "role": "authenticated"})
        await self._connection.execute("SELECT set_config('request.jwt.claims', $1, false)", claims)
        self._statement = await self._connection.prepare(text)

    async def execute(self) -> int:
        """How many rows it gave."""
        began = time.perf_counter()
        rows = await self._statement.fetch(*self._arguments)
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        return len(rows)

    async def close(self) -> None:
        """Ends the session."""
        await self._connection.close()


async def _compare(arms: list[Arm], rest_seconds: float = REST_SECONDS) -> list[float]:
    """The medians in ms."""
    for arm in arms:
        await arm.open()
    for _ in range(100):  # warm: plans, catalogue, buffers
        for arm in arms:
            assert await arm.execute() >= LISTED
    for arm in arms:
        arm.milliseconds.clear()
    for number in range(EXECUTIONS):
        for arm in arms if number % 2 else reversed(arms):
            if rest_seconds:
                await asyncio.sleep(rest_seconds)  # the pause is the input: a backend at rest
            await arm.execute()
    for arm in arms:
        await arm.close()
    return [median(arm.milliseconds) for arm in arms]


def test_row_level_security_on_a_first_page(tiny_url: str, benchmark: BenchmarkFixture) -> None:
    """The aim: at most 1.5 × the same statement without it, in 30 memberships and in 10 000."""

    async def measure() -> dict[int, tuple[list[float], list[float]]]:
        found = {}
        for memberships in (30, 10_000):
            user, conversation = await _busy(tiny_url, memberships, "direct")
            arguments = (conversation, SEQ_MAX, PAGE + 1)
            arms = [Arm(url, user, "list_messages", arguments) for url in (tiny_url, app_url(tiny_url))]
            found[memberships] = await _compare(arms), await _compare(arms, rest_seconds=0)
        return found

    found = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)
    for memberships, ((without, with_policies), (hot_without, hot_with)) in found.items():
        sys.stdout.write(
            f"\nfirst page, {memberships:,} memberships, p50: without row-level security {without:.3f} ms, "
            f"with it {with_policies:.3f} ms, ratio {with_policies / without:.2f} "
            f"(back to back {hot_without:.3f} and {hot_with:.3f} ms, {hot_with / hot_without:.2f})"
        )
        benchmark.extra_info[f"ratio_{memberships}"] = with_policies / without


def test_lists_of_few_and_many_conversations(tiny_url: str, benchmark: BenchmarkFixture) -> None:
    """The aim for direct conversations: a page of 20 of 10 000 costs at most 2 × all 20 of 20; for groups: stated.

    Groups are joined when they are read: a send updates two rows, however many are in, and a list pays for every group
    that one is in. Keeping the order in each participant's row would turn that round: a send would write them all.
    """

    async def measure() -> dict[str, list[float]]:
        found = {}
        for kind in ("direct", "group"):
            users = [(await _busy(tiny_url, count, kind))[0] for count in (LISTED, 10_000)]
            arms = [
                Arm(
                    app_url(tiny_url),
                    user,
                    "list_conversations",
                    (user, NEWEST_CONVERSATIONS.before_at, NEWEST_CONVERSATIONS.before_id, LISTED + 1),
                )
                for user in users
            ]
            found[kind] = await _compare(arms)
        return found

    found = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)
    for kind, (few, many) in found.items():
        sys.stdout.write(
            f"\nlist of {kind} conversations, p50: of {LISTED} {few:.3f} ms, of 10,000 {many:.3f} ms, "
            f"ratio {many / few:.2f}"
        )
        benchmark.extra_info[f"ratio_{kind}"] = many / few
