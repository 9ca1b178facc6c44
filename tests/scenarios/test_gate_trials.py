"""Trials of the gate: delays are found by what they come to, and sessions add up in one file."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import InputError, RunInvalidError
from fixtures.postgres import EmbeddedPostgres
from reference_server.injected_delay import parse_injected_delay
from reports.gate.trial_reading import trial_record
from scenarios import gate_trials
from scenarios.ab import AbOptions
from scenarios.gate_trials import (
    A_A,
    CALIBRATED,
    SLOW_DOWNS,
    TRIALS,
    Session,
    fitting_delay,
    measure_trials,
    missing_trials,
)
from scenarios.run_folder import RunFolder
from scenarios.trial_records import Amount, Trial, TrialRecord, append_record, read_records

FAN_OUT = next(trial for trial in TRIALS if trial.name == "the fan-out")


def record(trial: Trial, *, effect: float | None = None, verdict: str = "PASS", cpu: str = "one") -> TrialRecord:
    """A line of the file that holds what is needed to plan."""
    return TrialRecord(
        trial=trial,
        run_id="run",
        started_at="2026-01-02T03:04:05+00:00",
        finished_at="2026-01-02T03:04:05+00:00",
        seconds=1,
        commit=None,
        host={"cores": 2, "cpu": cpu},
        command="chatbench doctor --gate",
        rate=1,
        judging=5,
        readers=[],
        base_ms={},
        effect=effect,
        verdict=verdict,
        slower=[],
        reasons=[],
        replaced=[],
        blocks=[],
    )


@given(readers=st.lists(st.uuids(), min_size=1, max_size=40), milliseconds=st.floats(0.05, 20))
def test_a_delay_is_the_same_in_the_mean(readers: list[UUID], milliseconds: float) -> None:
    """For everybody that time itself; for some users longer, by as much as fewer requests meet it."""
    for one in SLOW_DOWNS:
        met = sum(_any_delay(one).meets(reader) for reader in readers)
        if not met:
            with pytest.raises(InputError, match="slow none of the users"):
                one.setting(milliseconds, readers)
            continue
        name, _, text = one.setting(milliseconds, readers).partition("=")
        delay = parse_injected_delay(text)
        assert name == "injected_delay"
        assert delay is not None
        assert (delay.kind, delay.name, delay.share) == (one.kind, one.place, one.users_share)
        assert delay.seconds * 1000 * met / len(readers) == pytest.approx(milliseconds, abs=0.001)


def _any_delay(one: gate_trials.SlowDown) -> gate_trials.InjectedDelay:
    return gate_trials.InjectedDelay(one.kind, one.place, 1.0, one.users_share)


@given(overhead=st.floats(0, 0.05), slope=st.floats(0.6, 3), effect=st.sampled_from([0.1, 0.2]))
def test_the_delay_of_an_effect_is_found_in_a_few_steps(overhead: float, slope: float, effect: float) -> None:
    """Whatever a delay costs beside its time: in as many duets as there may be, near enough to count."""
    points: list[tuple[float, float]] = []
    while not any(abs(came / effect - 1) <= CALIBRATED for _, came in points):
        assert len(points) < gate_trials.CALIBRATIONS_MAX
        delay = fitting_delay(effect, points)
        points.append((delay, overhead + slope * delay))


def test_missing_trials_come_in_turns() -> None:
    """A session that ends early has some of all; what was INVALID or came to something else is missing still."""
    assert missing_trials([], Amount(identical=2, slowed=1)) == [*TRIALS, A_A]
    one = next(trial for trial in TRIALS if trial.effect == 0.1)
    records = [record(A_A), record(A_A, verdict="INVALID"), record(one, effect=0.15), record(one, effect=0.21)]
    missing = missing_trials(records, Amount(identical=2, slowed=1))
    assert missing == [trial for trial in TRIALS if (trial.name, trial.effect) not in {("A/A", 0), (one.name, 0.2)}] + [
        A_A
    ]


def test_a_file_is_of_one_machine(tmp_path: Path) -> None:
    """Lines of two are refused, and nothing is written; so is a damaged line, by its number."""
    file = tmp_path / "trials.jsonl"
    append_record(file, record(A_A))
    with pytest.raises(InputError, match="2 cores of one and of 2 cores of two"):
        append_record(file, record(A_A, cpu="two"))
    assert read_records(file) == [record(A_A)]
    file.write_bytes(file.read_bytes() + b"{}\n")
    with pytest.raises(InputError, match="line 2 is no record of a trial"):
        read_records(file)


def test_a_record_that_could_not_be_read_again_is_not_added(tmp_path: Path) -> None:
    """A value that is none would make every other line unreadable with it."""
    file = tmp_path / "trials.jsonl"
    append_record(file, record(A_A))
    broken = msgspec.structs.replace(record(A_A), base_ms={"delivery": float("nan")})
    with pytest.raises(RunInvalidError, match="the trial in run holds a value that is none"):
        append_record(file, broken)
    assert read_records(file) == [record(A_A)]


def session(folder: Path, *, is_suspicious: bool = False) -> Session:
    """One that has everything confirmed, or nothing."""
    return Session(
        file=folder / "trials.jsonl",
        command="chatbench doctor --gate",
        record_of=trial_record,
        needs_confirmation=lambda _run: is_suspicious,
    )


def test_without_identical_arms_nothing_is_slowed(tmp_path: Path) -> None:
    """There is nothing that a delay could be a share of."""
    with pytest.raises(RunInvalidError, match="no delay can be scaled"):
        measure_trials(
            AbOptions(out=tmp_path), Amount(identical=0, slowed=1), session(tmp_path), lambda _step, _share: None
        )


def test_sessions_add_up(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Identical arms in one session, a really slow head in the next, calibrated and confirmed; each is a line."""
    monkeypatch.setattr(gate_trials, "TRIALS", (A_A, FAN_OUT))
    monkeypatch.setattr(gate_trials, "CALIBRATIONS_MAX", 1)
    monkeypatch.setattr(gate_trials, "CONFIRMING_BLOCKS", 1)
    monkeypatch.setattr(gate_trials, "_CALIBRATION", {"blocks": 1, "rounds": 1, "round_seconds": 1})
    options = AbOptions(
        blocks=1, rounds=1, round_seconds=1, rate=40, out=tmp_path, database_url=postgres.url("postgres")
    )
    measure_trials(options, Amount(identical=1, slowed=0), session(tmp_path), lambda _step, _share: None)
    suspicious = session(tmp_path, is_suspicious=True)
    measure_trials(options, Amount(identical=0, slowed=1), suspicious, lambda _step, _share: None)
    identical, calibration, slowed = read_records(tmp_path / "trials.jsonl")
    assert (identical.trial, slowed.trial) == (A_A, FAN_OUT)
    assert calibration.trial == Trial(FAN_OUT.name, FAN_OUT.effect, FAN_OUT.metric, is_calibration=True)
    assert [len(one.blocks) for one in (identical, calibration, slowed)] == [1, 1, 2]
    assert identical.readers
    assert identical.delay is None
    assert identical.stored is not None
    assert calibration.delay_ms == pytest.approx(0.05 * identical.base_ms["delivery"], rel=0.01)
    head = RunFolder(tmp_path / "runs" / slowed.run_id).read_manifest().arms["duet"][1]
    assert f"injected_delay={head.settings['injected_delay']}" == slowed.delay
    assert slowed.effect is not None
    assert all(one.seconds > 0 for one in (identical, calibration, slowed))
