"""Notices when the database stops answering and when it answers again, and tells each once."""

import logging
import time
from collections.abc import Callable

import asyncpg

from reference_server import logs

_log = logging.getLogger(__name__)


class DatabaseWatch:
    """What the statements of users show of the database."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, is_told: bool = True) -> None:
        self._clock = clock
        self._is_told = is_told  # False: somebody else logs that this database is away
        self._answered_at = clock()
        self._lost_at: float | None = None

    @property
    def is_lost(self) -> bool:
        """True from the first statement that got no answer until the next one that gets one."""
        return self._lost_at is not None

    @property
    def silent_seconds(self) -> float:
        """How long ago the last answer came."""
        return self._clock() - self._answered_at

    def answered(self) -> None:
        """A statement has been answered."""
        self._answered_at = self._clock()
        if self._lost_at is not None:
            lost_seconds, self._lost_at = self._answered_at - self._lost_at, None
            if self._is_told:
                logs.event(_log, logging.WARNING, "database_back", lost_seconds=round(lost_seconds, 3))

    def failed(self, error: BaseException, waited_seconds: float) -> None:
        """A statement got no answer, or in the given time no connection to ask on."""
        # A statement that took too long was answered: by its end. A pool that is busy answers others meanwhile.
        if isinstance(error, asyncpg.QueryCanceledError):
            return
        if isinstance(error, TimeoutError) and self.silent_seconds < waited_seconds:
            return
        if self._lost_at is None:
            self._lost_at = self._clock()
            reason = f"{type(error).__name__}: {error}"
            if self._is_told:
                logs.event(_log, logging.ERROR, "database_lost", reason=reason)
