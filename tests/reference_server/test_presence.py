from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.frames import PresenceEvent, PresenceStatus
from reference_server.presence import Presence, PresenceTiming

GRACE, COALESCING, EXPIRY = 5, 2, 20
TIMING = PresenceTiming(grace_seconds=GRACE, coalescing_seconds=COALESCING, expiry_seconds=EXPIRY)
USER, OTHER = UUID(int=1), UUID(int=2)
RANK: dict[PresenceStatus, int] = {"offline": 0, "away": 1, "online": 2}


@dataclass
class Model:
    """What one user's presence should be: asked at every moment at which it may change."""

    devices: dict[int, tuple[PresenceStatus, int]] = field(default_factory=dict)  # status, heard at
    lingering: list[tuple[PresenceStatus, int]] = field(default_factory=list)  # status, until
    history: list[tuple[int, PresenceStatus]] = field(default_factory=lambda: [(0, "offline")])  # version by index

    def settle(self, now: int) -> None:
        """Notes a change, if this moment brings one."""
        present = [status for status, heard in self.devices.values() if now < heard + EXPIRY]
        present += [status for status, until in self.lingering if now < until]
        merged: PresenceStatus = max(present, key=RANK.__getitem__, default="offline")
        if merged != self.history[-1][1]:
            self.history.append((now, merged))

    def moments(self, since: int, until: int) -> list[int]:
        """When something runs out in the time given."""
        all_moments = [heard + EXPIRY for _, heard in self.devices.values()] + [end for _, end in self.lingering]
        return sorted({moment for moment in all_moments if since < moment <= until})


actions = st.tuples(
    st.integers(0, 12),  # seconds since the one before
    st.sampled_from(["connect", "disconnect", "heard", "online", "away", "offline"]),
    st.integers(0, 2),  # device
    st.sampled_from([USER, OTHER]),
)


@settings(max_examples=300)
@given(st.lists(actions, max_size=40))
def test_presence_follows_the_model(script: list[tuple[int, str, int, UUID]]) -> None:
    """Merged status and version are the model's at every moment; watchers learn each outcome, in time and in order."""
    presence = Presence(TIMING)
    models = {USER: Model(), OTHER: Model()}
    told: dict[UUID, list[tuple[float, PresenceEvent]]] = {USER: [], OTHER: []}
    now = 0

    def advance(moment: int) -> None:
        while (due := presence.next_due()) is not None and due <= moment:
            for event in presence.due(due):
                told[event.user_id].append((due, event))
        for model in models.values():
            for change in model.moments(now, moment):
                model.settle(change)

    for wait, action, device, user in script:
        advance(now + wait)
        now += wait
        apply(presence, models[user], action, device, user, now)
        for event in presence.due(now):
            told[event.user_id].append((now, event))
        check_states(presence, models)
    advance(now + 1000)
    for user, model in models.items():
        check_told(model, told[user])
    assert presence.next_due() is None


def apply(  # noqa: PLR0917 - one step of a script
    presence: Presence, model: Model, action: str, device: int, user: UUID, now: int
) -> None:
    known = device in model.devices
    if action == "connect" and not known:
        version = presence.connect(user, device, now)
        model.lingering.clear()
        model.devices[device] = ("online", now)
        model.settle(now)
        assert version == len(model.history) - 1
    elif action == "disconnect" and known:
        presence.disconnect(user, device, now)
        status, heard = model.devices.pop(device)
        if now < heard + EXPIRY:
            model.lingering.append((status, now + GRACE))
        model.settle(now)
    elif action == "heard" and known:
        presence.heard(user, device, now)
        model.devices[device] = (model.devices[device][0], now)
        model.settle(now)
    elif action in RANK and known:
        chosen = next(name for name in RANK if name == action)
        version = presence.update(user, device, chosen, now)
        model.devices[device] = (chosen, now)
        model.settle(now)
        assert version == len(model.history) - 1


def check_states(presence: Presence, models: dict[UUID, Model]) -> None:
    for user, model in models.items():
        state = presence.state(user)
        assert (state.status, state.version) == (model.history[-1][1], len(model.history) - 1)


def check_told(model: Model, told: list[tuple[float, PresenceEvent]]) -> None:
    """Versions rise, events are true, no two come within the coalescing time, none is late, the last is told."""
    for (before, first), (after, second) in pairwise(told):
        assert second.version > first.version
        assert after >= before + COALESCING
    for _, event in told:
        assert event.status == model.history[event.version][1]
    for version, (moment, _) in enumerate(model.history[1:], start=1):
        assert any(event.version >= version and when <= moment + COALESCING for when, event in told)


