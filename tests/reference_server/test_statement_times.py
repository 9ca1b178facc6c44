import asyncio
from typing import Any

import asyncpg
import pytest

from reference_server.metrics import Metrics
from reference_server.statement_times import TimedConnection, timed_statements

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
