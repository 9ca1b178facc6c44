"""Trials of the gate: delays are scaled to what identical arms took, and sessions add up."""

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import InputError, RunInvalidError
from fixtures.postgres import EmbeddedPostgres
from reference_server.injected_delay import parse_injected_delay
from scenarios import gate_trials
from scenarios.ab import AbOptions
from scenarios.gate_trials import A_A, SLOW_DOWNS, TRIALS, Amount, base_medians_ms, measure_trials, measured_trials

BASE_MS = {"list_conversations": 4.0, "delivery": 8.0, "first_page": 3.0}
FAN_OUT = next(trial for trial in TRIALS if trial.name == "the fan-out")


@given(readers=st.lists(st.uuids(), min_size=1, max_size=40), effect=st.sampled_from([0.1, 0.2]))
def test_a_delay_is_a_share_of_the_median(readers: list[UUID], effect: float) -> None:
    """For everybody that share itself; for some users longer, by as much as fewer requests meet it."""
    for one in SLOW_DOWNS:
        met = sum(parsed.meets(reader) for reader in readers) if (parsed := _any_delay(one)) else 0
        if not met:
            with pytest.raises(InputError, match="slow none of the users"):
                one.setting(effect, BASE_MS, readers)
            continue
        name, _, text = one.setting(effect, BASE_MS, readers).partition("=")
        delay = parse_injected_delay(text)
        assert name == "injected_delay"
        assert delay is not None
        assert (delay.kind, delay.name, delay.share) == (one.kind, one.place, one.users_share)
        mean_ms = delay.seconds * 1000 * met / len(readers)
        assert mean_ms == pytest.approx(effect * BASE_MS[one.operation], abs=0.001)


def _any_delay(one: gate_trials.SlowDown) -> gate_trials.InjectedDelay:
    return gate_trials.InjectedDelay(one.kind, one.place, 1.0, one.users_share)


def test_without_identical_arms_nothing_is_slowed(tmp_path: Path) -> None:
    """There is nothing that a delay could be a share of."""
    with pytest.raises(RunInvalidError, match="no delay can be scaled"):
        measure_trials(AbOptions(out=tmp_path), Amount(identical=0, slowed=1), lambda _step, _share: None)


def test_sessions_add_up(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Identical arms, then a really slow head under the same load; what was sound is not measured twice."""
    monkeypatch.setattr(gate_trials, "TRIALS", (A_A, FAN_OUT))
    options = AbOptions(
        blocks=1, rounds=1, round_seconds=1, rate=40, out=tmp_path, database_url=postgres.url("postgres")
    )
    measure_trials(options, Amount(identical=1, slowed=1), lambda _step, _share: None)
    found = list(measured_trials(tmp_path / "runs"))
    assert [trial for trial, _ in found] == [A_A, FAN_OUT]
    identical, slowed = (folder.read_manifest() for _, folder in found)
    base, head = slowed.arms["duet"]
    assert base.settings["injected_delay"] == "None"
    delay = parse_injected_delay(head.settings["injected_delay"])
    assert delay is not None
    assert delay.seconds * 1000 == pytest.approx(0.1 * base_medians_ms(found[0][1])["delivery"], abs=0.001)
    assert slowed.options["rate"] == identical.options["rate"] == 40
    unsound = [identical.verdict, slowed.verdict].count("INVALID")  # on a machine that is busy with other things
    measure_trials(options, Amount(identical=1, slowed=1), lambda _step, _share: None)
    assert len(list(measured_trials(tmp_path / "runs"))) == 2 + unsound
