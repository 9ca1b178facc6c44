import asyncio
import time

import uvloop

from reference_server.desk import Desk


class Alarms:
    """A core whose events are due at times that were set."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def due(self, now: float) -> list[float]:
        """The times that have come."""
        come = [time for time in self.times if time <= now]
        self.times = [time for time in self.times if time > now]
        return come

    def next_due(self) -> float | None:
        """The first that has not."""
        return min(self.times, default=None)


def test_events_are_told_when_they_are_due() -> None:
    """At once what is due, by the loop's timer what is not."""

    async def run() -> list[float]:
        alarms, told, complete = Alarms(), list[float](), asyncio.Event()

        def tell(time: float) -> None:
            told.append(time)
            if len(told) == 3:
                complete.set()

        desk = Desk(alarms, tell)
        now = desk.now()
        alarms.times = [now, now + 0.02, now + 0.01]
        desk.tell_due()
        assert told == [now]
        await asyncio.wait_for(complete.wait(), 20)
        return [round(time - now, 2) for time in told]

    assert asyncio.run(run()) == [0, 0.01, 0.02]


def test_nothing_is_told_early() -> None:
    """The clock and the timers of uvloop know whole milliseconds only."""

    async def run() -> float:
        alarms, early, complete = Alarms(), list[float](), asyncio.Event()

        def tell(due: float) -> None:
            early.append((due - now) - (time.monotonic() - began))
            if len(early) == 50:
                complete.set()

        desk = Desk(alarms, tell)
        while time.monotonic() % 0.001 < 0.0005:
            pass  # to the later half of a millisecond, of which much is cut off
        began = time.monotonic()
        now = desk.now()
        alarms.times = [now + 0.01 + number * 0.00113 for number in range(50)]
        desk.tell_due()
        await complete.wait()
        return max(early)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) <= 0


def test_a_closed_desk_tells_nothing_more() -> None:
    """Its timer is gone."""

    async def run() -> list[float]:
        alarms, told = Alarms(), list[float]()
        desk = Desk(alarms, told.append)
        later = asyncio.Event()
        alarms.times = [desk.now() + 0.01]
        desk.tell_due()
        desk.close()
        asyncio.get_running_loop().call_at(desk.now() + 0.02, later.set)  # behind the desk's own
        await later.wait()
        return told

    assert asyncio.run(run()) == []
