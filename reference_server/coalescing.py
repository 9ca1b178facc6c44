"""A window in which what goes to one connection is gathered, and leaves in one write."""

import asyncio
from collections.abc import Callable

Flush = Callable[[], None]


class Coalescer:
    """Calls back everyone who asked for it within a window, when the window ends: one timer for all connections."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Flush] = []

    def at_window_end(self, flush: Flush) -> None:
        """Calls `flush` when the window that is open ends; the first call opens it."""
        if not self._waiting:
            self._loop.call_later(self._window_seconds, self._end_window)
        self._waiting.append(flush)

    def _end_window(self) -> None:
        waiting, self._waiting = self._waiting, []
        for flush in waiting:
            flush()
