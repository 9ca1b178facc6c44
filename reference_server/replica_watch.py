"""How far the replica is: one connection to each side, asked often while somebody waits and rarely otherwise."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from fixtures.database import connect, redacted
from fixtures.errors import InputError
from reference_server import logs
from reference_server.event_waits import wait_for_event
from reference_server.pool import CONNECTION_ERRORS
from reference_server.read_routing import WrittenPositions, poll_pause_seconds
from reference_server.statement_times import TimedStatement

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.2  # between attempts at a side that does not answer
_QUESTIONS_APART_SECONDS = 0.002  # writes that come closer share a question
_LAG_EVERY_SECONDS = 1.0  # the primary is asked this often when nothing is written here: others may write
_KEPT_MAX = 100_000  # conversations written to and not replayed yet; 10 MB

_ERRORS = (*CONNECTION_ERRORS, asyncpg.PostgresError)


async def require_replica(database_url: str, replica_url: str, statements: Mapping[str, TimedStatement]) -> None:
    """InputError when the second URL names no standby of the first one's server, or another database of it."""
    identity = statements["cluster_identity"]
    async with connect(database_url) as primary, connect(replica_url) as replica:
        expected = await identity.execute(primary.fetchrow)
        found = await identity.execute(replica.fetchrow)
    if not found["is_standby"]:
        raise InputError(
            f"{redacted(replica_url)} is no standby; name a streaming replica of the database with --replica, "
            "or leave it out"
        )
    if (found["system_identifier"], found["database"]) != (expected["system_identifier"], expected["database"]):
        raise InputError(
            f"{redacted(replica_url)} is no replica of {redacted(database_url)}; name one of that server and database"
        )


class Side(Protocol):
    """The primary or the replica, as far as it is asked for its position."""

    async def ask(self) -> Any:
        """`position`, and of the replica `is_standby`; one of _ERRORS when no answer comes in time."""

    def close(self) -> None:
        """Ends the connection."""


class _Probe:
    """One question on one connection, which is opened again after it broke."""

    def __init__(
        self, url: str, question: TimedStatement, timeout_seconds: float, lost: Callable[[], None] = lambda: None
    ) -> None:
        """`lost` is called when the connection has ended, by whomever."""
        self._lost = lost
        self._url = url
        self._question = question
        self._timeout_seconds = timeout_seconds
        self._connection: asyncpg.Connection | None = None

    async def ask(self) -> Any:
        """The row that answers; one of _ERRORS when none comes in time."""
        try:
            if self._connection is None:
                self._connection = await asyncpg.connect(
                    self._url,
                    timeout=self._timeout_seconds,
                    command_timeout=self._timeout_seconds,
                    server_settings={"application_name": "chatbench replica watch"},
                )
                self._connection.add_termination_listener(lambda _: self._lost())
            return await self._question.execute(self._connection.fetchrow)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the connection without a goodbye."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


