"""Typing in time, for members: the pure core with a clock, and who may hear of it and announce it.

A subscription stands for having been let in: while it lasts, and while a device is typing, membership is not asked
again. `leave` ends both, so nothing that was remembered outlives the membership.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from reference_server.desk import Desk
from reference_server.errors import NotFoundError, RefusedError
from reference_server.frames import TypingEvent, TypingState
from reference_server.hub import Hub
from reference_server.live_state import LiveState
from reference_server.metrics import Metrics
from reference_server.outlet import Outlet
from reference_server.typists import TypingTiming, Typists

IsMember = Callable[[UUID, UUID], Awaitable[bool]]  # user, conversation


class TypingDesk(Desk[TypingEvent]):
    """Takes devices' typing and tells watchers, by the event loop's clock."""

    def __init__(
        self,
        timing: TypingTiming,
        hub: Hub[Outlet],
        tell: Callable[[TypingEvent], None],
        is_member: IsMember,
        metrics: Metrics,
        *,
        subscriptions_max: int,
    ) -> None:
        self.typists = Typists(timing)
        super().__init__(self.typists, tell)
        self._hub = hub
        self._is_member = is_member
        self._subscriptions_max = subscriptions_max
        self._starts = metrics.typing.labels("start")
        self._stops = metrics.typing.labels("stop")
        self._departures = 0

    async def subscribe(self, outlet: Outlet, conversation_id: UUID, live_state: LiveState) -> TypingState:
        """From now on, the connection hears who else is typing there; who is now.

        NotFoundError for who is not in the conversation, RefusedError for one subscription too many.
        """
        was_watching = self._hub.watches_typing(outlet, conversation_id)
        if not was_watching and self._hub.typing_watched_count(outlet) >= self._subscriptions_max:
            raise _too_many(self._subscriptions_max)
        await self._require_member(outlet, conversation_id)
        self._hub.watch_typing(outlet, conversation_id)
        try:
            user_ids = await self._read(outlet.user_id, conversation_id, live_state)
        except RefusedError:
            if not was_watching:
                self._hub.unwatch_typing(outlet, conversation_id)
            raise
        if not self._hub.watches_typing(outlet, conversation_id):
            raise _not_in(conversation_id)  # they left meanwhile
        return TypingState(conversation_id=conversation_id, user_ids=user_ids)

    def unsubscribe(self, outlet: Outlet, conversation_id: UUID) -> None:
        """From now on, the connection does not hear of it."""
        self._hub.unwatch_typing(outlet, conversation_id)

    async def start(self, outlet: Outlet, conversation_id: UUID) -> None:
        """The connection's user is typing there; NotFoundError for who is not in the conversation."""
        await self._require_member(outlet, conversation_id)
        self._starts.inc()
        self.typists.start((conversation_id, outlet.user_id), outlet, self.now())
        self.tell_due()

    async def stop(self, outlet: Outlet, conversation_id: UUID) -> None:
        """The connection's user is typing there no more; NotFoundError for who is not in the conversation."""
        await self._require_member(outlet, conversation_id)
        self._stops.inc()
        self.typists.stop((conversation_id, outlet.user_id), outlet, self.now())
        self.tell_due()

    def disconnect(self, outlet: Outlet) -> None:
        """A connection is gone, and with it all its typing."""
        self.typists.disconnect(outlet, self.now())
        self.tell_due()

    def leave(self, user_id: UUID, conversation_id: UUID) -> None:
        """A user is in a conversation no more: their typing there ends, and so do their subscriptions to it."""
        self._departures += 1
        self._hub.unsubscribe_typing_of(user_id, conversation_id)
        self.typists.leave((conversation_id, user_id), self.now())
        self.tell_due()

    async def _require_member(self, outlet: Outlet, conversation_id: UUID) -> None:
        place = (conversation_id, outlet.user_id)
        if self._hub.watches_typing(outlet, conversation_id) or self.typists.is_typing(place, outlet):
            return
        while True:
            departures = self._departures
            if not await self._is_member(outlet.user_id, conversation_id):
                raise _not_in(conversation_id)
            if departures == self._departures:  # else the answer may be older than somebody's departure
                return

    async def _read(self, user_id: UUID, conversation_id: UUID, live_state: LiveState) -> tuple[UUID, ...]:
        """Who is typing: an answer that no event has overtaken, so that those which follow fit it."""
        while True:
            told = self.typists.told(conversation_id)
            user_ids = await live_state.typists(user_id, conversation_id)
            if told == self.typists.told(conversation_id):
                return user_ids


def _not_in(conversation_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no conversation {conversation_id} for you")


def _too_many(bound: int) -> RefusedError:
    error = RefusedError(f"at most {bound:,} typing subscriptions per connection")
    error.code = "too_many"
    return error
