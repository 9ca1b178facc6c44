"""When the server stops, and how patiently: a first signal asks it to finish, a second one to end at once."""

import asyncio
from collections.abc import Awaitable
from typing import Any


class Shutdown:
    """The stop that was asked for, if any."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()

    @property
    def is_draining(self) -> bool:
        """True from the first signal on."""
        return self._asked.is_set()

    @property
    def is_hurried(self) -> bool:
        """True from the second signal on."""
        return self._hurried.is_set()

    def ask(self) -> None:
        """What a signal does."""
        (self._hurried if self._asked.is_set() else self._asked).set()

    async def wait_until_asked(self) -> None:
        """Returns at the first signal."""
        await self._asked.wait()

    async def pause(self, seconds: float) -> None:
        """Returns after the time, or at the second signal."""
        await self.finish(asyncio.sleep(seconds), seconds)

    async def finish(self, work: Awaitable[Any], seconds: float) -> bool:
        """True when the work ended within the time and before a second signal; otherwise it has been cancelled."""
        working = asyncio.ensure_future(work)
        hurried = asyncio.ensure_future(self._hurried.wait())
        try:
            await asyncio.wait({working, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return True
            return False
        finally:
            hurried.cancel()
            working.cancel()
