"""Delivery: an event becomes one frame per subprotocol, and the same bytes go to every recipient."""

from collections.abc import Collection
from uuid import UUID

from prometheus_client import Counter

from reference_server.frames import CODECS, ConversationEvent, Event, PresenceEvent, TypingEvent
from reference_server.hub import Hub
from reference_server.metrics import Metrics
from reference_server.outlet import Outlet, wire_frame


class Delivery:
    """Writes events to the connections that the hub names. Never waits: outlets bound their own queues."""

    def __init__(self, hub: Hub[Outlet], metrics: Metrics) -> None:
        self._hub = hub
        self._metrics = metrics
        # Looking a series up by its labels costs more than counting in it.
        self._counters: dict[str, tuple[Counter, Counter]] = {}
        self._typing_told = {True: metrics.typing.labels("started"), False: metrics.typing.labels("ended")}

    def to_members(self, event: ConversationEvent, members: Collection[UUID]) -> None:
        """To every subscribed connection of every member, those of whoever caused it included."""
        for subprotocol, outlets in self._hub.route(event.conversation_id, members):
            data = wire_frame(CODECS[subprotocol], event)
            written = 0
            for outlet in outlets:
                written += outlet.write_conversation_event(event, data)
            self._count(event, written, len(data))

    def presence(self, event: PresenceEvent) -> None:
        """To every watcher of the user."""
        for subprotocol, outlets in self._hub.watchers(event.user_id):
            data = wire_frame(CODECS[subprotocol], event)
            written = sum(outlet.write(data) for outlet in outlets)
            self._count(event, written, len(data))

    def typing(self, event: TypingEvent) -> None:
        """To every watcher of the conversation's typing, save the typist's own connections."""
        self._typing_told[event.is_typing].inc()
        for subprotocol, outlets in self._hub.typing_watchers(event.conversation_id, event.user_id):
            data = wire_frame(CODECS[subprotocol], event)
            written = sum(outlet.write(data) for outlet in outlets)
            self._count(event, written, len(data))

    def _count(self, event: Event, written: int, frame_bytes: int) -> None:
        kind = str(event.__struct_config__.tag)
        counters = self._counters.get(kind)
        if counters is None:
            counters = self._counters[kind] = self._metrics.events.labels(kind), self._metrics.event_bytes.labels(kind)
        counters[0].inc(written)
        counters[1].inc(written * frame_bytes)
