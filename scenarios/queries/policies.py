"""Forms of row-level security against each other: the same data and indexes, other policies, the app's own role."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path

import asyncpg

from fixtures.errors import InputError
from fixtures.progress import Progress
from fixtures.templates import cloned_database
from reference_server.statements import Statement, find_strategy, read_statement, server_statements
from scenarios.queries.arm import Arm, open_arm
from scenarios.queries.arms import DATABASE_PREFIX
from scenarios.queries.blocks import Blocks
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Unit
from scenarios.run_folder import RunFolder

POLICIES_FOLDER = Path(__file__).parent / "policies"
# The first is what the others are compared with, and the second the server's own.
LEADING = ("rls_off", "scalar_subquery")
# The server's default, whose indexes every form can use.
STRATEGY = "roadmap_membership"
# Each reads a table whose policy asks for memberships: a page, a list of people, one row, one's own list.
STATEMENTS = ("list_messages", "list_participants", "get_conversation", "list_conversations")
WORKLOAD = {
    "executions": 20,  # guess: per unit, form and block; enough for a block's median
    "statement_timeout_seconds": 10.0,  # guess: a form that takes longer for one page is of no use
}


@cache
def policies() -> dict[str, Statement]:
    """Every form by name, rls_off first."""
    found = {path.stem: read_statement(path) for path in sorted(POLICIES_FOLDER.glob("*.sql"))}
    return {name: found[name] for name in (*LEADING, *(name for name in found if name not in LEADING))}


async def compare_policies(
    cluster_url: str,
    template: str,
    folder: RunFolder,
    *,
    block_count: int,
    finished: int,  # of them, by earlier sittings
    seed: int,
    findings: Findings,
    block_finished: Callable[[], None],
    progress: Progress,
) -> None:
    """Blocks over one arm per form, whose lines name it. The data is the template's, untouched.

    A form that fails goes into the findings. Forms that give other rows than without row-level security do too:
    the callers are members of what they ask for, so that every form has to let them see it.
    """
    async with AsyncExitStack() as stack:
        arms: list[Arm] = []
        for policy in policies().values():
            url = await stack.enter_async_context(cloned_database(cluster_url, template, prefix=DATABASE_PREFIX))
            try:
                arm = open_arm(url, find_strategy(STRATEGY), WORKLOAD["statement_timeout_seconds"], policy)
                arms.append(await stack.enter_async_context(arm))
            except (asyncpg.PostgresError, InputError) as error:
                findings.reason(f"policy {policy.name!r} is left out: {' '.join(str(error).split())}")
        cases = await arms[0].cases_in("policy_classes")
        units = [Unit(server_statements()[name], case) for name in STATEMENTS for case in cases]
        blocks = Blocks(arms, folder, findings, count=block_count, seed=seed)
        blocks.know_plans(line for line in folder.read_queries() if line.policy is not None)
        measured = await blocks.try_out(units, int(WORKLOAD["executions"]), progress)
        for block in range(finished, block_count):
            await blocks.run(block, measured, progress)
            block_finished()
