"""The books of typing: what typists said, what watchers heard of it, and how exactly silence was noticed. Pure.

A place is one typist in one conversation. Times are CLOCK_REALTIME in ns, passed in.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Heard:
    """What an event told its watcher for the first time."""

    place: "Place"
    start_us: int | None = None  # intended start of the burst → here
    expiry_error_us: int | None = None  # the stop of a typist who fell silent: observed − expected; below 0 is early


@dataclass(slots=True)
class Place:
    """One typist in one conversation, and who is to hear of them."""

    watchers: frozenset[int]
    labels: dict[str, str]
    starts: int = 0  # commands, those that repeat what is known included
    events: int = 0
    echoes: int = 0  # events at the typist's own connection
    early: int = 0  # stops of a silent typist before the expiry period was over
    missing: int = 0  # such stops that never came, of bursts that are over
    is_typing: bool = False
    began_ns: int = 0  # intended begin of the present burst
    last_start_ns: int = 0  # when the last start of it was sent
    waiting_for_start: set[int] = field(default_factory=set)
    waiting_for_expiry: set[int] = field(default_factory=set)


class TypingBooks:
    """All places of a run."""

    def __init__(self, expiry_ns: int) -> None:
        self.expiry_ns = expiry_ns  # a start counts this long
        self.places: dict[Hashable, Place] = {}
        self.foreign = 0  # events of places that are none of ours

    def add_place(self, key: Hashable, watchers: Collection[int], labels: dict[str, str]) -> None:
        """Opens the books of a typist in a conversation; `watchers` does not hold the typist."""
        self.places[key] = Place(frozenset(watchers), dict(labels))

    def start(self, key: Hashable, intended_ns: int, sent_ns: int) -> None:
        """A start was sent: a burst begins, or goes on."""
        place = self.places[key]
        place.starts += 1
        place.last_start_ns = sent_ns
        if not place.is_typing:
            place.missing += len(place.waiting_for_expiry)
            place.waiting_for_expiry = set()
            place.is_typing, place.began_ns = True, intended_ns
            place.waiting_for_start = set(place.watchers)

    def stop(self, key: Hashable) -> None:
        """A stop was sent."""
        place = self.places[key]
        place.is_typing = False
        place.waiting_for_start = set()

    def fall_silent(self, key: Hashable) -> None:
        """The typist will say nothing more: the server has to end the burst by itself, for every watcher."""
        place = self.places[key]
        assert place.is_typing
        place.is_typing = False
        place.waiting_for_expiry = set(place.watchers)

    def observe(self, key: Hashable, watcher: int, is_typing: bool, arrival_ns: int) -> Heard | None:
        """Notes an event at a watcher, or at the typist itself; what is to be recorded of it."""
        place = self.places.get(key)
        if place is None:
            self.foreign += 1
            return None
        place.events += 1
        if watcher not in place.watchers:
            place.echoes += 1
            return None
        if is_typing:
            if watcher not in place.waiting_for_start:
                return None
            place.waiting_for_start.remove(watcher)
            return Heard(place, start_us=(arrival_ns - place.began_ns) // 1000)
        if watcher not in place.waiting_for_expiry:
            return None
        place.waiting_for_expiry.remove(watcher)
        error_us = (arrival_ns - place.last_start_ns - self.expiry_ns) // 1000
        place.early += error_us < 0
        return Heard(place, expiry_error_us=error_us)

    def outstanding(self) -> int:
        """Watchers who have not heard that a typist who fell silent types no more."""
        return sum(len(place.waiting_for_expiry) for place in self.places.values())

    def close(self, now_ns: int, patience_ns: int) -> None:
        """Counts as missing the stops that should have come `patience_ns` ago; later ones are not expected any more."""
        for place in self.places.values():
            if place.last_start_ns + self.expiry_ns + patience_ns < now_ns:
                place.missing += len(place.waiting_for_expiry)
            place.waiting_for_expiry = set()
