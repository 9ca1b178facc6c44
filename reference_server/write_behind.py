"""Rows that follow what memory says: marked at once, written later, each key at most once at a time.

A key that is marked again before it is written is written once, with what memory says by then. When the queue is full
or the database fails, it is not known which rows are right: everything that memory knows is then written anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import asyncpg

from reference_server.errors import UnavailableError
from reference_server.metrics import Metrics

LANES = 4  # writers, each with a database connection while it has work; a key stays with its writer
_PAUSE_SECONDS = 0.5  # before the database is asked again after a failure

K = TypeVar("K", bound=Hashable)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lane(Generic[K]):
    waiting: dict[K, "asyncio.Future[bool]"] = field(default_factory=dict)  # in the order of marking; True: written
    writing: dict[K, "asyncio.Future[bool]"] = field(default_factory=dict)  # one at most
    has_work: asyncio.Event = field(default_factory=asyncio.Event)


class WriteBehind(Generic[K]):
    """A bounded queue of keys whose rows are to be written."""

    def __init__(self, queue_max: int, metrics: Metrics) -> None:
        self._queue_max = queue_max
        self._loop = asyncio.get_running_loop()
        self._lanes: list[_Lane[K]] = [_Lane() for _ in range(LANES)]
        self._waiting = 0
        self._has_lost = False  # some row may be wrong without being marked
        self._anew: Iterator[K] | None = None  # what is being written for that reason
        self._known: Callable[[], Iterable[K]] = tuple
        self._gauge = metrics.live_state_waiting
        self._outcomes = metrics.live_state_writes

    def is_marked(self, key: K) -> bool:
        """Whether the key's row waits to be written."""
        return key in self._lane(key).waiting

    def mark(self, key: K) -> None:
        """The key's row is to be written. Never waits."""
        if not self.is_marked(key):
            if self._waiting < self._queue_max:
                self._add(key)
            else:
                self._has_lost = True
                self._outcomes.labels("overflowed").inc()

    async def settle(self, keys: Iterable[K]) -> None:
        """Returns when the keys' rows hold what memory said by now, or newer; UnavailableError when they cannot."""
        unwritten: list[asyncio.Future[bool]] = []
        for key in keys:
            if (self._has_lost or self._anew is not None) and not self.is_marked(key):
                self._add(key)
            lane = self._lane(key)
            unwritten += [queue[key] for queue in (lane.waiting, lane.writing) if key in queue]
        if unwritten:
            await asyncio.wait(unwritten)
            if not all(future.result() for future in unwritten):
                raise UnavailableError("the database does not answer; try again")

    @asynccontextmanager
    async def writing(
        self, write: Callable[[K], Awaitable[None]], known: Callable[[], Iterable[K]], drain_seconds: float
    ) -> AsyncIterator[None]:
        """Writes rows; in the end, those that still wait, for as long as is given. `known` is every key there is."""
        self._known = known
        tasks = [asyncio.create_task(self._write_lane(lane, write)) for lane in self._lanes]
        try:
            yield
            queues = [queue for lane in self._lanes for queue in (lane.waiting, lane.writing)]
            unwritten = [future for queue in queues for future in queue.values()]
            if unwritten:
                await asyncio.wait(unwritten, timeout=drain_seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _lane(self, key: K) -> _Lane[K]:
        return self._lanes[hash(key) % LANES]

    def _add(self, key: K) -> None:
        lane = self._lane(key)
        lane.waiting[key] = self._loop.create_future()
        lane.has_work.set()
        self._waiting += 1
        self._gauge.set(self._waiting)

    async def _write_lane(self, lane: _Lane[K], write: Callable[[K], Awaitable[None]]) -> None:
        while True:
            await lane.has_work.wait()
            key, done = next(iter(lane.waiting.items()))
            del lane.waiting[key]
            lane.writing[key] = done
            self._waiting -= 1
            self._gauge.set(self._waiting)
            is_written = await self._write(key, write)
            del lane.writing[key]
            done.set_result(is_written)
            if is_written:
                self._write_another_anew()
            else:
                self._has_lost = True  # a crash empties the tables
                if not self.is_marked(key):
                    self._add(key)
                await asyncio.sleep(_PAUSE_SECONDS)
            if not lane.waiting:
                lane.has_work.clear()

    async def _write(self, key: K, write: Callable[[K], Awaitable[None]]) -> bool:
        """False when it should be tried again."""
        try:
            await write(key)
        except UnavailableError:
            self._outcomes.labels("failed").inc()
            return False
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError):
            self._outcomes.labels("refused").inc()  # such as typing of who has just left; trying again helps nobody
        except asyncpg.PostgresError:
            self._outcomes.labels("refused").inc()
            _log.exception("a row of typing or presence could not be written")
        else:
            self._outcomes.labels("written").inc()
        return True

    def _write_another_anew(self) -> None:
        """Each row that is written makes room for one of those that are written anew."""
        while self._has_lost or self._anew is not None:
            if self._anew is None:
                self._has_lost, self._anew = False, iter(self._known())
            key = next(self._anew, None)
            if key is None:
                self._anew = None
            elif not self.is_marked(key):
                self._add(key)
                break
