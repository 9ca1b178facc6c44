import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from reference_server.errors import UnavailableError
from reference_server.metrics import Metrics
from reference_server.write_behind import WriteBehind

WAIT_SECONDS = 20


class Shelf:
    """Memory, and rows that follow it through a queue."""

    def __init__(self, queue_max: int = 1000) -> None:
        self.memory: dict[int, int] = {}
        self.rows: dict[int, int] = {}
        self.writes: Counter[int] = Counter()
        self.open = asyncio.Event()
        self.open.set()
        self.has_written = asyncio.Event()
        self.is_failing = False
        self.metrics = Metrics()
        self.queue: WriteBehind[int] = WriteBehind(queue_max, self.metrics)

    def put(self, key: int, value: int) -> None:
        """Memory changes, and its row is to follow."""
        self.memory[key] = value
        self.queue.mark(key)

    async def write(self, key: int) -> None:
        """Writes a row as memory says."""
        value = self.memory[key]
        await self.open.wait()
        if self.is_failing:
            self.rows.clear()  # as a crash does to an UNLOGGED table
            raise UnavailableError("away")
        self.writes[key] += 1
        self.rows[key] = value
        self.has_written.set()

    async def until_right(self) -> None:
        """Returns when every row is as memory says."""
        while self.rows != self.memory:
            self.has_written.clear()
            await self.has_written.wait()

    def outcomes(self, outcome: str) -> float:
        """A counter's value."""
        return float(self.metrics.live_state_writes.labels(outcome)._value.get())


def with_shelf(work: Callable[[Shelf], Awaitable[None]], queue_max: int = 1000) -> None:
    """Runs a test's steps while rows are written."""

    async def run() -> None:
        shelf = Shelf(queue_max)
        async with asyncio.timeout(WAIT_SECONDS), shelf.queue.writing(shelf.write, lambda: tuple(shelf.memory), 1):
            await work(shelf)

    asyncio.run(run())


def test_settled_rows_are_as_memory_said() -> None:
    """Whatever was marked before is written when settle returns, the last value of each key."""

    async def work(shelf: Shelf) -> None:
        for value in range(3):
            for key in range(50):
                shelf.put(key, value)
            await asyncio.sleep(0)
        await shelf.queue.settle(range(50))
        assert shelf.rows == shelf.memory

    with_shelf(work)


def test_changes_of_one_key_become_one_write() -> None:
    """While a row is being written, any number of changes adds one write, with the last value."""

    async def work(shelf: Shelf) -> None:
        shelf.open.clear()
        shelf.put(1, 0)
        await asyncio.sleep(0)  # the writer has taken it
        for value in range(1, 100):
            shelf.put(1, value)
        shelf.open.set()
        await shelf.queue.settle([1])
        assert (shelf.rows, shelf.writes[1]) == ({1: 99}, 2)

    with_shelf(work)


def test_a_full_queue_loses_no_row_for_good() -> None:
    """Marks beyond the bound are counted, never wait, and everything is written anew; answers are right before that."""

    async def work(shelf: Shelf) -> None:
        shelf.open.clear()
        for key in range(100):
            shelf.put(key, 7)
        assert shelf.outcomes("overflowed") == 90
        shelf.open.set()
        await shelf.queue.settle([99])
        assert shelf.rows[99] == 7
        await shelf.until_right()

    with_shelf(work, queue_max=10)


def test_after_a_failure_everything_is_written_anew() -> None:
    """Who asks meanwhile is told so; rows that had been written before the failure come back by themselves."""

    async def work(shelf: Shelf) -> None:
        for key in range(20):
            shelf.put(key, 1)
        await shelf.queue.settle(range(20))
        shelf.is_failing = True
        shelf.put(3, 2)
        with pytest.raises(UnavailableError):
            await shelf.queue.settle([3])
        assert shelf.rows == {}
        shelf.is_failing = False
        await shelf.until_right()
        assert shelf.outcomes("failed") >= 1

    with_shelf(work)


def test_what_waits_is_written_in_the_end() -> None:
    """Closing drains the queue."""
    shelves: list[Shelf] = []

    async def work(shelf: Shelf) -> None:
        shelves.append(shelf)
        for key in range(50):
            shelf.put(key, 1)

    with_shelf(work)
    assert shelves[0].rows == shelves[0].memory


def test_an_answer_that_is_given_up_leaves_the_write_alone() -> None:
    """A client that goes away while it waits cancels its waiting, not the row."""

    async def work(shelf: Shelf) -> None:
        shelf.open.clear()
        shelf.put(1, 5)
        waiting = asyncio.ensure_future(shelf.queue.settle([1]))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        shelf.open.set()
        await shelf.queue.settle([1])
        assert shelf.rows == {1: 5}

    with_shelf(work)
