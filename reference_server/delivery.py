"""Delivery: an event becomes one frame per wire, and the same bytes go to every recipient."""

from collections.abc import Collection
from uuid import UUID

from prometheus_client import Counter

from reference_server.event_counts import EventCounts
from reference_server.frames import ConversationEvent, PresenceEvent, TypingEvent
from reference_server.hub import Hub
from reference_server.outlet import Outlet, write_to_all
from reference_server.wire import wire_named


class Delivery:
    """Writes events to the connections that the hub names. Never waits: outlets bound their own queues."""

    def __init__(self, hub: Hub[Outlet], counts: EventCounts, typing_told: dict[bool, Counter]) -> None:
        self._hub = hub
        self._counts = counts
        self._typing_told = typing_told

    def to_members(self, event: ConversationEvent, members: Collection[UUID]) -> None:
        """To every subscribed connection of every member, those of whoever caused it included."""
        for wire, outlets in self._hub.route(event.conversation_id, members):
            data = wire_named(wire).frame(event)
            self._counts.add(event, write_to_all(outlets, event, data), len(data))

    def presence(self, event: PresenceEvent) -> None:
        """To every watcher of the user."""
        for wire, outlets in self._hub.watchers(event.user_id):
            data = wire_named(wire).frame(event)
            written = sum(outlet.write(data) for outlet in outlets)
            self._counts.add(event, written, len(data))

    def typing(self, event: TypingEvent) -> None:
        """To every watcher of the conversation's typing, save the typist's own connections."""
        self._typing_told[event.is_typing].inc()
        for wire, outlets in self._hub.typing_watchers(event.conversation_id, event.user_id):
            data = wire_named(wire).frame(event)
            written = sum(outlet.write(data) for outlet in outlets)
            self._counts.add(event, written, len(data))
