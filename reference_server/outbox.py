"""The outbox: events on their way to delivery, in the order in which they were published.

Writing an event to a group keeps the event loop busy for longer than the database takes to store the next message. So
it is written a moment after its turn has ended: whoever had waited for the turn has sent their statement off by then,
and the database works while this process writes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from uuid import UUID

from reference_server.frames import ConversationEvent

Publish = Callable[[ConversationEvent, Collection[UUID]], None]


class Outbox:
    """Keeps events for a moment. `deliver` takes an event and the members that it goes to, and does not wait."""

    def __init__(self, deliver: Publish) -> None:
        self._deliver = deliver
        self._events: deque[tuple[ConversationEvent, Collection[UUID]]] = deque()
        self._is_due = False

    @property
    def waiting(self) -> int:
        """How many events have been published and not delivered."""
        return len(self._events)

    def publish(self, event: ConversationEvent, members: Collection[UUID]) -> None:
        """Delivers the event to the members given, behind what was published before, at the next flush.

        One comes by itself, two rounds of the event loop from now.
        """
        self._events.append((event, members))
        if not self._is_due:
            self._is_due = True
            # In the first round the next in turn goes on, and at its end its statement leaves; then it is our time.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._come_due)

    def flush(self) -> None:
        """Delivers what was published and has not been delivered: there is nothing left of it when this returns."""
        while self._events:
            self._deliver(*self._events.popleft())

    def _come_due(self) -> None:
        self._is_due = False
        try:
            self.flush()
        finally:
            if self._events:  # one could not be delivered, and is logged; the others are
                asyncio.get_running_loop().call_soon(self._come_due)
