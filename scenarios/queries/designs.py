"""Other designs for messages: what their tables take up, and what storing costs when several sessions do it at once."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import asyncpg
import msgspec

from reference_server.statements import read_statement
from scenarios.queries.arm import Arm
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import SQL_FOLDER, Unit
from scenarios.queries.variants import Variant
from scenarios.study import DesignSize, Storing

QUESTION = "storing"
CHANNEL = "laboratory"  # of store_and_notify
SESSION_COUNTS = (1, 8)  # guess: alone, and as many as the connections of a small server's pool
WORKLOAD = {
    "blocks": 6,  # as many as a median's interval needs
    "executions": 20,  # guess: per session and block; each is a commit, which waits for the disk
}
SAMPLING_SECONDS = 0.005  # guess: a few looks at who waits in every turn
# Messages of its own: blocks count executions from zero, sends beside builds from a million.
FIRST_EXECUTION = 2_000_000


async def fresh_sizes(arm: Arm) -> tuple[DesignSize, ...]:
    """The laboratory's own tables in an arm that nobody has written to."""
    return tuple([
        DesignSize(
            table=row["name"],
            fresh_rows=(await arm.fetch_as_administrator(row["counting"]))[0][0],
            fresh_table_bytes=row["table_bytes"],
            fresh_index_bytes=row["index_bytes"],
        )
        for row in await arm.fetch_as_administrator(_SIZES.text)
    ])  # fmt: skip


async def churned_sizes(arm: Arm, fresh: Sequence[DesignSize]) -> tuple[DesignSize, ...]:
    """The same tables after the blocks' writes."""
    now = {size.table: size for size in await fresh_sizes(arm)}
    return tuple(
        msgspec.structs.replace(
            size,
            churned_rows=now[size.table].fresh_rows,
            churned_table_bytes=now[size.table].fresh_table_bytes,
            churned_index_bytes=now[size.table].fresh_index_bytes,
        )
        for size in fresh
    )


async def store_at_once(arm: Arm, variants: Sequence[Variant], findings: Findings) -> tuple[Storing, ...]:
    """Every way of storing that was asked for, by one session and by several at once; the messages stay."""
    units = [await arm.first_unit(item.statement) for item in variants if item.question == QUESTION]
    try:
        return await _store(arm, units) if units else ()
    except asyncpg.PostgresError as error:
        findings.warning(f"storing by several sessions at once is not known: {' '.join(str(error).split())}")
        return ()


async def _store(arm: Arm, units: Sequence[Unit]) -> tuple[Storing, ...]:
    found: list[Storing] = []
    execution = FIRST_EXECUTION
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(arm.other_session()) for _ in range(max(SESSION_COUNTS))]
        listener = await stack.enter_async_context(arm.other_session())
        await listener.add_listener(CHANNEL, lambda *_: None)  # as a server has one
        for count in SESSION_COUNTS:
            for block in range(WORKLOAD["blocks"]):
                for unit in units if block % 2 == 0 else reversed(units):
                    await arm.checkpoint()  # every turn finds pages that have to be written whole
                    found.append(await _turn(arm, sessions[:count], unit, block, execution))
                    execution += count * WORKLOAD["executions"]
    return tuple(found)


async def _turn(
    arm: Arm, sessions: Sequence[asyncpg.Connection], unit: Unit, block: int, first_execution: int
) -> Storing:
    """All sessions at once, each one commit after the other."""
    prepared = [await session.prepare(unit.statement.text) for session in sessions]
    each = WORKLOAD["executions"]

    async def store(number: int) -> None:
        for execution in range(each):
            await prepared[number].fetch(*unit.arguments(first_execution + number * each + execution))

    wal_before = await _wal_bytes(arm)
    started = time.perf_counter()
    storing = asyncio.gather(*(store(number) for number in range(len(sessions))))
    waiting = []
    while not storing.done():
        waiting.append((await arm.fetch_as_administrator(_WAITING.text))[0][0])
        await asyncio.wait([storing], timeout=SAMPLING_SECONDS)
    await storing
    seconds = time.perf_counter() - started
    return Storing(
        statement=unit.statement.name,
        sessions=len(sessions),
        block=block,
        commits=each * len(sessions),
        seconds=seconds,
        wal_bytes=await _wal_bytes(arm) - wal_before,
        waiting_sessions=sum(waiting) / len(waiting),
    )


async def _wal_bytes(arm: Arm) -> int:
    """How far the cluster's WAL reaches: nobody else writes while the laboratory is at work."""
    ((position, *_),) = await arm.fetch_as_administrator(_WAL_POSITION.text)
    return int(position)


_SIZES = read_statement(SQL_FOLDER / "design_sizes.sql")
_WAL_POSITION = read_statement(SQL_FOLDER / "wal_position.sql")
_WAITING = read_statement(SQL_FOLDER / "waiting_to_notify.sql")
