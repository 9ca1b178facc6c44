"""Contract: what is true of users who come and go, against what their watchers were told. Pure.

Users set themselves online or away, lose their connections and come back; none of them says "offline". So whoever is
told that somebody is offline must be told so of one who has been away for the grace period at least: anything else is a
false offline. Times are CLOCK_REALTIME in ns.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Literal

Cause = Literal["update", "return", "loss"]
ABSENT = "offline"


@dataclass
class Expectation:
    """One change on its way to everyone who watches."""

    cause: Cause
    status: str
    since_ns: int
    waiting: set[Hashable]  # watchers who have not been told
    last_ns: int = 0


@dataclass
class Person:
    """The truth about one user, and what is on its way."""

    watchers: Collection[Hashable]
    status: str = "online"  # as set by the user; kept while absent
    lost_ns: int | None = None  # of the latest absence
    back_ns: int | None = None  # its end; None: it lasts
    expected: Expectation | None = None

    @property
    def is_absent(self) -> bool:
        """Whether the connection is lost now."""
        return self.lost_ns is not None and self.back_ns is None

    def has_been_absent(self, for_ns: int, now_ns: int) -> bool:
        """Whether the latest absence has lasted, or did last, so long."""
        if self.lost_ns is None:
            return False
        return (now_ns if self.back_ns is None else self.back_ns) - self.lost_ns >= for_ns


@dataclass
class ChurnBook:
    """The books of all users who flap, and of all who watch."""

    grace_ns: int
    tolerance_ns: int  # a server that shows somebody offline so much too early is not blamed
    converged: Callable[[Cause, int, int], None]  # cause, watchers, ns until the last of them knew
    people: dict[Hashable, Person] = field(default_factory=dict)
    told: dict[tuple[Hashable, Hashable], tuple[int, str]] = field(default_factory=dict)  # (watcher, user) → last
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, user: Hashable, watchers: Collection[Hashable]) -> None:
        """A user who will flap."""
        self.people[user] = Person(frozenset(watchers))

    def set_status(self, user: Hashable, status: str, now_ns: int) -> None:
        """The user, connected, sets a status that is another one than before."""
        person = self.people[user]
        assert not person.is_absent
        assert status not in {ABSENT, person.status}
        person.status = status
        self._expect(person, "update", status, now_ns)

    def lose(self, user: Hashable, now_ns: int) -> None:
        """The user's connection is lost. Watchers are to learn of it after the grace period, and not before."""
        person = self.people[user]
        person.lost_ns, person.back_ns = now_ns, None
        self.counts["losses"] += 1
        self._expect(person, "loss", ABSENT, now_ns)

    def come_back(self, user: Hashable, now_ns: int) -> None:
        """The user is connected again, online."""
        person = self.people[user]
        assert person.lost_ns is not None
        person.back_ns = now_ns
        stayed_visible = now_ns - person.lost_ns < self.grace_ns
        self.counts["returns_in_grace" if stayed_visible else "returns_late"] += 1
        was_online = person.status == "online"
        person.status = "online"
        if stayed_visible:
            # Nothing was to be told of the absence; one who was away before is online now.
            if person.expected is not None and person.expected.cause == "loss":
                person.expected = None
            if not was_online:
                self._expect(person, "return", "online", now_ns)
        else:
            self._expect(person, "return", "online", now_ns)

    def tell(self, watcher: Hashable, user: Hashable, version: int, status: str, arrival_ns: int) -> None:
        """A watcher is told a status of a user."""
        self.counts["frames"] += 1
        self.told[watcher, user] = (version, status)
        person = self.people[user]
        if status == ABSENT and not person.has_been_absent(self.grace_ns - self.tolerance_ns, arrival_ns):
            self.counts["false_offline"] += 1
        expected = person.expected
        if expected is None or expected.status != status:
            return
        expected.waiting.discard(watcher)
        expected.last_ns = max(expected.last_ns, arrival_ns)
        if not expected.waiting:
            self.counts["converged"] += 1
            self.converged(expected.cause, len(person.watchers), expected.last_ns - expected.since_ns)
            person.expected = None

    def know(self, watcher: Hashable, user: Hashable, version: int, status: str) -> None:
        """A watcher who has just subscribed is told how things are: no change, and no frame of one."""
        if version >= self.told.get((watcher, user), (-1, ""))[0]:
            self.told[watcher, user] = (version, status)

    def outstanding(self, now_ns: int) -> int:
        """Watchers who should know by now and do not; of losses, once the grace period is over."""
        return sum(
            len(person.expected.waiting)
            for person in self.people.values()
            if person.expected is not None
            and (person.expected.cause != "loss" or now_ns - person.expected.since_ns >= self.grace_ns)
        )

    def stale(self, truth: dict[Hashable, tuple[int, str]]) -> list[tuple[Hashable, Hashable]]:
        """The (watcher, user) pairs whose last told state is not the truth."""
        return [
            (watcher, user)
            for user, person in self.people.items()
            for watcher in person.watchers
            if self.told.get((watcher, user)) != truth.get(user)
        ]

    def _expect(self, person: Person, cause: Cause, status: str, now_ns: int) -> None:
        """From now on this is what watchers are to learn; what was on its way before is superseded."""
        if person.expected is not None and person.expected.cause != "loss":
            self.counts["superseded"] += 1
        self.counts["changes"] += cause != "loss"
        person.expected = Expectation(cause, status, now_ns, set(person.watchers))
