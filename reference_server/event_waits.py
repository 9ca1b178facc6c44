"""Waiting for an event no longer than some time."""

import asyncio
import contextlib


async def wait_for_event(event: asyncio.Event, timeout_seconds: float) -> None:
    """Returns when it is set, or after the time. Unlike Python 3.11's wait_for, it never swallows a cancellation."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await event.wait()
