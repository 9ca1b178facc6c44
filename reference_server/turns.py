"""Turns: locks that count who waits for one."""

import asyncio
from typing import Literal


class WaitingCount:
    """How many wait for any of the turns that share it."""

    def __init__(self) -> None:
        self.waiting = 0


class Turn(asyncio.Lock):
    """A lock whose waiters are counted."""

    def __init__(self, count: WaitingCount) -> None:
        super().__init__()
        self._count = count

    async def acquire(self) -> Literal[True]:
        """Waits until it is one's turn."""
        self._count.waiting += 1
        try:
            return await super().acquire()
        finally:
            self._count.waiting -= 1
