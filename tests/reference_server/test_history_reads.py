"""reference_server.history: who serves a page when the replica does not, with reads whose end the test decides."""

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import pytest

from reference_server.errors import NotFoundError, UnavailableError
from reference_server.history import History, Replica
from reference_server.metrics import Metrics
from reference_server.read_routing import WrittenPositions

PRIMARY_POOL, REPLICA_POOL = object(), object()  # where only their identity matters
LONG = 20.0  # seconds


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncpg.SerializationError("conflict with recovery"), "failed"),
        (UnavailableError("away"), "failed"),
        (NotFoundError("no such conversation"), "missing"),
    ],
)
def test_a_read_that_the_replica_breaks_off_is_the_primary_s(error: Exception, reason: str) -> None:
    """The replay may cancel a read that stands in its way: the reader gets the page all the same, from the primary."""
    metrics = Metrics()
    doubts: list[str] = []
    watch = SimpleNamespace(written=WrittenPositions(1), replayed=2**65, doubt=lambda: doubts.append("doubt"))
    replica = Replica(REPLICA_POOL, watch, "wait", LONG)  # type: ignore[arg-type]
    history = History(PRIMARY_POOL, replica, metrics)  # type: ignore[arg-type]

    async def query(pool: object) -> str:
        if pool is REPLICA_POOL:
            raise error
        return "a page"

    assert asyncio.run(history.read(uuid4(), query)) == ("a page", "primary")
    assert doubts == (["doubt"] if isinstance(error, UnavailableError) else [])
    told = metrics.exposition().decode()
    assert f'chat_replica_fallbacks_total{{reason="{reason}"}} 1.0' in told
    assert 'chat_history_reads_total{policy="wait",source="primary"} 1.0' in told
    assert 'chat_history_reads_total{policy="wait",source="replica"} 0.0' in told
