"""Presence in time: the pure core with a clock, one timer, and events that go out."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from reference_server.frames import PresenceEvent, PresenceStatus
from reference_server.presence import Device, Presence, PresenceTiming


class PresenceDesk:
    """Takes devices' news and tells watchers, by the event loop's clock."""

    def __init__(self, timing: PresenceTiming, tell: Callable[[PresenceEvent], None]) -> None:
        self._presence = Presence(timing)
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def connect(self, user_id: UUID, device: Device) -> None:
        """A device appears, online."""
        self._presence.connect(user_id, device, self._loop.time())
        self._tell_due()

    def update(self, user_id: UUID, device: Device, status: PresenceStatus) -> int:
        """A device sets its status; the version of the user's merged status that includes it."""
        version = self._presence.update(user_id, device, status, self._loop.time())
        self._tell_due()
        return version

    def heard(self, user_id: UUID, device: Device) -> None:
        """A device has shown that it is there."""
        self._presence.heard(user_id, device, self._loop.time())
        self._tell_due()

    def disconnect(self, user_id: UUID, device: Device) -> None:
        """A device is gone."""
        self._presence.disconnect(user_id, device, self._loop.time())
        self._tell_due()

    def state(self, user_id: UUID) -> PresenceEvent:
        """A user's status now."""
        return self._presence.state(user_id)

    def close(self) -> None:
        """Ends the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell_due(self) -> None:
        for event in self._presence.due(self._loop.time()):
            self._tell(event)
        if self._timer is not None:
            self._timer.cancel()
        when = self._presence.next_due()
        self._timer = None if when is None else self._loop.call_at(when, self._tell_due)
