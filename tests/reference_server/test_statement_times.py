import asyncio
from typing import Any

import asyncpg
import pytest

from reference_server.errors import ConflictError
from reference_server.index_builds import IndexBuilds
from reference_server.metrics import Metrics
from reference_server.statement_times import TimedConnection, timed_statements
from reference_server.statements import Strategy

USER = "00000000-0000-0000-0000-000000000001"


def test_each_way_to_fetch_counts_once(tiny_url: str) -> None:
    """Rows, row and value; an error counts as both, and an unknown name is a mistake of ours."""
    metrics = Metrics()
    kind = type("Connection", (TimedConnection,), {"statements": timed_statements(metrics)})

    def value(metric: str) -> Any:
        return metrics.registry.get_sample_value(metric, {"statement": "find_user"})

    async def main() -> None:
        connection = await asyncpg.connect(tiny_url, connection_class=kind)
        assert await connection.fetch_rows("find_user", USER) == []
        assert await connection.fetch_row("find_user", USER) is None
        assert await connection.fetch_value("find_user", USER) is None
        with pytest.raises(asyncpg.DataError):
            await connection.fetch_row("find_user", "nobody")
        with pytest.raises(KeyError):
            await connection.fetch_row("find_everything")
        await connection.close()

    asyncio.run(main())
    assert value("chat_statement_seconds_count") == 4
    assert value("chat_statement_errors_total") == 1


def test_index_commands_are_counted_and_timed(tiny_url: str) -> None:
    """The longest statements that a server executes: builds that fail, what clears up behind them, and drops."""
    metrics = Metrics()
    builds = IndexBuilds(tiny_url, timed_statements(metrics))

    def counts(metric: str) -> list[float | None]:
        names = ("index_build", "index_drop")
        return [metrics.registry.get_sample_value(metric, {"statement": name}) for name in names]

    def strategy(command: str) -> Strategy:
        return Strategy("counted", "Counted.", ("*",), (command,))

    assert counts("chat_statement_seconds_count") == [0, 0]
    with pytest.raises(ConflictError, match="could not create unique index"):
        asyncio.run(builds.apply(strategy("CREATE UNIQUE INDEX CONCURRENTLY counted ON conversations (type)")))
    assert counts("chat_statement_seconds_count") == [1, 1]
    assert counts("chat_statement_errors_total") == [1, 0]
    good = strategy("CREATE INDEX CONCURRENTLY counted ON conversations (type)")
    asyncio.run(builds.apply(good))
    asyncio.run(builds.drop(good))
    assert counts("chat_statement_seconds_count") == [2, 2]
    assert counts("chat_statement_errors_total") == [1, 0]
    assert all(seconds for seconds in counts("chat_statement_seconds_sum"))
