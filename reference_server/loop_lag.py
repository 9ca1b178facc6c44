"""How late the event loop runs what is due: the sign that one process has too much to do."""

import asyncio
from collections import deque

_TICK_SECONDS = 0.1
_REMEMBERED_TICKS = 50


class LoopLag:
    """The worst lateness of a tick in the last five seconds."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lags: deque[float] = deque(maxlen=_REMEMBERED_TICKS)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._schedule()

    @property
    def worst_seconds(self) -> float:
        """The worst of the remembered ticks, the one included that is overdue now."""
        overdue = max(0.0, self._loop.time() - self._due)
        return max(overdue, max(self._lags, default=0.0))

    def close(self) -> None:
        """Ends the ticking."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        self._due = self._loop.time() + _TICK_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._lags.append(max(0.0, self._loop.time() - self._due))
        self._schedule()
