import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from scenarios.capacity_search import Capacity, CapacitySearch, Outcome, Plan

LOWEST, START, HIGHEST = 5.0, 40.0, 2560.0
STEPS_MAX = 60

System = Callable[[float], Outcome]


def search(system: System, *, rounds: int = 4, seed: int = 1) -> tuple[Capacity, list[tuple[Plan, Outcome]]]:
    """A whole search against a simulated system, and its steps."""
    searching = CapacitySearch(start=START, lowest=LOWEST, highest=HIGHEST, rounds=rounds, seed=seed)
    steps: list[tuple[Plan, Outcome]] = []
    while (plan := searching.next_step()) is not None:
        assert len(steps) < STEPS_MAX
        assert LOWEST / 2 <= plan.load <= HIGHEST * 2
        outcome = system(plan.load)
        searching.record(plan.load, outcome)
        steps.append((plan, outcome))
    return searching.result(), steps


def noisy(capacity: float, width: float, lapse: float, seed: int) -> System:
    """Keeps with a probability that falls through one half at the capacity."""
    random = Random(f"system {seed}")

    def outcome(load: float) -> Outcome:
        kept = 1 / (1 + math.exp(min(60, max(-60, (math.log(load) - math.log(capacity)) / width))))
        return "kept" if random.random() < lapse + (1 - 2 * lapse) * kept else "missed"

    return outcome


def sharp(capacity: float, generator_limit: float = math.inf) -> System:
    """Keeps below the capacity and misses above, unless the generator gives way first."""
    return lambda load: "generator" if load >= generator_limit else "kept" if load < capacity else "missed"


@given(st.floats(min_value=LOWEST * 1.1, max_value=HIGHEST * 0.9))
@settings(deadline=None, max_examples=40)
def test_a_sharp_capacity_is_found_and_lies_in_its_interval(capacity: float) -> None:
    """Wherever it is, within a few percent, in steps that a person waits for."""
    result, steps = search(sharp(capacity))
    assert result.kind == "found"
    assert result.load == pytest.approx(capacity, rel=0.06)
    assert result.low is not None
    assert result.high is not None
    assert result.low <= capacity <= result.high
    assert len(steps) <= 22


@given(st.floats(min_value=10, max_value=1500), st.floats(min_value=0.005, max_value=0.02), st.integers(0, 10**6))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_five_repetitions_agree_within_ten_percent(capacity: float, width: float, seed: int) -> None:
    """Of systems whose knee is as sharp as served systems' are."""
    for repetition in range(5):
        result, _ = search(noisy(capacity, width, 0, seed + repetition), seed=repetition)
        assert result.load == pytest.approx(capacity, rel=0.1)


@pytest.mark.parametrize("lapse", [0.0, 0.03])
@pytest.mark.parametrize("width", [0.02, 0.06, 0.2])
def test_intervals_hold_the_capacity_as_often_as_they_say(width: float, lapse: float) -> None:
    """Of 100 simulated systems, at least as many as 95 % chance makes likely (binomial, 1 in 1 000)."""
    held = 0
    for number in range(100):
        capacity = math.exp(Random(number).uniform(math.log(10), math.log(1500)))
        result, _ = search(noisy(capacity, width, lapse, number), seed=number)
        held += result.low is not None and result.high is not None and result.low <= capacity <= result.high
    assert held >= binom.ppf(0.001, 100, 0.95)


def test_noise_widens_the_interval() -> None:
    """A blurred knee is not told as precisely as a sharp one."""

    def width_of(noise: float) -> float:
        found = [search(noisy(300, noise, 0, number), seed=number)[0] for number in range(10)]
        return sum(math.log(one.high / one.low) for one in found if one.high and one.low)

    assert width_of(0.2) > 1.5 * width_of(0.01)


def test_rounds_are_repeated_steps_in_random_order() -> None:
    """Three steps each around the knee, not always from low to high."""
    _, steps = search(noisy(300, 0.05, 0, 1), rounds=6)
    rounds = [[plan.load for plan, _ in steps if plan.round == number] for number in range(1, 7)]
    assert [len(loads) for loads in rounds] == [3] * 6
    assert any(loads != sorted(loads) for loads in rounds)
    assert all(100 < load < 900 for loads in rounds for load in loads)


def test_a_miss_that_a_second_step_does_not_confirm_does_not_end_the_doubling() -> None:
    """One hiccup at a light load is not the capacity."""
    hiccups = [80.0]

    def system(load: float) -> Outcome:
        if load in hiccups:
            hiccups.remove(load)
            return "missed"
        return sharp(1000)(load)

    result, _ = search(system)
    assert result.load == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize(("limit", "at_least"), [(250, 200), (30, 25), (700, 590)])
def test_a_generator_that_gives_way_bounds_the_answer_from_below(limit: float, at_least: float) -> None:
    """`at least X`, near the generator's limit; nothing is said of the loads above."""
    result, _ = search(sharp(1000, limit))
    assert result.kind == "at_least"
    assert result.load is not None
    assert at_least <= result.load < limit
    assert result.generator_limit is not None
    assert limit <= result.generator_limit <= limit * 1.2
    assert (result.low, result.high) == (None, None)


def test_a_capacity_below_the_generators_limit_is_still_found() -> None:
    """Doubling may overshoot both: the search goes on between."""
    result, _ = search(sharp(200, 300))
    assert result.kind == "found"
    assert result.load == pytest.approx(200, rel=0.06)


def test_one_invalid_step_is_repeated_and_ends_nothing() -> None:
    """A neighbour on the machine may disturb a generator once."""
    disturbed = [160.0, 320.0]

    def system(load: float) -> Outcome:
        if load in disturbed:
            disturbed.remove(load)
            return "generator"
        return sharp(300)(load)

    result, _ = search(system)
    assert result.kind == "found"
    assert result.generator_limit is None


def test_the_bounds_of_the_loads_are_told_as_such() -> None:
    """Kept at the highest: at least that. Missed at the lowest: below it. No valid step: nothing."""
    assert search(sharp(1e9))[0] == Capacity("at_least", HIGHEST)
    assert search(sharp(0.1))[0] == Capacity("below", LOWEST)
    assert search(sharp(1, 0.1))[0] == Capacity("nothing", generator_limit=LOWEST)


def test_a_search_that_is_cut_short_says_what_it_knows() -> None:
    """At any time, from the steps so far."""
    searching = CapacitySearch(start=START, lowest=LOWEST, highest=HIGHEST, rounds=4, seed=1)
    assert searching.result().kind == "nothing"
    for expected in ("at_least", "at_least", "at_least", "found"):
        plan = searching.next_step()
        assert plan is not None
        searching.record(plan.load, sharp(150)(plan.load))
        assert searching.result().kind == expected
