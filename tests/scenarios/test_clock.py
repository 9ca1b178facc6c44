from hypothesis import given
from hypothesis import strategies as st

from scenarios.clock import ClockRelation, relate_clocks


@given(
    offset=st.integers(-(10**18), 10**18),
    delays=st.lists(st.integers(0, 10**6), min_size=96, max_size=96),
)
def test_the_offset_is_within_the_stated_error(offset: int, delays: list[int]) -> None:
    """Whatever interrupts the readings, the true offset lies within the error bound."""
    now = [10**12]
    waits = iter(delays)

    def monotonic() -> int:
        now[0] += next(waits)
        return now[0]

    def realtime() -> int:
        now[0] += next(waits)
        return now[0] + offset

    relation = relate_clocks(monotonic, realtime)
    assert abs(relation.offset_ns - offset) <= relation.error_ns


def test_both_directions_agree() -> None:
    """A moment converted there and back is the same moment."""
    relation = ClockRelation(offset_ns=17, error_ns=3)
    assert relation.monotonic_ns(relation.realtime_ns(1000)) == 1000


def test_a_step_beyond_the_errors_is_seen() -> None:
    """What both readings may err by is no step; what is left is."""
    first = ClockRelation(offset_ns=0, error_ns=10)
    assert first.step_ns(ClockRelation(offset_ns=15, error_ns=5)) == 0
    assert first.step_ns(ClockRelation(offset_ns=-115, error_ns=5)) == 100
