"""Tests of scenarios/queries/strategy_ddl.py."""

import asyncio

import asyncpg
import pytest

from fixtures.errors import InputError
from fixtures.templates import cloned_database
from reference_server.statements import Strategy, shipped_strategies
from reference_server.statements import check_strategy as check
from scenarios.queries.arms import DATABASE_PREFIX
from scenarios.queries.strategy_ddl import AppliedStrategy, apply


def strategy(*commands: str, name: str = "mine") -> Strategy:
    return Strategy(name=name, purpose="A test's.", statements=("*",), commands=commands)


def applied(url: str, *commands: str) -> AppliedStrategy:
    """Applies commands to a database that has a table."""

    async def run() -> AppliedStrategy:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "CREATE TABLE t (a int, b text); INSERT INTO t SELECT n % 10, n::text FROM generate_series(1, 1000) n; "
                "CREATE INDEX t_a ON t (a)"
            )
            return await apply(connection, strategy(*commands))
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.mark.parametrize("shipped", shipped_strategies().values(), ids=lambda item: item.name)
def test_shipped_strategies_are_index_ddl(shipped: Strategy) -> None:
    """Every strategy that chatbench ships passes its own check."""
    check(shipped)


@pytest.mark.parametrize(
    "command",
    [
        "CREATE INDEX ON t (a)",
        "create unique index concurrently i on t (a) where b is not null",
        "DROP INDEX CONCURRENTLY i",
        "ALTER TABLE t SET (fillfactor = 85)",
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET STATISTICS 1000",
        "ALTER TABLE t ALTER b SET STORAGE EXTERNAL",
        "ALTER INDEX i SET (fastupdate = off)",
        "ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 500",
    ],
)
def test_index_and_storage_commands_are_allowed(command: str) -> None:
    """Indexes, statistics targets and storage are what a strategy is made of."""
    check(strategy(command))


@pytest.mark.parametrize(
    "command",
    [
        "DELETE FROM t",
        "UPDATE t SET a = 1",
        "DROP TABLE t",
        "TRUNCATE t",
        "CREATE TABLE u (a int)",
        "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE t SET (fillfactor = 85), DROP COLUMN a",
        "ALTER TABLE t ALTER COLUMN a SET STATISTICS 10, ALTER COLUMN b TYPE int USING 1",
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT 1",
        "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
        "/* CREATE INDEX */ DELETE FROM t",
        "DO $$ BEGIN DELETE FROM t",
    ],
)
def test_commands_that_touch_more_are_refused(command: str) -> None:
    """Whatever could change rows or answers is refused with the command in the sentence."""
    with pytest.raises(InputError, match="'mine' may not run") as refusal:
        check(strategy("CREATE INDEX ON t (a)", command))
    assert command in str(refusal.value)


def test_only_none_may_be_empty() -> None:
    """A strategy without a command says nothing, unless saying nothing is its purpose."""
    check(strategy(name="none"))
    with pytest.raises(InputError, match="'mine' holds no command"):
        check(strategy())


def test_what_was_made_is_told(empty_url: str) -> None:
    """New indexes, the size of all, and whether the planner needs new statistics."""
    made = applied(empty_url, "CREATE INDEX CONCURRENTLY t_b ON t (b)")
    assert made.new_indexes == ("t_b",)
    assert made.index_bytes.keys() == {"t_a", "t_b"}
    assert all(size >= 8192 for size in made.index_bytes.values())
    assert not made.needs_statistics
    assert made.build_seconds > 0


def test_computed_columns_need_statistics(empty_url: str) -> None:
    """An index on an expression has statistics of its own, which the template cannot have."""
    assert applied(empty_url, "CREATE INDEX ON t (lower(b))").needs_statistics


def test_a_failing_command_is_one_sentence(empty_url: str) -> None:
    """PostgreSQL's reason is passed on with strategy and command."""
    with pytest.raises(InputError, match=r"'mine' fails at 'CREATE INDEX ON t \(missing\)': column .* does not exist"):
        applied(empty_url, "CREATE INDEX ON t (missing)")


def test_a_unique_index_on_duplicates_fails(empty_url: str) -> None:
    """CONCURRENTLY leaves an invalid index behind when it fails; the strategy is refused all the same."""
    with pytest.raises(InputError, match="could not create unique index"):
        applied(empty_url, "CREATE UNIQUE INDEX CONCURRENTLY ON t (a)")


def test_making_what_is_there_creates_nothing(empty_url: str) -> None:
    """IF NOT EXISTS on an index that exists leaves nothing to compare."""
    with pytest.raises(InputError, match="'mine' creates nothing"):
        applied(empty_url, "CREATE INDEX IF NOT EXISTS t_a ON t (a)")


def test_a_storage_setting_is_a_change(empty_url: str) -> None:
    """A strategy need not make an index."""
    assert applied(empty_url, "ALTER TABLE t SET (fillfactor = 85)").new_indexes == ()


@pytest.mark.parametrize(
    ("commands", "sentence"),
    [
        (("CREATE INDEX twin ON t (a)",), "'mine' creates twin, which is t_a again"),
        (("CREATE INDEX one ON t (b)", "CREATE INDEX two ON t (b)"), "'mine' creates two, which is one again"),
    ],
)
def test_an_index_that_is_there_twice_is_refused(empty_url: str, commands: tuple[str, ...], sentence: str) -> None:
    """Under another name it would cost every write and serve no read."""
    with pytest.raises(InputError, match=sentence):
        applied(empty_url, *commands)


def test_indexes_that_differ_in_order_or_predicate_are_no_duplicates(empty_url: str) -> None:
    """Only the same keys, order and predicate make a duplicate."""
    made = applied(empty_url, "CREATE INDEX down ON t (a DESC)", "CREATE INDEX part ON t (a) WHERE b IS NOT NULL")
    assert set(made.new_indexes) == {"down", "part"}


def test_every_shipped_strategy_can_be_built(cluster_url: str, bare_template: str) -> None:
    """Each one makes indexes on the server's schema, and no duplicate of a key."""

    async def run() -> None:
        for shipped in shipped_strategies().values():
            async with cloned_database(cluster_url, bare_template, prefix=DATABASE_PREFIX) as url:
                connection = await asyncpg.connect(url)
                try:
                    made = await apply(connection, shipped)
                finally:
                    await connection.close()
                assert len(made.new_indexes) == len(shipped.commands)

    asyncio.run(run())
