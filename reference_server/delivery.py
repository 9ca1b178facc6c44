"""Delivery: an event becomes one frame per subprotocol, and the same bytes go to every recipient."""

from collections.abc import Collection
from uuid import UUID

from reference_server.frames import CODECS, MessageEvent, PresenceEvent, TypingEvent
from reference_server.hub import Hub
from reference_server.metrics import Metrics
from reference_server.outlet import Outlet, wire_frame


class Delivery:
    """Writes events to the connections that the hub names. Never waits: outlets bound their own queues."""

    def __init__(self, hub: Hub[Outlet], metrics: Metrics) -> None:
        self._hub = hub
        self._message_events = metrics.events.labels("m")
        self._message_bytes = metrics.event_bytes.labels("m")
        self._presence_events = metrics.events.labels("p")
        self._presence_bytes = metrics.event_bytes.labels("p")
        self._typing_events = metrics.events.labels("y")
        self._typing_bytes = metrics.event_bytes.labels("y")
        self._typing_told = {True: metrics.typing.labels("started"), False: metrics.typing.labels("ended")}

    def message(self, event: MessageEvent, members: Collection[UUID]) -> None:
        """To every subscribed connection of every member, the sender's own included."""
        for subprotocol, outlets in self._hub.route(event.conversation_id, members):
            data = wire_frame(CODECS[subprotocol], event)
            written = 0
            for outlet in outlets:
                written += outlet.write_message(event, data)
            self._message_events.inc(written)
            self._message_bytes.inc(written * len(data))

    def presence(self, event: PresenceEvent) -> None:
        """To every watcher of the user."""
        for subprotocol, outlets in self._hub.watchers(event.user_id):
            data = wire_frame(CODECS[subprotocol], event)
            written = sum(outlet.write(data) for outlet in outlets)
            self._presence_events.inc(written)
            self._presence_bytes.inc(written * len(data))

    def typing(self, event: TypingEvent) -> None:
        """To every watcher of the conversation's typing, save the typist's own connections."""
        self._typing_told[event.is_typing].inc()
        for subprotocol, outlets in self._hub.typing_watchers(event.conversation_id, event.user_id):
            data = wire_frame(CODECS[subprotocol], event)
            written = sum(outlet.write(data) for outlet in outlets)
            self._typing_events.inc(written)
            self._typing_bytes.inc(written * len(data))
