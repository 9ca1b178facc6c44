"""Thresholds that need no baseline: the file, and what becomes of each."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import InputError
from reports.gate.run_numbers import RunNumber, run_number
from reports.gate.thresholds import SHIPPED, Threshold, applying, judge_threshold, read_thresholds
from reports.measurements import read_measurements
from scenarios.objectives import parse_objective
from scenarios.run_folder import RunFolder
from scenarios.run_measures import counted, parse_measure
from scenarios.run_records import ScenarioRecord
from scenarios.study import WRONG_RESULTS

ENTRY = '[[objective]]\nholds = "{}"\nscenarios = ["{}"]\nreason = "{}"\n'


def threshold(text: str, scenario: str = "fanout") -> Threshold:
    return Threshold(parse_objective(text), scenario, "because")


def test_the_shipped_file_can_be_read() -> None:
    """Every entry has a reason, and every part of the quick tour is asked something."""
    found = read_thresholds(SHIPPED)
    assert {"pagination", "fanout", "presence", "queries"} <= {one.scenario for one in found}
    assert all(len(one.reason) > 20 for one in found)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no file of objectives: Object missing required field `objective`"),
        ("objective = []", "asks nothing"),
        ("[[objective]", "is no file of objectives"),
        ('[[objective]]\nholds = "missing==0"\nscenarios = ["fanout"]', "missing required field `reason`"),
        (ENTRY.format("missing==0", "fanout", "x") + 'bound = "1"', "unknown field `bound`"),
        (ENTRY.format("missing", "fanout", "x"), "objective 1: 'missing' is no objective"),
        (ENTRY.format("lost==0", "fanout", "x"), "no number of a run is named 'lost'"),
        (ENTRY.format("missing==0", "fanuot", "x"), "no scenario named 'fanuot'; choose from pagination"),
        (ENTRY.format("missing==0", "fanout", " "), "has no reason; say why this bound"),
        (ENTRY.format("missing.scenario=fanout==0", "fanout", "x"), "name it under scenarios instead"),
        ('[[objective]]\nholds = "missing==0"\nscenarios = []\nreason = "x"', "is asked of no scenario"),
        (ENTRY.format("missing==0", "fanout", "x") * 2, "asks twice for fanout: missing"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """With the file's name; an entry that would silently ask nothing is no entry."""
    path = tmp_path / "objectives.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_thresholds(path)
    assert str(path) in str(caught.value)
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So is a folder, and one that is no text."""
    with pytest.raises(InputError, match=r"cannot read .*nowhere\.toml"):
        read_thresholds(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="cannot read"):
        read_thresholds(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is no file of objectives"):
        read_thresholds(tmp_path / "binary.toml")


# Of the known run: what is asked, and the number that it gives.
KNOWN = [
    ("delivery_ms_p50<=0.8", "fanout", 0.6, "PASS"),
    ("delivery_ms_p99.group_size=100<=1.2", "fanout", 1.2, "PASS"),
    ("delivery_ms_p99.group_size=100<1.2", "fanout", 1.2, "REGRESSED"),
    ("delivery_last_ms_p95<=1", "fanout", 1.6, "REGRESSED"),
    ("bytes_per_delivery<=250", "fanout", 250, "PASS"),
    ("bytes_per_delivery<=249", "fanout", 250, "REGRESSED"),
    ("missing==0", "fanout", 3, "REGRESSED"),
    ("missing==0", "presence", 0, "PASS"),
    ("failed_percent<=0.1", "presence", 0.25, "REGRESSED"),
    ("presence_convergence_ms_p99<=5", "presence", 1.0, "INVALID"),  # 320 values, 500 needed
    ("request_ms_p99<=5", "fanout", None, "INVALID"),
    ("delivery_ms_p99.group_size=7<=5", "fanout", None, "INVALID"),
    ("delivered>=1597", "fanout", 1597, "PASS"),
    ("delivered>1597", "fanout", 1597, "REGRESSED"),
    ("generator_cpu_percent_max<=31.65", "fanout", 31.7, "REGRESSED"),
    ("query_buffers_max<=100", "queries", 100, "PASS"),
    ("query_buffers_max.strategy=roadmap,statement=list_conversations<=24", "queries", 25, "REGRESSED"),
    ("query_buffers_max.parameter_class=hot<=30", "queries", 30, "PASS"),
    ("query_buffers_max.statement=is_member<=30", "queries", None, "INVALID"),
    ("query_wal_bytes_max.strategy=none<=400", "queries", 400, "PASS"),
    ("query_hot_percent_min>=90", "queries", 0, "REGRESSED"),
    ("query_hot_percent_min.strategy=none>=90", "queries", 94, "PASS"),
    ("wrong_results==0", "queries", None, "INVALID"),
]


@pytest.mark.parametrize(("text", "scenario", "value", "verdict"), KNOWN)
def test_a_known_run_gives_known_verdicts(
    known_run: RunFolder, text: str, scenario: str, value: float | None, verdict: str
) -> None:
    """Each number as it was put into the run; nothing that was not measured passes."""
    asked = threshold(text, scenario)
    finding = judge_threshold(asked, run_number(read_measurements(known_run.path), asked.measure))
    assert finding.verdict == verdict, finding.sentence
    assert finding.number.value == (None if value is None else pytest.approx(value))


def test_the_laboratory_is_asked_for_what_it_was_to_measure() -> None:
    """Statements and strategies that its record left out are not asked; listed ones are, measured or not."""
    listed = {"strategies": {"none": {}}, "statements": {"is_member": ""}}
    record = ScenarioRecord(name="queries", options=listed, started_second=0, seconds=1)
    names = ("statement=is_member", "statement=list_messages", "strategy=none", "strategy=roadmap")
    asked = [threshold(f"query_buffers_max.{name}<=1", "queries") for name in names]
    assert applying(asked, [record]) == (asked[0], asked[2])
    assert not applying(asked, [ScenarioRecord(name="fanout", options={}, started_second=0, seconds=1)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("query_buffers_max.statement=is_membr<=1", "is_membr'; did you mean is_member"),
        ("wrong_results.strategy=raodmap==0", "raodmap'; did you mean roadmap"),
        ("wrong_results.statement=set_role==0", "set_role'"),  # never measured
    ],
)
def test_a_misspelt_statement_is_refused(name: str, value: str) -> None:
    """Not taken for one that was left out; one that only the run knows can be asked for."""
    listed = {"strategies": {"none": {}, "mine": {}}, "statements": {"is_member": ""}}
    record = ScenarioRecord(name="queries", options=listed, started_second=0, seconds=1)
    own = threshold("wrong_results.strategy=mine==0", "queries")
    assert applying([own], [record]) == (own,)
    with pytest.raises(InputError, match=f"named '{value}.*The run measured: "):
        applying([threshold(name, "queries")], [record])


def test_wrong_rows_are_counted(parts: SimpleNamespace) -> None:
    """As the laboratory's record lists them, statement, class and strategy; None where nothing was compared."""
    wrong = {WRONG_RESULTS: [["list_messages", "deep", "roadmap"], ["is_member", "heavy", "none"]]}
    record = ScenarioRecord(name="queries", options=wrong, started_second=0, seconds=1)
    lines = [parts.query(0, "roadmap", "get_message", "hot"), parts.query(0, "own", "x", "hot", policy="join")]
    known = {"": 2, ".strategy=none": 1, ".statement=get_message": 0, ".statement=x": None, ".strategy=own": None}
    for name, count in known.items():
        assert counted(parse_measure(f"wrong_results{name}"), [record], [], lines) == count, name
    record.options = {WRONG_RESULTS: []}
    assert counted(parse_measure("wrong_results"), [record], [], []) is None


