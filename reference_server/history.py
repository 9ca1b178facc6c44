"""Pages of messages, from the replica when there is one and it may serve them, else from the primary.

need ──▶ decide ──▶ replica ──▶ page
          │  ▲         │ fails
     wait ▼  │         ▼
         news       primary ──▶ page
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import asyncpg

from reference_server.errors import NotFoundError, UnavailableError
from reference_server.metrics import Metrics
from reference_server.pool import AppPool
from reference_server.read_routing import Policy, Source, Step, decide
from reference_server.replica_watch import ReplicaWatch

T = TypeVar("T")

# The replay needed to remove what the read was looking at, and did not wait longer.
_BROKEN_OFF = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


@dataclass(frozen=True)
class Replica:
    """A replica that may serve pages, and how."""

    pool: AppPool
    watch: ReplicaWatch
    policy: Policy
    wait_seconds: float  # at most, for one page


class History:
    """Reads pages, and counts who served them."""

    def __init__(self, primary: AppPool, replica: Replica | None, metrics: Metrics) -> None:
        self._primary = primary
        self._replica = replica
        policy = "none" if replica is None else replica.policy
        # Looked up once: it costs more than counting.
        self._reads = {source: metrics.history_reads.labels(source, policy) for source in ("primary", "replica")}
        self._fallbacks = metrics.replica_fallbacks
        self._observe_wait = metrics.replica_wait_seconds.labels().observe
        self._stalled_at: int | None = None  # where the replica was when somebody waited in vain

    def wrote(self, conversation_id: UUID) -> None:
        """Something of the conversation has been committed; call it before anyone is told."""
        if self._replica is not None:
            self._replica.watch.wrote(conversation_id)

    async def read(self, conversation_id: UUID, query: Callable[[AppPool], Awaitable[T]]) -> tuple[T, Source]:
        """What the query gives, and who served it. The primary is asked whenever the replica cannot answer.

        NotFoundError comes from the primary alone: a replica that lags knows nothing of a new conversation.
        """
        if self._replica is not None:
            step = await self._choose(self._replica, conversation_id)
            if step == "replica":
                try:
                    result = await query(self._replica.pool)
                except UnavailableError:
                    step = "failed"
                    self._replica.watch.doubt()
                except _BROKEN_OFF:
                    step = "failed"
                except NotFoundError:
                    step = "missing"
                else:
                    self._reads["replica"].inc()
                    return result, "replica"
            self._fallbacks.labels(step).inc()
        result = await query(self._primary)
        self._reads["primary"].inc()
        return result, "primary"

    async def _choose(self, replica: Replica, conversation_id: UUID) -> Step:
        """Where to read, after waiting when the policy says so."""
        watch = replica.watch
        # What counts is what was written before the reader came: a busy conversation would never be caught up with.
        need = watch.written.need(conversation_id)
        # One in vain is enough: until the replica moves again, nobody else waits for it.
        may_wait = watch.replayed != self._stalled_at
        step = decide(replica.policy, need, watch.replayed, may_wait=may_wait)
        if step != "wait":
            return step
        loop = asyncio.get_running_loop()
        began = loop.time()
        with watch.attention():
            while step == "wait":
                rest = began + replica.wait_seconds - loop.time()
                if rest > 0:
                    await watch.news(rest)
                need = watch.written.resolved(need)
                step = decide(replica.policy, need, watch.replayed, may_wait=rest > 0)
        self._observe_wait(loop.time() - began)
        self._stalled_at = watch.replayed if step == "late" else None
        return step
