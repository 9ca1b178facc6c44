"""Who is online: devices merged into one status per user. Pure; the clock is passed in.

- A user is as present as their most present device: online before away before offline.
- A device that disconnects keeps its status for the grace period, or until the user connects again: a reload is no
  change.
- A device not heard of for the expiry period counts as offline until it is heard of again.
- At most one event per user leaves in a coalescing window: the first change at once, the outcome of the others at
  the window's end.
- Each change of the merged status raises the user's version by one, and the version last reached is always told:
  whoever is told version n or higher knows of change n. Users once seen keep their version, so it never starts over.
"""

import heapq
from collections.abc import Hashable
from dataclasses import dataclass, field
from uuid import UUID

from reference_server.frames import PresenceEvent, PresenceStatus

_RANK: dict[PresenceStatus, int] = {"offline": 0, "away": 1, "online": 2}
_NEVER = float("inf")

Device = Hashable


@dataclass(frozen=True, kw_only=True)
class PresenceTiming:
    """The three periods."""

    grace_seconds: float
    coalescing_seconds: float
    expiry_seconds: float


@dataclass(slots=True)
class _Device:
    status: PresenceStatus
    heard_at: float


@dataclass(slots=True)
class _User:
    devices: dict[Device, _Device] = field(default_factory=dict)
    lingering: list[tuple[PresenceStatus, float]] = field(default_factory=list)  # status, until when
    status: PresenceStatus = "offline"
    version: int = 0
    told_version: int = 0
    told_at: float = -_NEVER
    wake_at: float = _NEVER  # the earliest timer in the heap that counts


class Presence:
    """The presence of all users. `now` never goes back."""

    def __init__(self, timing: PresenceTiming) -> None:
        self._timing = timing
        self._users: dict[UUID, _User] = {}
        self._timers: list[tuple[float, int, UUID]] = []
        self._timer_count = 0  # breaks ties: UUIDs need no order

    def connect(self, user_id: UUID, device: Device, now: float) -> int:
        """A device appears, online; it takes the place of those that linger. The user's version."""
        user = self._users.setdefault(user_id, _User())
        user.lingering.clear()
        user.devices[device] = _Device("online", now)
        return self._settle(user_id, user, now)

    def update(self, user_id: UUID, device: Device, status: PresenceStatus, now: float) -> int:
        """A connected device sets its status. The version of the user's merged status that includes it."""
        user = self._users[user_id]
        user.devices[device] = _Device(status, now)
        return self._settle(user_id, user, now)

    def heard(self, user_id: UUID, device: Device, now: float) -> None:
        """A connected device has shown that it is there."""
        user = self._users[user_id]
        user.devices[device].heard_at = now
        self._settle(user_id, user, now)

    def disconnect(self, user_id: UUID, device: Device, now: float) -> None:
        """A device is gone, for good unless the user connects again within the grace period."""
        user = self._users[user_id]
        gone = user.devices.pop(device)
        if gone.heard_at + self._timing.expiry_seconds > now:
            user.lingering.append((gone.status, now + self._timing.grace_seconds))
        self._settle(user_id, user, now)

    def state(self, user_id: UUID) -> PresenceEvent:
        """The user's merged status now; offline in version 0 when they were never seen."""
        user = self._users.get(user_id) or _User()
        return PresenceEvent(user_id=user_id, status=user.status, version=user.version)

    def due(self, now: float) -> list[PresenceEvent]:
        """The events to tell watchers by now, each once."""
        events: list[PresenceEvent] = []
        while self._timers and self._timers[0][0] <= now:
            when, _, user_id = heapq.heappop(self._timers)
            user = self._users[user_id]
            if when != user.wake_at:
                continue  # an earlier timer took its place
            user.wake_at = _NEVER
            self._settle(user_id, user, now, told=events)
        return events

    def next_due(self) -> float | None:
        """When `due` should be asked next; None when nothing is pending."""
        return self._timers[0][0] if self._timers else None

    def _settle(self, user_id: UUID, user: _User, now: float, told: list[PresenceEvent] | None = None) -> int:
        """Merges the devices, tells when it is time, and sets the timer for what comes next."""
        user.lingering = [entry for entry in user.lingering if entry[1] > now]
        alive = [device for device in user.devices.values() if device.heard_at + self._timing.expiry_seconds > now]
        statuses = [device.status for device in alive] + [status for status, _ in user.lingering]
        merged: PresenceStatus = max(statuses, key=_RANK.__getitem__, default="offline")
        if merged != user.status:
            user.status = merged
            user.version += 1
        if told is not None and user.version > user.told_version and now >= self._may_tell_at(user):
            user.told_version, user.told_at = user.version, now
            told.append(PresenceEvent(user_id=user_id, status=user.status, version=user.version))
        pending = max(now, self._may_tell_at(user)) if user.version > user.told_version else _NEVER
        next_change = min(
            (until for _, until in user.lingering),
            default=_NEVER,
        )
        next_expiry = min((device.heard_at + self._timing.expiry_seconds for device in alive), default=_NEVER)
        self._wake(user_id, user, min(pending, next_change, next_expiry))
        return user.version

    def _may_tell_at(self, user: _User) -> float:
        return user.told_at + self._timing.coalescing_seconds

    def _wake(self, user_id: UUID, user: _User, when: float) -> None:
        # A timer that fires too early finds nothing to do and sets the next; so later ones need no entry of their own.
        if when < user.wake_at:
            user.wake_at = when
            self._timer_count += 1
            heapq.heappush(self._timers, (when, self._timer_count, user_id))
