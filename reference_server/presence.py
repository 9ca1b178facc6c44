"""Who is online: devices merged into one status per user. Pure; the clock is passed in.

- A user is as present as their most present device: online before away before offline.
- A device that disconnects keeps its status for the grace period, or until the user connects again: a reload is no
  change.
- A device not heard of for the expiry period counts as offline until it is heard of again.
- At most one event per user leaves in a coalescing window: the first change at once, the outcome of the others at
  the window's end.
- Each change of the merged status raises the user's version by one, and the version last reached is always told:
  whoever is told version n or higher knows of change n. Users once seen keep their version, so it never starts over.
- A user was last seen when a device that was not set to offline last gave a sign: connecting, setting a status,
  answering a ping, saying goodbye. A connection that is cut because nothing came from it is no sign.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from reference_server.frames import PresenceEvent, PresenceStatus
from reference_server.wake_ups import NEVER, WakeUps

_RANK: dict[PresenceStatus, int] = {"offline": 0, "away": 1, "online": 2}

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
    told_at: float = -NEVER
    seen_at: float | None = None


class Presence:
    """The presence of all users. `now` never goes back."""

    def __init__(self, timing: PresenceTiming, *, epoch_seconds: float = 0.0) -> None:
        """`epoch_seconds` is the clock's zero in seconds since 1970."""
        # Called with each user whose status, version or time of last being seen changes.
        self.on_change: Callable[[UUID], None] = lambda _user_id: None
        self._timing = timing
        self._epoch_seconds = epoch_seconds
        self._users: dict[UUID, _User] = {}
        self._wake_ups: WakeUps[UUID] = WakeUps()

    def connect(self, user_id: UUID, device: Device, now: float) -> int:
        """A device appears, online; it takes the place of those that linger. The user's version."""
        user = self._users.setdefault(user_id, _User())
        user.lingering.clear()
        user.devices[device] = _Device("online", now)
        return self._settle(user_id, user, now, is_sign=True)

    def update(self, user_id: UUID, device: Device, status: PresenceStatus, now: float) -> int:
        """A connected device sets its status. The version of the user's merged status that includes it."""
        user = self._users[user_id]
        is_sign = {status, user.devices[device].status} != {"offline"}
        user.devices[device] = _Device(status, now)
        return self._settle(user_id, user, now, is_sign=is_sign)

    def heard(self, user_id: UUID, device: Device, now: float) -> None:
        """A connected device has shown that it is there."""
        user = self._users[user_id]
        user.devices[device].heard_at = now
        self._settle(user_id, user, now, is_sign=user.devices[device].status != "offline")

    def disconnect(self, user_id: UUID, device: Device, now: float, *, is_lost: bool = False) -> None:
        """A device is gone, for good unless the user connects again within the grace period.

        `is_lost`: it was cut because it had fallen silent.
        """
        user = self._users[user_id]
        gone = user.devices.pop(device)
        if gone.heard_at + self._timing.expiry_seconds > now:
            user.lingering.append((gone.status, now + self._timing.grace_seconds))
        self._settle(user_id, user, now, is_sign=not is_lost and gone.status != "offline")

    def state(self, user_id: UUID) -> PresenceEvent:
        """The user's merged status now; offline in version 0 when they were never seen."""
        return self._event(user_id, self._users.get(user_id) or _User())

    def seen_at_ms(self, user_id: UUID) -> int | None:
        """When the user was last seen, in milliseconds since 1970, whatever their status; None for never."""
        user = self._users.get(user_id)
        if user is None or user.seen_at is None:
            return None
        return int((self._epoch_seconds + user.seen_at) * 1000)

    def user_ids(self) -> Iterable[UUID]:
        """Everyone who was ever seen."""
        return tuple(self._users)

    def due(self, now: float) -> list[PresenceEvent]:
        """The events to tell watchers by now, each once."""
        events: list[PresenceEvent] = []
        for user_id in self._wake_ups.due(now):
            self._settle(user_id, self._users[user_id], now, told=events)
        return events

    def next_due(self) -> float | None:
        """When `due` should be asked next; None when nothing is pending."""
        return self._wake_ups.next_due()

    def _settle(
        self, user_id: UUID, user: _User, now: float, *, is_sign: bool = False, told: list[PresenceEvent] | None = None
    ) -> int:
        """Merges the devices, tells when it is time, and sets the timer for what comes next."""
        user.lingering = [entry for entry in user.lingering if entry[1] > now]
        alive = [device for device in user.devices.values() if device.heard_at + self._timing.expiry_seconds > now]
        statuses = [device.status for device in alive] + [status for status, _ in user.lingering]
        merged: PresenceStatus = max(statuses, key=_RANK.__getitem__, default="offline")
        has_changed = merged != user.status
        if has_changed:
            user.status = merged
            user.version += 1
        if is_sign:
            user.seen_at = now
        if has_changed or is_sign:
            self.on_change(user_id)
        if told is not None and user.version > user.told_version and now >= self._may_tell_at(user):
            user.told_version, user.told_at = user.version, now
            told.append(self._event(user_id, user))
        pending = max(now, self._may_tell_at(user)) if user.version > user.told_version else NEVER
        next_change = min((until for _, until in user.lingering), default=NEVER)
        next_expiry = min((device.heard_at + self._timing.expiry_seconds for device in alive), default=NEVER)
        self._wake_ups.set(user_id, min(pending, next_change, next_expiry))
        return user.version

    def _may_tell_at(self, user: _User) -> float:
        return user.told_at + self._timing.coalescing_seconds

    def _event(self, user_id: UUID, user: _User) -> PresenceEvent:
        return PresenceEvent(
            user_id=user_id,
            status=user.status,
            version=user.version,
            last_seen_ms=self.seen_at_ms(user_id) if user.status == "offline" else None,
        )
