"""Presence in time: the pure core with a clock, one timer, and events that go out."""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from reference_server.desk import Desk
from reference_server.frames import PresenceEvent, PresenceStatus
from reference_server.presence import Device, Presence, PresenceTiming


class PresenceDesk(Desk[PresenceEvent]):
    """Takes devices' news and tells watchers, by the event loop's clock."""

    def __init__(self, timing: PresenceTiming, tell: Callable[[PresenceEvent], None]) -> None:
        # One distance for the server's life: a wall clock that is set back must not move people in time.
        epoch_seconds = time.time() - asyncio.get_running_loop().time()
        self.presence = Presence(timing, epoch_seconds=epoch_seconds)
        super().__init__(self.presence, tell)

    def connect(self, user_id: UUID, device: Device) -> None:
        """A device appears, online."""
        self.presence.connect(user_id, device, self.now())
        self.tell_due()

    def update(self, user_id: UUID, device: Device, status: PresenceStatus) -> int:
        """A device sets its status; the version of the user's merged status that includes it."""
        version = self.presence.update(user_id, device, status, self.now())
        self.tell_due()
        return version

    def heard(self, user_id: UUID, device: Device) -> None:
        """A device has shown that it is there."""
        self.presence.heard(user_id, device, self.now())
        self.tell_due()

    def disconnect(self, user_id: UUID, device: Device, *, is_lost: bool = False) -> None:
        """A device is gone; `is_lost` when it was cut because it had fallen silent."""
        self.presence.disconnect(user_id, device, self.now(), is_lost=is_lost)
        self.tell_due()

    def state(self, user_id: UUID) -> PresenceEvent:
        """A user's status now."""
        return self.presence.state(user_id)
