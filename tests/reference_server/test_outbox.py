import asyncio
from collections.abc import Collection
from typing import Any
from uuid import UUID

from reference_server.frames import ConversationEvent, DeletedEvent
from reference_server.outbox import Outbox
from reference_server.turns import Turn, WaitingCount

MEMBERS = frozenset({UUID(int=1)})


def event(seq: int) -> DeletedEvent:
    return DeletedEvent(conversation_id=UUID(int=7), seq=seq)


class Log:
    """What happened, in its order."""

    def __init__(self, refused_seq: int = 0) -> None:
        self.entries: list[Any] = []
        self._refused_seq = refused_seq

    def deliver(self, event: ConversationEvent, members: Collection[UUID]) -> None:
        """Notes it, or fails."""
        assert members is MEMBERS
        assert isinstance(event, DeletedEvent)
        if event.seq == self._refused_seq:
            raise ValueError(event.seq)
        self.entries.append(event.seq)


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_events_are_delivered_in_their_order_at_the_flush() -> None:
    """Nothing before it, everything by its end, and nothing twice."""

    async def scenario() -> None:
        log = Log()
        outbox = Outbox(log.deliver)
        for seq in (1, 2, 3):
            outbox.publish(event(seq), MEMBERS)
        assert (log.entries, outbox.waiting) == ([], 3)
        outbox.flush()
        assert (log.entries, outbox.waiting) == ([1, 2, 3], 0)
        await rounds(10)
        assert log.entries == [1, 2, 3]

    asyncio.run(scenario())


def test_a_flush_comes_by_itself() -> None:
    """Also for what was published after another one."""

    async def scenario() -> None:
        log = Log()
        outbox = Outbox(log.deliver)
        for seq in (1, 2):
            outbox.publish(event(seq), MEMBERS)
            await rounds(10)
            assert log.entries[-1] == seq

    asyncio.run(scenario())


def test_the_next_in_turn_goes_first() -> None:
    """Who waited for the turn is at their statement before the event of the turn before is delivered."""

    async def scenario() -> None:
        log, turn = Log(), Turn(WaitingCount())
        outbox = Outbox(log.deliver)

        async def send(seq: int) -> None:
            async with turn:
                log.entries.append(f"statement {seq}")
                await rounds(10)
                outbox.publish(event(seq), MEMBERS)

        await asyncio.gather(send(1), send(2))
        outbox.flush()
        assert log.entries == ["statement 1", "statement 2", 1, 2]

    asyncio.run(scenario())


def test_one_that_cannot_be_delivered_holds_nobody_up() -> None:
    """It is told to the loop's handler; the ones behind it go out."""

    async def scenario() -> None:
        log, told = Log(refused_seq=2), []
        outbox = Outbox(log.deliver)
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
        for seq in (1, 2, 3):
            outbox.publish(event(seq), MEMBERS)
        await rounds(10)
        assert log.entries == [1, 3]
        assert [str(error) for error in told] == ["2"]

    asyncio.run(scenario())
