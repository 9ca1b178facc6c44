"""reference_server.replica_watch: what is known of a replica whose every answer the test decides."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from reference_server.read_routing import Need
from reference_server.replica_watch import ReplicaWatch


class Side:
    """A primary or replica that is where the test says, or away."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.is_away = False
        self.is_standby = True
        self.asked = 0

    async def ask(self) -> Any:
        """The answer to either question."""
        self.asked += 1
        if self.is_away:
            raise ConnectionRefusedError
        return {"position": self.position, "is_standby": self.is_standby}

    def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def watching(primary: Side, replica: Side, lags: list[float]) -> AsyncIterator[ReplicaWatch]:
    """A watch over both."""
    watch = ReplicaWatch(primary, replica, lags.append)
    async with watch.running():
        yield watch


async def until_replayed(watch: ReplicaWatch, need: Need) -> None:
    """Returns when the replica has what is needed."""
    async with asyncio.timeout(20):
        with watch.attention():
            while need.question is not None or watch.replayed is None or watch.replayed < need.position:
                await watch.news(20)
                need = watch.written.resolved(need)


def written(watch: ReplicaWatch, conversation_id: UUID) -> Need:
    """What a reader needs right after a write."""
    watch.wrote(conversation_id)
    return watch.written.need(conversation_id)


def test_a_write_is_known_and_then_replayed() -> None:
    """Its position comes from the primary; the replica is asked until it is there, and then nothing is kept."""

    async def scenario() -> None:
        primary, replica = Side(100), Side(100)
        async with watching(primary, replica, lags := []) as watch:
            assert watch.replayed == 100, "known before anyone reads"
            primary.position = 150
            need = written(watch, conversation := uuid4())
            while (need := watch.written.resolved(need)).question is not None:
                await watch.news(20)
            assert need == watch.written.need(conversation) == Need(150)
            replica.position = 150
            await until_replayed(watch, need)
            assert watch.written.need(conversation) == Need(100), "no more than what was there before the watch"
            assert lags[-1] == 0

    asyncio.run(scenario())


def test_a_replica_that_is_away_is_known_to_be_and_found_again(caplog: pytest.LogCaptureFixture) -> None:
    """Without an answer there is no position, whatever it was; with the next one there is."""

    async def scenario() -> None:
        replica = Side(100)
        async with watching(Side(100), replica, lags := []) as watch, asyncio.timeout(20):
            replica.is_away = True
            while watch.replayed is not None:
                await watch.news(20)
            asked = replica.asked
            while replica.asked < asked + 2:
                await watch.news(20)
            assert math.isnan(lags[-1]), "nobody knows"
            replica.is_away, replica.position = False, 90  # another copy, older than the first
            while watch.replayed is None:
                await watch.news(20)
            assert watch.replayed == 90
            assert not math.isnan(lags[-1])

    caplog.set_level(logging.INFO, "reference_server")
    asyncio.run(scenario())
    assert [record.message for record in caplog.records] == ["replica_lost", "replica_back"], "each once"


def test_what_was_there_before_the_watch_is_waited_for() -> None:
    """A server that starts again knows nothing of its writes: the replica needs all that the primary has."""

    async def scenario() -> None:
        primary, replica = Side(200), Side(100)
        async with watching(primary, replica, []) as watch:
            assert watch.replayed == 100
            assert watch.written.need(uuid4()) == Need(200)
        primary.is_away = True
        async with watching(primary, replica, []) as watch, asyncio.timeout(20):
            assert watch.written.need(uuid4()).position > 10**12, "nobody knows yet"
            primary.is_away = False
            while watch.written.need(uuid4()) != Need(200):
                await watch.news(20)

    asyncio.run(scenario())


def test_a_doubt_holds_until_the_next_answer() -> None:
    """Also when an answer from before it is under way; what the replica has lost is needed again."""

    async def scenario() -> None:
        replica = Side(100)
        async with watching(Side(100), replica, []) as watch, asyncio.timeout(20):
            conversation = uuid4()
            assert watch.written.need(conversation) == Need(100)
            replica.position, asked = 60, replica.asked
            watch.doubt()
            assert watch.replayed is None
            while watch.replayed is None:
                await watch.news(20)
            assert (watch.replayed, watch.written.need(conversation)) == (60, Need(100))
            assert replica.asked > asked
            answer = asyncio.Event()
            answered, replica.ask = replica.ask, late_answer(replica, answer)  # type: ignore[method-assign]
            poll = asyncio.create_task(watch._poll())
            await asyncio.sleep(0)
            replica.position = 50
            watch.doubt()
            replica.ask = answered  # type: ignore[method-assign]
            answer.set()
            await poll
            assert watch.replayed in {None, 50}, "60 was said before"

    asyncio.run(scenario())


def late_answer(side: Side, answer: asyncio.Event) -> Any:
    """Asks, and tells what was true then when the event comes."""

    async def ask() -> Any:
        position = side.position
        await answer.wait()
        return {"position": position, "is_standby": True}

    return ask


def test_a_promoted_replica_counts_as_away() -> None:
    """It answers, but not for its primary."""

    async def scenario() -> None:
        replica = Side(100)
        async with watching(Side(100), replica, []) as watch, asyncio.timeout(20):
            replica.is_standby = False
            while watch.replayed is not None:
                await watch.news(20)

    asyncio.run(scenario())


def test_a_primary_that_is_away_is_asked_again() -> None:
    """A write whose position could not be asked for is not taken for replayed, and is resolved later."""

    async def scenario() -> None:
        primary, replica = Side(100), Side(200)
        async with watching(primary, replica, []) as watch, asyncio.timeout(20):
            primary.is_away = True
            asked = primary.asked
            need = written(watch, conversation := uuid4())
            while primary.asked < asked + 2:
                await asyncio.sleep(0)
            assert watch.written.need(conversation).question is not None
            primary.is_away = False
            await until_replayed(watch, need)

    asyncio.run(scenario())


def test_writes_at_one_time_share_a_question() -> None:
    """A hundred writes do not cost a hundred questions."""

    async def scenario() -> None:
        primary = Side(100)
        async with watching(primary, Side(100), []) as watch:
            await asyncio.sleep(0)
            asked = primary.asked
            needs = [written(watch, uuid4()) for _ in range(100)]
            for need in needs:
                await until_replayed(watch, need)
            assert primary.asked <= asked + 2

    asyncio.run(scenario())
