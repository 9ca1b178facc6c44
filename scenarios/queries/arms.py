"""The arms of a comparison: one template, what the variants need made on a copy of it, and one copy per strategy."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from fixtures.database import connect, database_name, require_writable
from fixtures.errors import InputError
from fixtures.progress import Progress
from fixtures.templates import RUN_PREFIX, cloned_database
from reference_server.statements import Strategy, check_strategy
from scenarios.queries.arm import Arm, open_arm
from scenarios.queries.cluster import check_disk, database_bytes, laboratory_lock
from scenarios.queries.findings import Findings
from scenarios.queries.variants import Variant, setup_commands, unknown_statements

# Below the prefix of run copies, so that those of a killed laboratory are dropped like them.
DATABASE_PREFIX = f"{RUN_PREFIX}laboratory_"


@dataclass(frozen=True)
class OpenArms:
    """What can be measured with."""

    arms: list[Arm]
    variants: list[Variant]  # whose set-up worked
    template_bytes: int


def copy_count(strategies: Sequence[Strategy], variants: Sequence[Variant]) -> int:
    """The copies of a template that an arm per strategy takes: one more when a set-up has to be made first."""
    return len(strategies) + any(variant.setup is not None for variant in variants)


@asynccontextmanager
async def open_arms(
    cluster_url: str,
    template: str,
    strategies: Sequence[Strategy],
    variants: Sequence[Variant],
    *,
    other_copies: int = 0,  # that the caller is going to make
    findings: Findings,
    statement_timeout_seconds: float,
    progress: Progress,
) -> AsyncIterator[OpenArms]:
    """An arm per strategy that works; what is wrong with the others goes into the findings.

    InputError when none works, when another laboratory is at work, and when the copies will not fit on the disk.
    """
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(connect(cluster_url))
        await require_writable(cluster, cluster_url)
        await stack.enter_async_context(laboratory_lock(cluster, cluster_url))
        template_bytes = await database_bytes(cluster, template) or 0
        setups = sorted({variant.setup for variant in variants if variant.setup is not None})
        copies = copy_count(strategies, variants) + other_copies
        await check_disk(cluster, cluster_url, bytes_each=template_bytes, copies=copies)
        failed: set[Path] = set()
        if setups:
            prepared = await stack.enter_async_context(
                cloned_database(cluster_url, template, prefix=f"{DATABASE_PREFIX}setup_")
            )
            failed = await _set_up(prepared, setups, findings)
            template = database_name(prepared)
        arms = []
        for number, strategy in enumerate(strategies):
            progress(f"building {strategy.name}", number / len(strategies))
            try:
                check_strategy(strategy)
                for name in unknown_statements(strategy.statements, variants):
                    findings.warning(
                        f"index strategy {strategy.name!r} is meant for {name!r}, which is no statement; see --list"
                    )
                url = await stack.enter_async_context(cloned_database(cluster_url, template, prefix=DATABASE_PREFIX))
                arms.append(await stack.enter_async_context(open_arm(url, strategy, statement_timeout_seconds)))
            except InputError as error:
                findings.reason(str(error))
        if not arms:
            raise InputError("; ".join(findings.reasons))
        yield OpenArms(arms, [variant for variant in variants if variant.setup not in failed], template_bytes)


async def _set_up(url: str, setups: Sequence[Path], findings: Findings) -> set[Path]:
    """Runs each set-up in a transaction of its own; those that fail, whose reasons go into the findings."""
    failed = set()
    async with connect(url) as admin:
        for path in setups:
            try:
                async with admin.transaction():
                    await admin.execute(setup_commands(path))
            except asyncpg.PostgresError as error:
                failed.add(path)
                findings.reason(
                    f"the set-up {path.name} fails: {' '.join(str(error).split())}; "
                    "the statements that need it are left out"
                )
    return failed
