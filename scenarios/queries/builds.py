"""How long indexes take to build: alone and plain, and CONCURRENTLY while messages come in."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from reference_server.statements import server_statements
from scenarios.queries.arm import Arm
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Unit
from scenarios.queries.strategy_ddl import concurrent_command, created_name, plain_command

# Sends beside a build carry client ids of their own: blocks count executions from zero.
FIRST_EXECUTION = 1_000_000


@dataclass(frozen=True)
class BuildTimes:
    """One index, built twice more."""

    plain_ms: float
    concurrent_ms: float
    sends: int  # answered while it was built CONCURRENTLY


async def time_builds(arms: Sequence[Arm], findings: Findings) -> dict[tuple[str, str], BuildTimes]:
    """(strategy, index) → its times; leaves the index there, and the messages sent meanwhile.

    Indexes without a name in their command are left out, and those whose build fails go into the findings. What
    several strategies have in common is built under the first of them: on the same data it takes the same time.
    """
    found: dict[tuple[str, str], BuildTimes] = {}
    known: dict[str, BuildTimes] = {}  # by command
    hot = await arms[0].first_unit(server_statements()["send_message"])
    for arm in arms:
        execution = FIRST_EXECUTION
        for command in arm.applied.ddl:
            name = created_name(command)
            if name is None or name not in arm.applied.new_indexes:
                continue
            if command in known:
                found[arm.name, name] = known[command]
                continue
            try:
                times = await _time_one(arm, name, command, hot, execution)
            except asyncpg.PostgresError as error:
                findings.warning(f"{name} of {arm.name} cannot be built again: {' '.join(str(error).split())}")
                continue
            execution += times.sends + 1
            known[command] = found[arm.name, name] = times
    return found


async def _time_one(arm: Arm, name: str, command: str, send: Unit, execution: int) -> BuildTimes:
    await arm.drop_index(name)
    plain_ms = await _timed(arm, plain_command(command))
    await arm.drop_index(name)
    build = asyncio.create_task(_timed(arm, concurrent_command(command)))
    sends = 0
    try:
        while not build.done():
            await arm.execute(send, execution + sends)
            sends += 1
    finally:
        concurrent_ms = await build
    return BuildTimes(plain_ms, concurrent_ms, sends)


async def _timed(arm: Arm, command: str) -> float:
    started = time.perf_counter()
    await arm.run_ddl(command)
    return (time.perf_counter() - started) * 1000
