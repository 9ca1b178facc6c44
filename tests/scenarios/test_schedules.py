import math
from collections.abc import Callable
from functools import partial
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.schedules import ARRIVALS, LATE_AFTER_NS, DrawnArrivals, StartLog, fixed_arrivals, poisson_arrivals


@pytest.mark.parametrize("kind", ARRIVALS)
@given(rate=st.floats(0.1, 10_000), seed=st.integers(0, 2**32))
def test_same_seed_same_arrivals(kind: str, rate: float, seed: int) -> None:
    """A schedule is a pure function of rate and seed, and ascends."""
    first = list(islice(ARRIVALS[kind](rate, seed), 50))
    assert first == list(islice(ARRIVALS[kind](rate, seed), 50))
    assert first == sorted(first)
    assert first[0] >= 0


def test_seeds_differ() -> None:
    """Two users with different seeds do not step together."""
    for arrivals in ARRIVALS.values():
        assert list(islice(arrivals(10, 1), 5)) != list(islice(arrivals(10, 2), 5))


def test_poisson_gaps_are_exponential() -> None:
    """The gaps' mean is 1 / rate and so is their standard deviation, within five standard errors."""
    count = 20_000
    offsets = list(islice(poisson_arrivals(100, 7), count))
    gaps = [(after - before) / 1e9 for before, after in zip([0, *offsets], offsets, strict=False)]
    mean = sum(gaps) / count
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / count)
    assert abs(mean - 0.01) < 5 * 0.01 / math.sqrt(count)
    assert abs(deviation - 0.01) < 5 * 0.01 * math.sqrt(2 / count)


@given(rate=st.floats(0.5, 5000), seed=st.integers(0, 1000))
def test_fixed_pace_does_not_drift(rate: float, seed: int) -> None:
    """The thousandth gap ends where the rate says, to the nanosecond."""
    offsets = list(islice(fixed_arrivals(rate, seed), 1001))
    assert abs((offsets[1000] - offsets[0]) - 1000 * 1e9 / rate) <= 2


def test_a_late_start_keeps_its_intended_time() -> None:
    """Nothing about starts is told to the schedule: lateness is counted beside it."""
    log = StartLog()
    assert log.start(intended_ns=100, now_ns=100 + LATE_AFTER_NS) == LATE_AFTER_NS
    assert log.start(intended_ns=200, now_ns=201 + LATE_AFTER_NS) == LATE_AFTER_NS + 1
    log.drop()
    assert (log.started, log.late, log.dropped) == (2, 1, 1)


@given(seed=st.integers(0, 2**32), processes=st.integers(1, 5), people=st.integers(1, 9), taken_late=st.integers(0, 3))
def test_drawn_arrivals_are_those_of_one_process(seed: int, processes: int, people: int, taken_late: int) -> None:
    """Each arrival is one process's, with what one process alone would have drawn, however late it is taken."""
    count = 60

    def is_of(place: int, person: int) -> bool:
        return person % processes == place

    def drawn(is_own: Callable[[int], bool]) -> list[tuple[int, int]]:
        random = Random(seed)
        arrivals = DrawnArrivals(
            islice(poisson_arrivals(10, seed), count), lambda: random.randrange(people), is_own=is_own
        )
        pending: list[int] = []
        found = []
        for offset in arrivals:
            pending.append(offset)
            if len(pending) > taken_late:
                found.append((pending.pop(0), arrivals.take()))
        return [*found, *((offset, arrivals.take()) for offset in pending)]

    shares = [drawn(partial(is_of, place)) for place in range(processes)]
    assert sorted(one for share in shares for one in share) == drawn(lambda _person: True)
