"""A pure core in time: the monotonic clock, one timer, and events that go out as they fall due, never earlier."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

E = TypeVar("E")


class Timed(Protocol[E]):
    """A core that has events to tell at times of its own."""

    def due(self, now: float) -> list[E]:
        """The events to tell by now, each once."""

    def next_due(self) -> float | None:
        """When `due` should be asked next; None when nothing is pending."""


class Desk(Generic[E]):
    """Asks a core for its events, after each change and whenever the core's own time has come."""

    def __init__(self, core: Timed[E], tell: Callable[[E], None]) -> None:
        self._core = core
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The clock that the core is told.

        Not uvloop's: that cuts off fractions of milliseconds, and what was set by it ended up to one early.
        """
        return time.monotonic()

    def tell_due(self) -> None:
        """Tells what is due and sets the timer for what is not; to be called after each change of the core."""
        for event in self._core.due(self.now()):
            self._tell(event)
        if self._timer is not None:
            self._timer.cancel()
        when = self._core.next_due()
        self._timer = None if when is None else self._loop.call_later(self._pause_seconds(when), self.tell_due)

    def _pause_seconds(self, when: float) -> float:
        """In whole milliseconds, as uvloop counts them; where its timer is early, the rest follows."""
        return max(0, math.ceil((when - self.now()) * 1000)) / 1000

    def close(self) -> None:
        """Ends the timer."""
        if self._timer is not None:
            self._timer.cancel()
