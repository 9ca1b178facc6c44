from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from reference_server.frames import TypingEvent
from reference_server.typists import Place, TypingTiming, Typists

EXPIRY, THROTTLE = 6, 2
TIMING = TypingTiming(expiry_seconds=EXPIRY, throttle_seconds=THROTTLE)
ROOM, OTHER_ROOM = UUID(int=1), UUID(int=2)
USER, OTHER = UUID(int=11), UUID(int=12)
PLACES: list[Place] = [(ROOM, USER), (ROOM, OTHER), (OTHER_ROOM, USER)]


def event(is_typing: bool, place: Place = PLACES[0]) -> TypingEvent:
    return TypingEvent(conversation_id=place[0], user_id=place[1], is_typing=is_typing)


@dataclass
class Model:
    """One user in one conversation: which devices are typing until when, and when that changed the answer."""

    until: dict[str, float] = field(default_factory=dict)
    history: list[tuple[float, bool]] = field(default_factory=lambda: [(-1000.0, False)])

    def expire(self, now: float) -> None:
        """Notes the changes up to this moment, each when it came."""
        for until in sorted({until for until in self.until.values() if until <= now}):
            self._settle(until)
        self._settle(now)

    def _settle(self, now: float) -> None:
        self.until = {device: until for device, until in self.until.items() if until > now}
        if bool(self.until) != self.history[-1][1]:
            self.history.append((now, bool(self.until)))


places = st.sampled_from(PLACES)
devices = st.sampled_from(["phone", "desktop"])


class Typing(RuleBasedStateMachine):
    """Whatever is started, stopped, lost and left: watchers learn each outcome, in time, once and in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.typists = Typists(TIMING)
        self.models = {place: Model() for place in PLACES}
        self.told: dict[Place, list[tuple[float, bool]]] = {place: [] for place in PLACES}
        self.now: float = 0

    @rule(seconds=st.integers(1, 7))
    def wait(self, seconds: int) -> None:
        """Time passes; events are told when the core says that they are due."""
        until = self.now + seconds
        while (due := self.typists.next_due()) is not None and due <= until:
            self._reach(due)
        self._reach(until)

    @rule(place=places, device=devices)
    def start(self, place: Place, device: str) -> None:
        """A device's user is typing."""
        self.typists.start(place, (place[1], device), self.now)
        self.models[place].until[device] = self.now + EXPIRY
        assert self.typists.is_typing(place, (place[1], device))
        self._reach(self.now)

    @rule(place=places, device=devices)
    def stop(self, place: Place, device: str) -> None:
        """A device's user is typing no more."""
        self.typists.stop(place, (place[1], device), self.now)
        self.models[place].until.pop(device, None)
        assert not self.typists.is_typing(place, (place[1], device))
        self._reach(self.now)

    @rule(user=st.sampled_from([USER, OTHER]), device=devices)
    def disconnect(self, user: UUID, device: str) -> None:
        """A device is lost."""
        self.typists.disconnect((user, device), self.now)
        for place, model in self.models.items():
            if place[1] == user:
                model.until.pop(device, None)
        self._reach(self.now)

    @rule(place=places)
    def leave(self, place: Place) -> None:
        """A user leaves a conversation."""
        self.typists.leave(place, self.now)
        self.models[place].until.clear()
        self._reach(self.now)

    @invariant()
    def who_asks_is_told_what_was_told(self) -> None:
        """The answer is the sum of the events."""
        for conversation in (ROOM, OTHER_ROOM):
            told = {
                place[1]
                for place, events in self.told.items()
                if place[0] == conversation and events[-1:] and events[-1][1]
            }
            assert set(self.typists.told(conversation)) == told

    def teardown(self) -> None:
        """In the end everything has expired, each start was ended once, and no typist has left a trace."""
        self.wait(1000)
        for place, model in self.models.items():
            check_told(model, self.told[place])
        assert self.typists.next_due() is None
        assert not self.typists._typists
        assert not self.typists._places
        assert not self.typists._told

    def _reach(self, moment: float) -> None:
        self.now = moment
        for model in self.models.values():
            model.expire(moment)
        for event in self.typists.due(moment):
            place = event.conversation_id, event.user_id
            assert self.models[place].history[-1][1] == event.is_typing  # it is true when it is told
            self.told[place].append((moment, event.is_typing))