def test_a_number_that_is_none_is_no_pass() -> None:
    """Not even for a comparison that would hold."""
    asked = threshold("delivery_ms_p99<=100")
    for value in (math.nan, math.inf, -math.inf):
        assert judge_threshold(asked, RunNumber(asked.measure, value, (), 9999, 500)).verdict == "INVALID"


def test_a_promise_that_some_blocks_break_is_uncertain(build_run: object, parts: SimpleNamespace) -> None:
    """Kept over the whole run, and not in the second half."""
    lines = [
        parts.line(second, "delivery_us", [1000] * 1000 if second < 8 else [2000] * 600, scenario="fanout")
        for second in range(16)
    ]
    run = build_run(parts.manifest([parts.record("fanout", 0)]), lines)  # type: ignore[operator]
    asked = threshold("delivery_ms_p50<=1.5")
    finding = judge_threshold(asked, run_number(read_measurements(run.path), asked.measure))
    assert finding.number.value == pytest.approx(1.0)
    assert finding.verdict == "UNCERTAIN"
    assert "not so in all blocks" in finding.sentence


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6), st.lists(st.floats(0.001, 1e6), max_size=12))
def test_a_miss_is_never_a_pass(value: float, bound: float, blocks: list[float]) -> None:
    """Whatever the blocks say, a number beyond its bound is REGRESSED, and one within is PASS or UNCERTAIN."""
    asked = threshold(f"delivery_ms_p99<={bound:.6f}")
    finding = judge_threshold(asked, RunNumber(asked.measure, value, tuple(blocks), 1000, 500))
    met = value <= asked.objective.bound
    assert (finding.verdict == "REGRESSED") is not met
    assert finding.verdict in ("PASS", "UNCERTAIN", "REGRESSED")


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("delivery_ms_p99.9.group_size=100<=150", "<= 150 ms"),
        ("delivery_us_max<=150", "<= 150 µs"),
        ("bytes_per_delivery<=200", "<= 200 B"),
        ("server_cpu_percent_mean<80", "< 80 %"),
        ("process_memory_kib_max<=9", "<= 9 KiB"),
        ("failed_percent<=0.1", "<= 0.1 %"),
        ("missing==0", "== 0"),
        ("presence_frames_per_change_mean<=20", "<= 20"),
        ("query_hot_percent_min.strategy=none>=90", ">= 90 %"),
        ("query_wal_bytes_max.statement=send_message<=90", "<= 90 B"),
        ("query_buffers_max<=90", "<= 90"),
    ],
)
def test_a_bound_is_told_with_its_unit(text: str, bound: str) -> None:
    """From the measure's name."""
    assert threshold(text).bound == bound
