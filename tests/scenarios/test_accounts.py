from typing import Any

import pytest

from scenarios.accounts import Account, LostWorker, judge_accounts, judge_lost
from scenarios.generator_health import Observation
from scenarios.merging import merged_counts, merged_ledgers
from scenarios.run_records import CountRecord, LedgerTotals


def observation(**changes: Any) -> Observation:
    values: dict[str, Any] = {
        "loop_lag_ms_p99": 1.0,
        "cpu_share_percent": 20.0,
        "started": 1000,
        "late": 0,
        "dropped": 0,
        "arrivals": 1000,
        "unstamped": 0,
        "descriptors_share_percent": 1.0,
        "frames": 100,
        "shared_stamps": 0,
        "receive_queue_bytes_p99": 1023,
        "clock_step_ms": 0.0,
    }
    return Observation(**{**values, **changes})


def account(worker: str = "1", **changes: Any) -> Account:
    values: dict[str, Any] = {
        "seconds": 10.0,
        "observation": observation(),
        "failures": {},
        "connect_failures": {},
        "reconnect_failures": {},
        "closes": {},
        "model": "open",
        "reasons": [],
        "warnings": [],
        "ledgers": [],
    }
    return Account(worker=worker, **{**values, **changes})


def totals(messages: int, expected: int, **labels: str) -> LedgerTotals:
    return LedgerTotals(
        scenario="fanout",
        labels=labels,
        messages=messages,
        expected=expected,
        delivered=expected,
        missing=0,
        duplicate=1,
        reordered=0,
        late=0,
        leaked=0,
    )


def test_healthy_processes_get_no_word() -> None:
    """Nothing to say means nothing said."""
    judgement = judge_accounts([account("1"), account("2")])
    assert (judgement.reasons, judgement.warnings) == ((), ())


def test_one_slow_process_is_named() -> None:
    """Its health is judged by itself: the others do not dilute it."""
    slow = account("2", observation=observation(loop_lag_ms_p99=500.0))
    (reason,) = judge_accounts([account("1"), slow, account("3")]).reasons
    assert reason.startswith("worker 2: generator loop_lag_ms_p99 is 500")


def test_the_only_process_needs_no_name() -> None:
    """A run in one process speaks as it always did, and so do workers that all say the same."""
    slow = observation(loop_lag_ms_p99=500.0)
    for accounts in ([account(observation=slow)], [account("1", observation=slow), account("2", observation=slow)]):
        (reason,) = judge_accounts(accounts).reasons
        assert reason.startswith("generator loop_lag_ms_p99")


def test_failures_are_judged_altogether() -> None:
    """All failed only when all did everywhere."""
    failed = account("1", failures={"send: HTTP 500": 1000})
    assert judge_accounts([failed]).reasons == ("every operation failed: send: HTTP 500 (1000 times)",)
    judgement = judge_accounts([failed, account("2")])
    assert judgement.reasons == ()
    assert judgement.warnings == ("1000 operations failed: send: HTTP 500 (1000 times)",)


def test_users_who_were_never_there_are_added_up() -> None:
    """As a reason, with what was met most."""
    accounts = [account(name, connect_failures={"refused": 2}) for name in ("1", "2")]
    assert judge_accounts(accounts).reasons == ("4 users could not connect: refused (4 times)",)


def test_a_run_without_any_start_says_so() -> None:
    """Nothing offered, nothing measured."""
    assert judge_accounts([account(observation=observation(started=0))]).reasons == ("no operation was started",)


def test_what_ended_before_it_measured_says_so() -> None:
    """Without an observation there is nothing to believe."""
    assert judge_accounts([account(observation=None)]).reasons == ("it ended before anything was measured",)


def test_ledgers_of_the_same_labels_are_added() -> None:
    """Each send and each recipient is in one process's books."""
    first, second = merged_ledgers([totals(3, 9, size="2"), totals(1, 4, size="5"), totals(2, 6, size="2")])
    assert (first.labels, first.messages, first.expected, first.delivered, first.duplicate) == (
        {"size": "2"},
        5,
        15,
        15,
        2,
    )
    assert second == totals(1, 4, size="5")


@pytest.mark.parametrize(
    ("last_seconds", "share", "is_asked_load"), [(8.0, 10.0, True), (7.9, 10.5, False), (0.0, 50.0, False)]
)
def test_a_lost_worker_is_named_and_its_share_of_the_load_decides(
    last_seconds: float, share: float, is_asked_load: bool
) -> None:
    """Half of the users for what was left of ten seconds: a warning up to a tenth of the load, INVALID beyond."""
    lost = [LostWorker("2", "was lost", 5, last_seconds)]
    judgement = judge_lost(lost, worker_count=2, user_count=10, seconds=10)
    assert judgement.warnings[0].startswith("worker 2 of 2 was lost: 5 of 10 users")
    told = (judgement.warnings[1:] if is_asked_load else judgement.reasons)[0]
    assert told.startswith(f"generator lost_load_share_percent is {share:.4g}")
    assert bool(judgement.reasons) != is_asked_load


def test_a_run_that_lost_nobody_hears_nothing_of_it() -> None:
    """And one that lost everyone is INVALID, however late that was."""
    assert judge_lost([], worker_count=2, user_count=10, seconds=10) == judge_lost(
        [], worker_count=2, user_count=10, seconds=0
    )
    assert judge_lost([], worker_count=2, user_count=10, seconds=10).warnings == ()
    lost = [LostWorker(name, "was lost", 5, 10.0) for name in "12"]
    (reason,) = judge_lost(lost, worker_count=2, user_count=10, seconds=10).reasons
    assert reason == "all 2 workers were lost, and their books with them"


def test_a_quotient_is_that_of_the_sums() -> None:
    """Two workers' events per mark are not added up."""
    told = [
        CountRecord(name=name, labels={"group_size": "5"}, value=value)
        for name, value in (("receipt_events", 30), ("receipt_marks", 10), ("receipt_events", 10), ("receipt_marks", 6))
    ]
    values = {count.name: count.value for count in merged_counts(told)}
    assert values == {"receipt_events": 40, "receipt_marks": 16, "receipts_per_mark": 2.5}
    assert [count.name for count in merged_counts(told[:1])] == ["receipt_events"]
