from hypothesis import given
from hypothesis import strategies as st

from reference_server.wake_ups import NEVER, WakeUps

moments = st.integers(0, 20) | st.just(NEVER)


@given(st.lists(st.tuples(st.sampled_from("abc"), moments, st.integers(0, 20)), max_size=30))
def test_each_key_wakes_once_at_its_earliest(script: list[tuple[str, float, int]]) -> None:
    """A key set to several moments is due at the first of them, and not again."""
    wake_ups: WakeUps[str] = WakeUps()
    earliest: dict[str, float] = {}
    for key, when, now in script:
        wake_ups.set(key, when)
        if when < earliest.get(key, NEVER):
            earliest[key] = when
        expected = sorted(other for other, moment in earliest.items() if moment <= now)
        assert sorted(wake_ups.due(now)) == expected
        for other in expected:
            del earliest[other]
        following = wake_ups.next_due()
        assert (following is None) or following <= min(earliest.values(), default=NEVER)
        if earliest:
            assert following is not None
    list(wake_ups.due(20))
    assert wake_ups.next_due() is None


def test_a_key_set_while_waking_is_given_again() -> None:
    """What falls due while others are looked at is not left for later."""
    wake_ups: WakeUps[str] = WakeUps()
    wake_ups.set("a", 1)
    given_keys = []
    for key in wake_ups.due(3):
        given_keys.append(key)
        if len(given_keys) == 1:
            wake_ups.set(key, 2)
    assert given_keys == ["a", "a"]
