"""Who is typing where: devices merged into one answer per user and conversation. Pure; the clock is passed in.

- A user is typing in a conversation while any device of theirs is. A device is from its start until its stop, until
  it disconnects, or until the expiry period has passed since it last said so, whichever comes first.
- What has been told alternates, start and stop: a start that repeats what was told only puts the expiry off, and
  every start that was told is followed by one stop.
- At most one event per user and conversation leaves in a throttle window: the first change at once, the outcome of
  the others at the window's end, and nothing when it is what was told.
- Who asks is answered by what has been told, so that the events that follow fit the answer.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from reference_server.frames import TypingEvent
from reference_server.wake_ups import NEVER, WakeUps

Device = Hashable
Place = tuple[UUID, UUID]  # conversation, user


@dataclass(frozen=True, kw_only=True)
class TypingTiming:
    """The two periods."""

    expiry_seconds: float
    throttle_seconds: float


@dataclass(slots=True)
class _Typist:
    until: dict[Device, float] = field(default_factory=dict)  # device → when it expires
    is_told: bool = False  # whether a start was the last that was told
    told_at: float = -NEVER


class Typists:
    """The typing of all users. `now` never goes back."""

    def __init__(self, timing: TypingTiming) -> None:
        # Called when a start or a stop is told, and when a start that was told expires later than it did.
        self.on_change: Callable[[Place], None] = lambda _place: None
        self._timing = timing
        self._typists: dict[Place, _Typist] = {}
        self._places: dict[Device, set[Place]] = {}
        self._told: dict[UUID, dict[UUID, None]] = {}  # conversation → users whose start has been told
        self._wake_ups: WakeUps[Place] = WakeUps()

    def start(self, place: Place, device: Device, now: float) -> None:
        """A device's user is typing, and will have expired in the expiry period unless it starts again."""
        typist = self._typists.setdefault(place, _Typist())
        typist.until[device] = now + self._timing.expiry_seconds
        self._places.setdefault(device, set()).add(place)
        if typist.is_told:
            self.on_change(place)
        self._settle(place, typist, now)

    def stop(self, place: Place, device: Device, now: float) -> None:
        """A device's user is typing no more; nothing when it was not."""
        typist = self._typists.get(place)
        if typist is not None and typist.until.pop(device, None) is not None:
            self._forget_device(place, device)
            self._settle(place, typist, now)

    def disconnect(self, device: Device, now: float) -> None:
        """A device is gone, and with it all its typing."""
        for place in tuple(self._places.get(device, ())):
            self.stop(place, device, now)

    def leave(self, place: Place, now: float) -> None:
        """A user's typing in a conversation ends on every device."""
        typist = self._typists.get(place)
        if typist is not None:
            for device in tuple(typist.until):
                self.stop(place, device, now)

    def is_typing(self, place: Place, device: Device) -> bool:
        """Whether a device has started there and not been seen to end."""
        return place in self._places.get(device, ())

    def told(self, conversation_id: UUID) -> tuple[UUID, ...]:
        """Who is typing in a conversation, by what has been told."""
        return tuple(self._told.get(conversation_id, ()))

    def expires_at(self, place: Place) -> float | None:
        """Until when a user of whom a start was told is typing; None when none was, or a stop since."""
        typist = self._typists.get(place)
        if typist is None or not typist.is_told:
            return None
        return max(typist.until.values(), default=-NEVER)

    def places(self) -> Iterable[Place]:
        """Where a start has been told."""
        return tuple((conversation, user) for conversation, users in self._told.items() for user in users)

    def due(self, now: float) -> list[TypingEvent]:
        """The events to tell by now, each once."""
        events: list[TypingEvent] = []
        for place in self._wake_ups.due(now):
            typist = self._typists.get(place)
            if typist is not None:
                self._settle(place, typist, now, events)
        return events

    def next_due(self) -> float | None:
        """When `due` should be asked next; None when nothing is pending."""
        return self._wake_ups.next_due()

    def _settle(self, place: Place, typist: _Typist, now: float, told: list[TypingEvent] | None = None) -> None:
        """Ends what has expired, tells when it is time, and sets the timer for what comes next."""
        for device in [device for device, until in typist.until.items() if until <= now]:
            del typist.until[device]
            self._forget_device(place, device)
        is_typing = bool(typist.until)
        may_tell_at = typist.told_at + self._timing.throttle_seconds
        if is_typing != typist.is_told and told is not None and now >= may_tell_at:
            self._note_told(place, typist, is_typing, now)
            told.append(TypingEvent(conversation_id=place[0], user_id=place[1], is_typing=is_typing))
            may_tell_at = now + self._timing.throttle_seconds
        if is_typing == typist.is_told and not is_typing and now >= may_tell_at:
            del self._typists[place]  # its window is over, and nothing is left to say
            return
        # Who is as told and not typing waits for the window's end, to be forgotten.
        next_expiry = min(typist.until.values(), default=NEVER)
        pending = max(now, may_tell_at) if is_typing != typist.is_told or not is_typing else NEVER
        self._wake_ups.set(place, min(pending, next_expiry))

    def _note_told(self, place: Place, typist: _Typist, is_typing: bool, now: float) -> None:
        conversation_id, user_id = place
        typist.is_told, typist.told_at = is_typing, now
        if is_typing:
            self._told.setdefault(conversation_id, {})[user_id] = None
        else:
            users = self._told[conversation_id]
            del users[user_id]
            if not users:
                del self._told[conversation_id]
        self.on_change(place)

    def _forget_device(self, place: Place, device: Device) -> None:
        places = self._places[device]
        places.discard(place)
        if not places:
            del self._places[device]
