from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

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
    history: list[tuple[float, bool]] = field(default_factory=lambda: [(-1000, False)])

    def settle(self, now: float) -> None:
        """Notes a change, if this moment brings one."""
        self.until = {device: until for device, until in self.until.items() if until > now}
        if bool(self.until) != self.history[-1][1]:
            self.history.append((now, bool(self.until)))


scripts = st.lists(
    st.tuples(
        st.integers(0, 7),  # seconds since the one before
        st.sampled_from(["start", "start", "stop", "disconnect", "leave"]),
        st.sampled_from(PLACES),
        st.sampled_from(["phone", "desktop"]),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(scripts)
def test_typing_follows_the_model(script: list[tuple[int, str, Place, str]]) -> None:
    """Watchers learn each outcome, in time, alternating, at most once in a window; in the end nothing is left."""
    typists = Typists(TIMING)
    models = {place: Model() for place in PLACES}
    told: dict[Place, list[tuple[float, bool]]] = {place: [] for place in PLACES}
    now = 0

    def note(moment: float) -> None:
        for model in models.values():
            for until in sorted({until for until in model.until.values() if until <= moment}):
                model.settle(until)
        for one in typists.due(moment):
            place = one.conversation_id, one.user_id
            assert models[place].history[-1][1] == one.is_typing  # it is true when it is told
            told[place].append((moment, one.is_typing))

    def advance(moment: int) -> None:
        while (due := typists.next_due()) is not None and due <= moment:
            note(due)
        note(moment)

    for wait, action, place, name in script:
        advance(now + wait)
        now += wait
        device = (place[1], name)  # a device is one user's
        apply(typists, action, place, device, now)
        for other, model in models.items():
            is_same_user = other[1] == place[1]
            if action == "start" and other == place:
                model.until[name] = now + EXPIRY
            elif (action == "stop" and other == place) or (action == "disconnect" and is_same_user):
                model.until.pop(name, None)
            elif action == "leave" and other == place:
                model.until.clear()
            model.settle(now)
        note(now)
        for conversation in (ROOM, OTHER_ROOM):
            assert set(typists.told(conversation)) == {
                user for (where, user), events in told.items() if where == conversation and events and events[-1][1]
            }
    advance(now + 1000)
    for place, model in models.items():
        check_told(model, told[place])
    assert typists.next_due() is None
    assert not typists._typists
    assert not typists._places
    assert not typists._told


def apply(typists: Typists, action: str, place: Place, device: tuple[UUID, str], now: int) -> None:
    if action == "start":
        typists.start(place, device, now)
        assert typists.is_typing(place, device)
    elif action == "stop":
        typists.stop(place, device, now)
        assert not typists.is_typing(place, device)
    elif action == "disconnect":
        typists.disconnect(device, now)
    else:
        typists.leave(place, now)


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
