from dataclasses import replace

import pytest

from scenarios.generator_health import BOUNDS, Observation, is_generators_own, judge

HEALTHY = Observation(
    loop_lag_ms_p99=1.0,
    cpu_share_percent=20.0,
    started=1000,
    late=0,
    dropped=0,
    arrivals=1000,
    unstamped=0,
    frames=1000,
    shared_stamps=0,
    descriptors_share_percent=10.0,
    receive_queue_bytes_p99=4095,
    clock_step_ms=0.0,
)


def test_a_healthy_generator_gets_no_word() -> None:
    """Nothing to say means nothing said."""
    assert judge(HEALTHY) == judge(replace(HEALTHY, late=10))
    assert judge(HEALTHY).reasons == ()
    assert judge(HEALTHY).warnings == ()


@pytest.mark.parametrize(
    ("name", "sick"),
    [
        ("loop_lag_ms_p99", replace(HEALTHY, loop_lag_ms_p99=101)),
        ("cpu_share_percent", replace(HEALTHY, cpu_share_percent=96)),
        ("late_share_percent", replace(HEALTHY, late=51)),
        ("dropped_share_percent", replace(HEALTHY, dropped=20)),
        ("shared_stamp_share_percent", replace(HEALTHY, shared_stamps=101)),
        ("descriptors_share_percent", replace(HEALTHY, descriptors_share_percent=96)),
        ("receive_queue_bytes_p99", replace(HEALTHY, receive_queue_bytes_p99=262_143)),
        ("clock_step_ms", replace(HEALTHY, clock_step_ms=6)),
    ],
)
def test_beyond_a_bound_the_run_is_invalid_and_says_why(name: str, sick: Observation) -> None:
    """The reason names the quantity, its value's bound, and what to change."""
    (reason,) = judge(sick).reasons
    assert name in reason
    assert BOUNDS[name].advice in reason


@pytest.mark.parametrize(
    ("name", "tired"),
    [
        ("loop_lag_ms_p99", replace(HEALTHY, loop_lag_ms_p99=21)),
        ("late_share_percent", replace(HEALTHY, late=11)),
        ("dropped_share_percent", replace(HEALTHY, dropped=1)),
        ("unstamped_share_percent", replace(HEALTHY, unstamped=1000)),
        ("shared_stamp_share_percent", replace(HEALTHY, shared_stamps=11)),
        ("descriptors_share_percent", replace(HEALTHY, descriptors_share_percent=81)),
        ("receive_queue_bytes_p99", replace(HEALTHY, receive_queue_bytes_p99=32_767)),
    ],
)
def test_between_the_bounds_the_reader_is_warned(name: str, tired: Observation) -> None:
    """A warning, and no reason."""
    judgement = judge(tired)
    assert judgement.reasons == ()
    assert name in judgement.warnings[0]


def test_what_was_never_measured_is_no_good_news() -> None:
    """Missing figures make the run invalid."""
    assert len(judge(replace(HEALTHY, loop_lag_ms_p99=None, cpu_share_percent=None)).reasons) == 2


def test_one_late_start_of_a_few_is_not_a_slow_generator() -> None:
    """Shares of small samples are taken of a hundred."""
    assert judge(replace(HEALTHY, started=10, late=1)).reasons == ()


def test_a_reason_is_the_generators_own_in_one_process_and_in_many() -> None:
    """What one worker of several says of itself bears its name."""
    (reason,) = judge(replace(HEALTHY, loop_lag_ms_p99=101)).reasons
    assert is_generators_own(reason)
    assert is_generators_own(f"worker 1, 3: {reason}")
    (reason,) = judge(replace(HEALTHY, dropped=20)).reasons
    assert not is_generators_own(f"worker 1: {reason}")
