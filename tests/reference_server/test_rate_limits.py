import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.rate_limits import RateLimit, TokenBuckets


def test_a_burst_then_the_rate() -> None:
    """A full bucket gives its burst at once, and from then on one per interval."""
    buckets = TokenBuckets(per_second=2, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("a", 0.49) == pytest.approx(0.01)
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) == 0.5


def test_users_do_not_share() -> None:
    """Each key has a bucket of its own."""
    buckets = TokenBuckets(per_second=1, burst=1)
    assert buckets.take("a", 0.0) == 0
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.0) == 1


def test_refusals_cost_nothing() -> None:
    """Who is refused is not set back."""
    buckets = TokenBuckets(per_second=1, burst=1)
    buckets.take("a", 0.0)
    for _ in range(100):
        buckets.take("a", 0.5)
    assert buckets.take("a", 1.0) == 0


@given(st.floats(0.1, 1000), st.floats(0, 50), st.lists(st.floats(0, 1), max_size=300))  # how long after the one before
def test_no_time_span_gives_more_than_burst_and_rate(per_second: float, burst: float, pauses: list[float]) -> None:
    """Between any two moments, at most the burst and what the rate adds are given."""
    buckets, now, given_at = TokenBuckets(per_second, burst), 0.0, []
    for pause in pauses:
        now += pause
        if buckets.take("a", now) == 0:
            given_at.append(now)
    for first, begin in enumerate(given_at):
        for last in range(first, len(given_at)):
            bound = max(burst, 1) + (given_at[last] - begin) * per_second
            assert last - first + 1 <= bound + 1e-3


def test_waiting_as_told_is_enough() -> None:
    """The told wait is the whole one."""
    buckets, now = TokenBuckets(per_second=3, burst=2), 0.0
    for _ in range(50):
        now += buckets.take("a", now)
        assert buckets.take("a", now) == 0 or buckets.take("a", now) > 0
    assert now <= 50 / 3


def test_memory_is_bounded_and_the_emptiest_stay() -> None:
    """Full buckets are forgotten first; whoever drew most is remembered."""
    buckets = TokenBuckets(per_second=1, burst=10, keys_max=100)
    for _ in range(10):
        buckets.take("greedy", 0.0)
    for number in range(1000):
        buckets.take(number, 0.001 * number)
        assert len(buckets) <= 100
    assert buckets.take("greedy", 0.5) > 0


def test_no_rate_lets_everything_through() -> None:
    """Off is off, and keeps nothing."""
    limit = RateLimit(None, 2.0)
    assert {limit.wait_seconds("a", 0.0) for _ in range(1000)} == {0}