def test_the_first_change_is_told_at_once_and_the_outcome_of_others_later() -> None:
    """Flapping within the coalescing time is one event, with the version last reached."""
    presence = Presence(TIMING)
    presence.connect(USER, "phone", 0)
    assert presence.due(0) == [PresenceEvent(user_id=USER, status="online", version=1)]
    for status in ("away", "online", "away"):
        presence.update(USER, "phone", status, 1)
    assert presence.due(1) == []
    assert presence.due(2) == [PresenceEvent(user_id=USER, status="away", version=4)]


def test_changing_there_and_back_tells_the_version() -> None:
    """A status that is as before is told again: whoever made the change can see that it arrived."""
    presence = Presence(TIMING)
    presence.connect(USER, "phone", 0)
    presence.due(0)
    presence.update(USER, "phone", "away", 1)
    assert presence.update(USER, "phone", "online", 1) == 3
    assert presence.due(2) == [PresenceEvent(user_id=USER, status="online", version=3)]


def test_a_reload_is_no_change() -> None:
    """A device that comes back within the grace period leaves no trace."""
    presence = Presence(TIMING)
    presence.connect(USER, "tab", 0)
    presence.due(0)
    presence.disconnect(USER, "tab", 10)
    presence.connect(USER, "reloaded tab", 14)
    assert presence.due(19) == []
    assert presence.state(USER).version == 1


def test_a_silent_device_expires_and_comes_back() -> None:
    """A device that is not heard of is offline after the expiry, and online when it is heard of again."""
    presence = Presence(TIMING)
    presence.connect(USER, "phone", 0)
    presence.due(0)
    assert [event.status for event in presence.due(EXPIRY)] == ["offline"]
    presence.heard(USER, "phone", 30)
    assert [event.status for event in presence.due(30)] == ["online"]


def test_the_most_present_device_counts() -> None:
    """Away on one device and online on another is online."""
    presence = Presence(TIMING)
    presence.connect(USER, "phone", 0)
    presence.connect(USER, "desktop", 0)
    presence.update(USER, "phone", "away", 1)
    assert presence.state(USER).status == "online"
    presence.update(USER, "desktop", "offline", 1)
    assert presence.state(USER).status == "away"


def test_last_seen_is_the_last_sign_and_told_when_offline() -> None:
    """A polite end is a sign, a ping's answer too; who is online is seen now, and is not told so."""
    presence = Presence(TIMING, epoch_seconds=1000)
    assert presence.state(USER).last_seen_ms is None
    presence.connect(USER, "phone", 0)
    presence.heard(USER, "phone", 7)
    assert presence.state(USER).last_seen_ms is None
    presence.disconnect(USER, "phone", 10)
    presence.due(10)
    (gone,) = presence.due(10 + GRACE)
    assert (gone.status, gone.last_seen_ms) == ("offline", 1_010_000)
    assert presence.state(USER) == gone


def test_a_silent_device_was_last_seen_when_it_was_heard() -> None:
    """Neither its expiry nor the end of a connection that was cut is a sign of anybody."""
    presence = Presence(TIMING)
    presence.connect(USER, "phone", 0)
    presence.heard(USER, "phone", 7)
    presence.due(7 + EXPIRY)
    assert presence.state(USER).last_seen_ms == 7_000
    presence.disconnect(USER, "phone", 7 + EXPIRY, is_lost=True)
    assert presence.state(USER).last_seen_ms == 7_000


def test_who_sets_offline_is_seen_no_more() -> None:
    """A hidden device answers pings and says goodbye without telling on its user."""
    presence = Presence(TIMING)
    presence.connect(USER, "phone", 0)
    presence.update(USER, "phone", "offline", 5)
    assert presence.state(USER).last_seen_ms == 5_000
    presence.heard(USER, "phone", 9)
    presence.update(USER, "phone", "offline", 10)
    presence.disconnect(USER, "phone", 12)
    assert presence.state(USER).last_seen_ms == 5_000


def test_changes_are_noted_for_who_keeps_a_copy() -> None:
    """Changes of the status, by time as well, and each sign; not what leaves all as it was."""
    presence, noted = Presence(TIMING), list[tuple[UUID, str]]()
    presence.on_change = lambda user_id: noted.append((user_id, presence.state(user_id).status))
    presence.connect(USER, "phone", 0)
    presence.heard(USER, "phone", 1)
    presence.due(1)
    presence.due(1 + EXPIRY)
    assert noted == [(USER, "online"), (USER, "online"), (USER, "offline")]
    assert presence.user_ids() == (USER,)