class ReplicaWatch:
    """Knows what has been written, and how much of it the replica has replayed."""

    def __init__(self, primary: Side, replica: Side, set_lag_bytes: Callable[[float], None]) -> None:
        self.written = WrittenPositions(_KEPT_MAX)
        self.replayed: int | None = None  # a position in the WAL; None while the replica does not answer
        self._primary = primary
        self._replica = replica
        self._set_lag_bytes = set_lag_bytes
        self._primary_position = 0
        self._lost_at: float | None = None  # by the monotonic clock; None while it answers
        self._waiting = 0
        self._is_idle = False
        self._doubts = 0
        self._news = asyncio.Event()
        self._has_written = asyncio.Event()
        self._poll_soon = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        primary_url: str,
        replica_url: str,
        *,
        statements: Mapping[str, TimedStatement],
        timeout_seconds: float,
        set_lag_bytes: Callable[[float], None],
    ) -> AsyncIterator["ReplicaWatch"]:
        """A watch that knows where the replica is, and goes on knowing it."""
        primary = _Probe(primary_url, statements["primary_position"], timeout_seconds)
        replica = _Probe(replica_url, statements["replica_position"], timeout_seconds, lambda: watch.doubt())  # noqa: PLW0108 - made below
        watch = cls(primary, replica, set_lag_bytes)
        async with watch.running():
            yield watch

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Asks both sides while the block lasts; where they are is known when it begins, unless they do not answer."""
        await self._ask_primary()
        await self._poll()
        tasks = [asyncio.create_task(self._follow_primary()), asyncio.create_task(self._follow_replica())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._primary.close()
            self._replica.close()

    def wrote(self, conversation_id: UUID) -> None:
        """Something of the conversation has been committed: its position is asked for at once."""
        self.written.wrote(conversation_id)
        self._has_written.set()

    def doubt(self) -> None:
        """Something on the replica ended: it serves nothing until it has said how far it is, which may be less now."""
        self._doubts += 1
        self.replayed = None
        self._poll_soon.set()

    @contextmanager
    def attention(self) -> Iterator[None]:
        """While the block lasts, the replica is asked often."""
        self._waiting += 1
        self._poll_soon.set()
        try:
            yield
        finally:
            self._waiting -= 1

    async def news(self, timeout_seconds: float) -> None:
        """Returns when a position became known or was asked for in vain, or after the time."""
        await wait_for_event(self._news, timeout_seconds)

    async def _follow_primary(self) -> None:
        while True:
            await wait_for_event(self._has_written, _LAG_EVERY_SECONDS)
            self._has_written.clear()
            if not await self._ask_primary():
                self._has_written.set()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if self._is_idle and self.written.has_unreplayed:
                self._poll_soon.set()
            self._tell()
            await asyncio.sleep(_QUESTIONS_APART_SECONDS)

    async def _ask_primary(self) -> bool:
        """Asks how far everything told before is; False when no answer comes."""
        self.written.ask()
        try:
            position = (await self._primary.ask())["position"]
        except _ERRORS:
            return False
        self.written.answer(position)
        self._primary_position = max(position, self._primary_position)
        return True

    async def _follow_replica(self) -> None:
        unmoved_polls = 0
        while True:
            pause = poll_pause_seconds(
                is_awaited=self._waiting > 0,
                has_unreplayed=self.written.has_unreplayed,
                unmoved_polls=unmoved_polls,
            )
            self._is_idle = self._waiting == 0 and not self.written.has_unreplayed
            if self.replayed is None and not self._poll_soon.is_set():
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await wait_for_event(self._poll_soon, pause)
            self._poll_soon.clear()
            unmoved_polls = 0 if await self._poll() else unmoved_polls + 1

    async def _poll(self) -> bool:
        """Asks the replica; True when its position has changed."""
        before, doubts = self.replayed, self._doubts
        reason = "it is no standby any more"  # one that was promoted has a history of its own from then on
        try:
            row = await self._replica.ask()
            if doubts != self._doubts:
                return True  # it answered before the doubt: the next answer tells
            self.replayed = row["position"] if row["is_standby"] else None
        except _ERRORS as error:
            self.replayed = None
            reason = f"{type(error).__name__}: {error}"
        self._note(reason)
        if self.replayed is not None:
            self.written.replayed(self.replayed)
            self._set_lag_bytes(max(0, self._primary_position - self.replayed))
        self._tell()
        return self.replayed != before

    def _note(self, reason: str) -> None:
        """Logs, once, that the replica is away or back; while it is away, nobody knows how far behind it is."""
        if self.replayed is None and self._lost_at is None:
            self._lost_at = time.monotonic()
            self._set_lag_bytes(math.nan)
            logs.event(_log, logging.WARNING, "replica_lost", reason=reason)
        elif self.replayed is not None and self._lost_at is not None:
            lost_seconds, self._lost_at = time.monotonic() - self._lost_at, None
            logs.event(_log, logging.INFO, "replica_back", lost_seconds=round(lost_seconds, 3))

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
