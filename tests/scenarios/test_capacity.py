"""The search as it runs: real Locust processes against a real server process whose capacity is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import InputError, ObjectiveMissedError
from scenarios.capacity import CapacityOptions, find_capacity, own_rate, require_kept, step_outcome
from scenarios.catalogue import SCENARIOS
from scenarios.objectives import parse_objective
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord
from scenarios.runner import RunOptions

# Messages come evenly, so that below its capacity the server's queue is empty, and beyond it grows by the second.
EVENLY = {"--arrivals": "fixed", "--group-sizes": "4", "--non-members": "2", "--drain-seconds": "0.5"}
SERVICE_SECONDS = 0.02
CAPACITY = 1 / SERVICE_SECONDS


def options(url: str, out: Path, **changes: Any) -> CapacityOptions:
    run = RunOptions(scenarios=("fanout",), target=url, users=10, seconds=5, scenario_options=EVENLY, out=out)
    # A tenth of all requests may be slow: that is a stall of half a second, which a busy test machine may well have.
    return CapacityOptions(run=run, **{"objectives": ("request_ms_p90<=300",), "repetitions": 1, **changes})


def test_the_capacity_of_a_server_with_a_fixed_service_time_is_found(
    scripted_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Bracket, knee, interval; each step is a run folder of its own, and offered what it was asked to offer."""
    server = scripted_server(service_seconds=SERVICE_SECONDS)
    told: list[float] = []
    folder = find_capacity(options(server.url, tmp_path), lambda _, share: told.append(share))
    capacity = folder.read_capacity()
    assert capacity is not None
    assert capacity.result is not None
    assert capacity.result.kind == "found"
    assert capacity.result.low is not None
    assert capacity.result.high is not None
    assert capacity.result.load is not None
    # A step that a busy machine stalled counts as missed. It widens the interval downwards, as it must, without a bound
    # that a test could name; the estimate and the upper end bear it.
    assert CAPACITY / 2 < capacity.result.load < CAPACITY * 1.2
    assert capacity.result.low < CAPACITY * 1.2
    assert CAPACITY * 0.9 < capacity.result.high < CAPACITY * 2
    assert capacity.objectives == ["request_ms_p90<=300"]
    assert {step.phase for step in capacity.steps} == {"bracket", "knee"}
    for step in capacity.steps:
        run = RunFolder(folder.path / step.folder).read_manifest()
        assert run.options["scenario_options"]["--rate"] == f"{step.load:g}"
        assert run.finished_at is not None
        if step.outcome != "generator":
            assert step.operations_per_second == pytest.approx(step.load, rel=0.25)
    assert folder.read_manifest().verdict == "VALID"
    assert told == sorted(told)
    assert told[-1] == 1.0
    require_kept(folder)


def test_an_objective_missed_at_the_lowest_load_is_told_as_such(
    scripted_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Two steps confirm it; the sentence says the load."""
    server = scripted_server(service_seconds=1.0)
    folder = find_capacity(options(server.url, tmp_path, rate_min=20), lambda *_: None)
    capacity = folder.read_capacity()
    assert capacity is not None
    assert [step.outcome for step in capacity.steps] == ["missed", "missed"]
    with pytest.raises(ObjectiveMissedError, match=r"request_ms_p90<=300 is missed at the lowest load, --rate 20: "):
        require_kept(folder)


@pytest.mark.parametrize("name", [name for name, one in SCENARIOS.items() if "--rate" in one.options])
def test_every_scenario_with_a_rate_names_its_own(name: str) -> None:
    """Where a search starts when nothing else is said."""
    assert own_rate(name) > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objectives": ("request_ms_p90",)}, "is no objective"),
        ({"objectives": ("latency<=3",)}, "no number of a run is named 'latency'"),
        ({"objectives": ()}, "no objective is given"),
        ({"rate_min": 50.0, "rate_max": 20.0}, "loads from 50 to 20 are no range"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_runs(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """One sentence, and no folder is left."""
    with pytest.raises(InputError, match=said):
        find_capacity(options("http://127.0.0.1:1", tmp_path, **changes), lambda *_: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("reasons", "failed", "value", "outcome"),
    [
        ([], 0, 99.0, "kept"),
        ([], 0, 101.0, "missed"),
        ([], 0, None, "missed"),
        ([], 2, 10.0, "missed"),
        (["generator loop_lag_ms_p99 is 150, over 100 ms: lower the rate"], 0, 10.0, "generator"),
        (["generator late_share_percent is 9, over 5 % of starts: lower the rate"], 0, 500.0, "generator"),
        (["generator dropped_share_percent is 9, over 1 % of intended operations: lower it"], 0, 10.0, "missed"),
        (["the server at http://127.0.0.1:1 stopped answering 3 s into the measured time (refused)"], 0, 1.0, "missed"),
        (["it ended before anything was measured"], 0, None, "generator"),
    ],
)
def test_a_step_speaks_of_the_server_only_when_the_generator_kept_up(
    reasons: list[str], failed: int, value: float | None, outcome: str
) -> None:
    """Dropped operations and a server that is gone are the server's; lag, lateness and CPU are the generator's."""
    record = ScenarioRecord(
        name="fanout", options={}, started_second=0, seconds=5, started=100, failed=failed, reasons=reasons
    )
    objectives = (parse_objective("request_ms_p99<=100"),)
    assert step_outcome(objectives, {"request_ms_p99": value}, record) == outcome


def test_a_generator_that_left_no_record_says_nothing_of_the_server() -> None:
    """Whatever ended it."""
    assert step_outcome((parse_objective("missing==0"),), {"missing": None}, None) == "generator"
