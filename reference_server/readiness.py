"""Readiness: whether requests should be sent here now. Liveness (`/healthz`) is another question: is it running."""

import asyncio
from collections.abc import Awaitable, Callable

from reference_server.database_watch import DatabaseWatch
from reference_server.errors import DrainingError, UnavailableError

PROBE_SECONDS = 1.0  # a database that takes longer for one row does not answer
FRESH_SECONDS = 0.5  # an answer to anybody's statement counts for this long


class Readiness:
    """Ready while the database answers and the server is not draining.

    Statements that users' requests had answered are evidence enough: under load nothing is asked in addition, and a
    busy pool is not taken for a lost database.
    """

    def __init__(
        self, watch: DatabaseWatch, probe: Callable[[], Awaitable[object]], is_draining: Callable[[], bool]
    ) -> None:
        self._watch = watch
        self._probe = probe
        self._is_draining = is_draining
        self._probing: asyncio.Future[object] | None = None

    async def check(self) -> None:
        """Returns when the server is ready; DrainingError or UnavailableError, each saying which, when it is not."""
        if self._is_draining():
            raise DrainingError("the server is draining: it finishes what it has begun, and stops")
        if not self._watch.is_lost and self._watch.silent_seconds < FRESH_SECONDS:
            return
        # One probe for all who ask. It is left to itself when it takes too long: cancelling a statement waits for
        # the database as well.
        if self._probing is None:
            self._probing = asyncio.ensure_future(self._probe())
            self._probing.add_done_callback(self._probed)
        done, _ = await asyncio.wait({self._probing}, timeout=PROBE_SECONDS)
        if not done:
            raise UnavailableError(f"the database has not answered for {PROBE_SECONDS:g} s")
        done.pop().result()

    def _probed(self, probing: "asyncio.Future[object]") -> None:
        self._probing = None
        if not probing.cancelled():
            probing.exception()  # seen, also when nobody waits any more

    def close(self) -> None:
        """Ends a probe under way."""
        if self._probing is not None:
            self._probing.cancel()
