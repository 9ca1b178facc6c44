"""Tests of scenarios/queries/arm.py and blocks.py on a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from fixtures.errors import InputError
from fixtures.templates import cloned_database
from reference_server.statements import Parameter, Statement, find_strategy, server_statements
from scenarios.queries.arm import Arm, affected_rows, open_arm
from scenarios.queries.arms import DATABASE_PREFIX
from scenarios.queries.blocks import Blocks
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Case, Unit, units_of
from scenarios.run_folder import RunFolder


@asynccontextmanager
async def arms(cluster_url: str, template: str, *names: str) -> AsyncIterator[list[tuple[Arm, str]]]:
    """Open arms with the URLs of their databases."""
    async with AsyncExitStack() as stack:
        opened = []
        for name in names:
            url = await stack.enter_async_context(cloned_database(cluster_url, template, prefix=DATABASE_PREFIX))
            opened.append((await stack.enter_async_context(open_arm(url, find_strategy(name), 0.5)), url))
        yield opened


async def unit_of(arm: Arm, statement: str, parameter_class: str) -> Unit:
    units = units_of(server_statements()[statement], await arm.read_cases())
    return next(unit for unit in units if unit.case.parameter_class == parameter_class)


def with_arm(cluster_url: str, template: str, action: Callable[[Arm, str], Awaitable[None]]) -> None:
    """Runs an action on one arm without indexes."""

    async def run() -> None:
        async with arms(cluster_url, template, "none") as [(arm, url)]:
            await action(arm, url)

    asyncio.run(run())


async def ask(url: str, question: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        answer: int = await connection.fetchval(question)
        return answer
    finally:
        await connection.close()


def test_trying_out_leaves_nothing(cluster_url: str, bare_template: str) -> None:
    """A tried or explained write is seen to write and is taken back; an executed one stays."""

    async def check(arm: Arm, url: str) -> None:
        send = await unit_of(arm, "send_message", "hot")
        before = await ask(url, "SELECT count(*) FROM chat_messages")
        tried = await arm.try_out(send, 0)
        explained = await arm.explain(send, 1)
        assert (tried.wrote, tried.row_count) == (True, 1)
        assert explained.summary.wal_bytes > 0
        assert await ask(url, "SELECT count(*) FROM chat_messages") == before
        latency_us, row_count = await arm.execute(send, 2)
        assert latency_us > 0
        assert row_count == 1
        assert await ask(url, "SELECT count(*) FROM chat_messages") == before + 1

    with_arm(cluster_url, bare_template, check)


def test_row_level_security_binds(cluster_url: str, bare_template: str) -> None:
    """Executions see what their caller may see: a stranger finds no message in the hot conversation."""

    async def check(arm: Arm, url: str) -> None:
        page = await unit_of(arm, "list_messages", "hot_first_page")
        stranger = Unit(page.statement, Case("hot_first_page", UUID(int=99), page.case.values, {}))
        assert (await arm.try_out(page, 0)).row_count == 50
        assert (await arm.try_out(stranger, 0)).row_count == 0

    with_arm(cluster_url, bare_template, check)


def test_the_explained_plan_is_the_executed_one(cluster_url: str, bare_template: str) -> None:
    """EXPLAIN shows the prepared statement's own plan: custom at first, generic once it has settled."""

    async def check(arm: Arm, url: str) -> None:
        page = await unit_of(arm, "list_messages", "hot_first_page")
        first = await arm.explain(page, 0)
        for _ in range(6):
            await arm.try_out(page, 0)
        settled = await arm.explain(page, 0)
        assert (first.plan_mode, settled.plan_mode) == ("custom", "generic")
        assert "$1" in settled.document
        assert "$1" not in first.document
        assert first.summary.plan_hash == settled.summary.plan_hash

    with_arm(cluster_url, bare_template, check)


def test_update_counts_are_there_at_once(cluster_url: str, bare_template: str) -> None:
    """Each send is one update of the conversation and one of the sender, counted when the next statement begins."""

    async def check(arm: Arm, url: str) -> None:
        send = await unit_of(arm, "send_message", "hot")
        before = await arm.update_counts()
        for execution in range(10):
            await arm.execute(send, execution)
        after = await arm.update_counts()
        for table in ("conversations", "conversation_participants"):
            assert after[table][0] - before[table][0] == 10
            assert after[table][1] - before[table][1] >= 9  # the first may have to leave its full page

    with_arm(cluster_url, bare_template, check)


def test_a_database_that_is_not_ours_is_refused(cluster_url: str, empty_url: str) -> None:
    """Nothing is laid over a database without a data set."""

    async def run() -> None:
        async with open_arm(empty_url, find_strategy("none"), 1.0):
            pass

    with pytest.raises(InputError, match="holds no chatbench data set"):
        asyncio.run(run())


@pytest.mark.parametrize(("status", "rows"), [("SELECT 50", 50), ("INSERT 0 1", 1), ("UPDATE 3", 3), ("BEGIN", 0)])
def test_affected_rows(status: str, rows: int) -> None:
    """The last number of a command's status."""
    assert affected_rows(status) == rows


def silent(_step: str, _share: float) -> None:
    """No progress wanted."""


def test_other_rows_are_reported_before_times(cluster_url: str, bare_template: str, run_folder: RunFolder) -> None:
    """A strategy whose database answers otherwise is wrong, with a row that is missing."""

    async def run() -> Findings:
        findings = Findings()
        async with arms(cluster_url, bare_template, "none", "roadmap") as opened:
            page = await unit_of(opened[0][0], "list_messages", "hot_first_page")
            conversation = page.case.values["conversation_id"]
            await ask(
                opened[1][1],
                "WITH gone AS (DELETE FROM chat_messages WHERE seq = "
                f"(SELECT last_seq FROM conversations WHERE id = '{conversation}') "
                f"AND conversation_id = '{conversation}' RETURNING 1) SELECT count(*) FROM gone",
            )
            blocks = Blocks([arm for arm, _ in opened], run_folder, findings, count=1, seed=1)
            await blocks.try_out([page], 4, silent)
        return findings

    findings = asyncio.run(run())
    assert findings.wrong == {("list_messages", "hot_first_page", "roadmap")}
    assert findings.reasons[0].startswith(
        "index strategy 'roadmap' is wrong: it returns other rows than none "
        "for list_messages (hot_first_page): 1 missing"
    )


def test_statements_that_fail_or_never_end_are_left_out(
    cluster_url: str, bare_template: str, run_folder: RunFolder
) -> None:
    """One sentence each, and the others go on."""

    async def run() -> tuple[Findings, list[str]]:
        findings = Findings()
        async with arms(cluster_url, bare_template, "none") as [(arm, _)]:
            good = await unit_of(arm, "find_user", "heavy")
            bad = [
                Unit(Statement(name, "A test's.", (Parameter("user_id", "uuid"),), text), good.case)
                for name, text in (("endless", "SELECT pg_sleep(60), $1::uuid"), ("broken", "SELECT 1 / 0, $1::uuid"))
            ]
            blocks = Blocks([arm], run_folder, findings, count=1, seed=1)
            measured = await blocks.try_out([*bad, good], 4, silent)
            await blocks.run(0, measured, silent)
        return findings, [item.unit.title for item in measured]

    findings, titles = asyncio.run(run())
    assert titles == ["find_user (heavy)"]
    assert findings.reasons == [
        "endless (heavy) is left out: it fails under none: it took longer than the statement timeout",
        "broken (heavy) is left out: it fails under none: division by zero",
    ]
    assert [line.statement for line in run_folder.read_queries()] == ["find_user"]