TestTyping = Typing.TestCase
TestTyping.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def check_told(model: Model, told: list[tuple[float, bool]]) -> None:
    """Start and end alternate, windows are kept, and no outcome is late."""
    assert [is_typing for _, is_typing in told] == [number % 2 == 0 for number in range(len(told))]
    assert len(told) % 2 == 0  # every start is ended, once
    assert all(after >= before + THROTTLE for (before, _), (after, _) in pairwise(told))
    for (since, is_typing), (until, _) in pairwise([*model.history[1:], (10_000, False)]):
        if until - since > THROTTLE:  # it lasted longer than any window: whoever watches has learnt it
            last = [state for moment, state in told if moment <= since + THROTTLE][-1:]
            assert last == [is_typing]


def test_a_start_is_told_once_and_refreshes_are_swallowed() -> None:
    """Repeating it, even past the window, puts the expiry off and says nothing."""
    typists = Typists(TIMING)
    typists.start(PLACES[0], "phone", 0)
    assert typists.due(0) == [event(True)]
    for now in (1, 4, 8):
        typists.start(PLACES[0], "phone", now)
        assert typists.due(now) == []
    assert typists.due(13) == []
    assert typists.due(14) == [event(False)]


def test_a_stop_is_told_at_once() -> None:
    """Outside a window nothing waits."""
    typists = Typists(TIMING)
    typists.start(PLACES[0], "phone", 0)
    typists.due(0)
    typists.stop(PLACES[0], "phone", 3)
    assert typists.due(3) == [event(False)]


def test_flapping_within_a_window_is_its_outcome() -> None:
    """Start, stop, start is nothing more than the start; with one more stop it is the end, at the window's end."""
    typists = Typists(TIMING)
    typists.start(PLACES[0], "phone", 0)
    assert typists.due(0) == [event(True)]
    typists.stop(PLACES[0], "phone", 0.5)
    typists.start(PLACES[0], "phone", 1)
    assert typists.due(2) == []
    typists.stop(PLACES[0], "phone", 2.5)
    assert typists.due(2.5) == [event(False)]
    typists.start(PLACES[0], "phone", 3)
    typists.stop(PLACES[0], "phone", 3.5)
    assert typists.due(100) == []


def test_a_user_types_while_any_device_does() -> None:
    """The end of one device is no end while another goes on."""
    typists = Typists(TIMING)
    typists.start(PLACES[0], "phone", 0)
    typists.start(PLACES[0], "desktop", 0)
    typists.due(0)
    typists.stop(PLACES[0], "phone", 3)
    assert typists.due(3) == []
    typists.disconnect("desktop", 4)
    assert typists.due(4) == [event(False)]


def test_a_lost_device_ends_all_its_typing() -> None:
    """In every conversation, and nobody else's."""
    typists = Typists(TIMING)
    typists.start((ROOM, USER), "phone", 0)
    typists.start((OTHER_ROOM, USER), "phone", 0)
    typists.start((ROOM, OTHER), "other's", 0)
    typists.due(0)
    typists.disconnect("phone", 3)
    assert typists.due(3) == [event(False, (ROOM, USER)), event(False, (OTHER_ROOM, USER))]
    assert typists.told(ROOM) == (OTHER,)


def test_changes_are_noted_when_the_answer_or_its_end_changes() -> None:
    """Who keeps a copy hears of what was told and of later expiries, with the expiry to note."""
    typists, noted = Typists(TIMING), list[tuple[Place, float | None]]()
    typists.on_change = lambda place: noted.append((place, typists.expires_at(place)))
    typists.start(PLACES[0], "phone", 0)
    assert noted == []  # not told yet
    typists.due(0)
    typists.start(PLACES[0], "phone", 3)
    typists.stop(PLACES[0], "phone", 4)
    typists.due(4)
    assert noted == [(PLACES[0], 6), (PLACES[0], 9), (PLACES[0], None)]
