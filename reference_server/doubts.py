"""Doubts: what may have been done although its answer was lost, and is found done when somebody asks for it again.

For what is no change of a room (there it is the room that is in doubt): a conversation that nobody knows of yet.
"""

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from reference_server.pool import CONNECTION_ERRORS


class Doubts:
    """The keys of what is in doubt; the oldest are forgotten beyond a bound."""

    def __init__(self, kept_max: int = 10_000) -> None:
        self._keys: dict[Hashable, None] = {}  # oldest first
        self._kept_max = kept_max

    @contextmanager
    def noted(self, key: Hashable) -> Iterator[None]:
        """Something is done in the block that has to be told; it is in doubt when its answer does not come."""
        try:
            yield
        except (*CONNECTION_ERRORS, asyncio.CancelledError):
            self.settle(key)  # behind the others, if it was among them
            self._keys[key] = None
            if len(self._keys) > self._kept_max:
                del self._keys[next(iter(self._keys))]
            raise

    def settle(self, key: Hashable) -> bool:
        """Whether it was in doubt. Now it is not: whoever asks knows, and tells."""
        was_in_doubt = key in self._keys
        self._keys.pop(key, None)
        return was_in_doubt
