"""Files of pytest-benchmark: written by the real plugin, judged by the rules of stored runs, refused without rounds."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import finish
from pytest_sessions import environment_of_its_own

from fixtures.errors import InputError
from reports.benchmark_file import read_benchmarks
from reports.compare import compare_runs, comparison_document, comparison_text
from reports.gate.outputs import exit_code
from reports.gate.stored import judge

WriteFile = Callable[..., Path]
WriteTurns = Callable[..., tuple[Path, Path]]


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    """A function that writes a file with known rounds, in µs."""

    def write(name: str, rounds_us: dict[str, list[float] | None], **changes: Any) -> Path:
        document = {
            "machine_info": {"machine": "x86_64", "cpu": {"brand_raw": "Example CPU", "count": 2}},
            "commit_info": {"id": "0123456789abcdef", "dirty": False},
            "datetime": "2025-01-02T03:04:05+00:00",
            "version": "5.1.0",
            "benchmarks": [
                {
                    "fullname": full_name,
                    "options": {"disable_gc": True, "min_rounds": 5},
                    "stats": {"median": 1.0} | ({} if found is None else {"data": [value / 1e6 for value in found]}),
                }
                for full_name, found in rounds_us.items()
            ],
        }
        path = tmp_path / name
        path.write_text(json.dumps(document | changes))
        return path

    return write


@pytest.mark.parametrize(
    ("head_us", "verdict", "code"),
    [(10.0, "UNCERTAIN", 0), (15.0, "UNCERTAIN", 0), (15.4, "REGRESSED", 1), (6.4, "IMPROVED", 0)],
)
def test_known_rounds_give_known_verdicts(write_file: WriteFile, head_us: float, verdict: str, code: int) -> None:
    """Only what lies beyond the drift of 53 % counts, with the medians as they were written."""
    base, head = write_file("base.json", {"a": [10.0] * 40}), write_file("head.json", {"a": [head_us] * 40})
    outcome = judge(head, None, base)
    (finding,) = outcome.decision.findings
    assert outcome.verdict == verdict
    assert (finding.base, finding.head) == (pytest.approx(10.0), pytest.approx(head_us))
    assert finding.rounds == 8
    assert exit_code(outcome.verdict) == code


@pytest.fixture
def write_turns(write_file: WriteFile, tmp_path: Path) -> WriteTurns:
    """A function that writes files of two versions that took turns, into a folder each."""

    def write(factor: float, pairs: int = 20, rounds: int = 200, **changes: Any) -> tuple[Path, Path]:
        for folder in ("base", "head"):
            (tmp_path / folder / "Linux-CPython-3.11-64bit").mkdir(parents=True)
        for number in range(pairs):
            for place, arm in enumerate(("base", "head") if number % 2 else ("head", "base")):
                # The machine drifts by half within the pairs; both versions of a pair meet the same.
                drift = 1 + 0.5 * number / pairs + 0.001 * place
                found = {
                    "a": [10.0 * drift + 0.001 * one for one in range(rounds)],
                    "b": [50.0 * drift * (factor if arm == "head" else 1) + 0.001 * one for one in range(rounds)],
                }
                own = {
                    "datetime": f"2025-01-02T{number:02}:{place:02}:00+00:00",
                    "commit_info": {"id": arm * 3},
                    **(changes if arm == "head" else {}),
                }
                write_file(f"{arm}/Linux-CPython-3.11-64bit/{number:04}.json", found, **own)
        return tmp_path / "base", tmp_path / "head"

    return write


@pytest.mark.parametrize(
    ("factor", "verdict", "code"), [(1.0, "PASS", 0), (1.03, "PASS", 0), (1.12, "REGRESSED", 1), (0.8, "IMPROVED", 0)]
)
def test_versions_that_took_turns_are_judged_as_a_duet_is(
    write_turns: WriteTurns, factor: float, verdict: str, code: int
) -> None:
    """+12 % is found although the machine drifted by half meanwhile; each finding has its pairs, p and confirmation."""
    base, head = write_turns(factor)
    outcome = judge(head, None, base)
    assert outcome.verdict == verdict
    by_name = {one.metric.name: one for one in outcome.decision.findings}
    assert list(by_name) == ["a p50", "a p95", "b p50", "b p95"]
    assert by_name["a p50"].verdict == "PASS"
    found = by_name["b p50"]
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(factor, rel=3e-3)
    assert (found.rounds, found.metric.margin, by_name["b p95"].metric.margin) == (15, 0.05, 0.10)
    assert found.confirming_p == (0.5**5 if factor > 1.05 else 1.0)
    assert not outcome.reasons
    assert exit_code(outcome.verdict) == code


def test_the_verb_judges_files_and_folders_of_files(write_turns: WriteTurns, tmp_path: Path) -> None:
    """Exit code 1 and one JSON document for a slower version, 0 for one that a stored file cannot tell from noise."""
    base, head = write_turns(1.12, pairs=16)
    result = finish("gate", head, "--baseline", base, "--json", folder=tmp_path)
    assert (result.returncode, json.loads(result.stdout)["verdict"]) == (1, "REGRESSED")
    files = [min(folder.rglob("*.json")) for folder in (head, base)]
    result = finish("gate", files[0], "--baseline", files[1], "--json", folder=tmp_path)
    assert (result.returncode, json.loads(result.stdout)["verdict"]) == (0, "UNCERTAIN")
    assert "Rounds of two files are of different moments, so they are no pairs" in result.stdout


def test_turns_that_cannot_be_judged_are_never_a_pass(write_turns: WriteTurns) -> None:
    """Too few pairs for Holm's hardest step: named with how many are needed."""
    base, head = write_turns(1.0, pairs=8)
    outcome = judge(head, None, base)
    assert outcome.verdict == "INVALID"
    assert "8 pairs of files are too few for 4 numbers: run both versions 14 times" in outcome.reasons


def test_few_rounds_make_no_p95(write_turns: WriteTurns) -> None:
    """A benchmark of 20 rounds is judged by its median alone; one of 5 not at all."""
    base, head = write_turns(1.0, rounds=20)
    assert [one.metric.name for one in judge(head, None, base).decision.findings] == ["a p50", "b p50"]
    for path in head.rglob("*.json"):
        document = json.loads(path.read_text())
        document["benchmarks"][0]["stats"]["data"] = document["benchmarks"][0]["stats"]["data"][:5]
        path.write_text(json.dumps(document))
    finding = judge(head, None, base).decision.findings[0]
    assert finding.verdict == "INVALID"
    assert finding.sentence == (
        "a p50 rests on 5 operations in one round and 10 are needed; let each benchmark run more rounds"
    )


def test_files_that_took_no_turns_are_refused(write_turns: WriteTurns, tmp_path: Path) -> None:
    """One version after the other, another number of files, a time that is none: exit code 2, in a sentence."""
    base, head = write_turns(1.0, pairs=4)
    first = min(head.rglob("*.json"))
    first.rename(first.with_suffix(".kept"))
    result = finish("gate", head, "--baseline", base, folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "did not take turns (4 and 3 of them)" in result.stderr
    first.with_suffix(".kept").rename(first)
    for number, path in enumerate(sorted(head.rglob("*.json"))):
        document = json.loads(path.read_text())
        path.write_text(json.dumps(document | {"datetime": f"2025-02-02T0{number}:00:00+00:00"}))
    with pytest.raises(InputError, match=r"did not take turns .* run both versions in turn, or give one file of each"):
        judge(head, None, base)
    first.write_text(json.dumps(json.loads(first.read_text()) | {"datetime": "yesterday"}))
    with pytest.raises(InputError, match=r"0000\.json says 'yesterday' for its time"):
        judge(head, None, base)
    with pytest.raises(InputError, match="have no objectives; give those of another version with --baseline"):
        judge(head, None, None)


def test_what_differs_beside_the_code_is_named_for_turns_too(write_turns: WriteTurns) -> None:
    """Another machine under one of the versions; another commit within one of them; a benchmark that vanished."""
    base, head = write_turns(1.0, machine_info={"machine": "aarch64"})
    path = sorted(base.rglob("*.json"))[3]
    document = json.loads(path.read_text())
    document["benchmarks"].pop()
    path.write_text(json.dumps(document | {"commit_info": {"id": "other"}}))
    outcome = judge(head, None, base)
    assert outcome.verdict == "INVALID"
    assert "host: machine was x86_64 and is aarch64" in outcome.reasons
    repeated = "0003.json is no repetition of 0000.json: "
    assert f"{repeated}code: commit was basebasebase and is other" in outcome.reasons
    assert f"{repeated}benchmarks: b was measured and is absent" in outcome.reasons
    assert [one.metric.name for one in outcome.decision.findings] == ["a p50", "a p95"]


def test_what_cannot_be_compared_is_named(write_file: WriteFile) -> None:
    """Another machine, other options, benchmarks that vanished or appeared, too few rounds."""
    base = write_file("base.json", {"a": [10.0] * 9, "gone": [1.0] * 20})
    other = {"machine": "aarch64", "cpu": {"brand_raw": "Example CPU", "count": 2}}
    head = write_file("head.json", {"a": [10.0] * 9, "new": [1.0] * 20}, machine_info=other)
    outcome = judge(head, None, base)
    assert outcome.verdict == "INVALID"
    assert outcome.reasons == (
        "host: machine was x86_64 and is aarch64",
        "benchmarks: gone was measured and is absent",
        "benchmarks: new was absent and is measured",
    )
    assert "9 values of it and 10 are needed" in outcome.decision.findings[0].sentence


def test_a_file_that_the_plugin_wrote_can_be_read(tmp_path: Path) -> None:
    """With its real shape; without its data it is refused with the way out."""
    (tmp_path / "test_one.py").write_text(
        "def test_one(benchmark):\n    benchmark.pedantic(lambda: sum(range(99)), rounds=30)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--benchmark-json=one.json",
        "test_one.py",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment_of_its_own())
    run = read_benchmarks(tmp_path / "one.json")
    assert len(run.benchmarks["test_one.py::test_one"].rounds_us) == 30
    assert run.machine["cpu count"]
    document = json.loads((tmp_path / "one.json").read_text())
    del document["benchmarks"][0]["stats"]["data"]
    (tmp_path / "saved.json").write_text(json.dumps(document))
    with pytest.raises(
        InputError, match=r"saved\.json carries no rounds of test_one\.py::test_one.*--benchmark-save-data"
    ):
        read_benchmarks(tmp_path / "saved.json")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"benchmarks": []}, "holds no benchmark"),
        ({"benchmarks": None}, "is no file of pytest-benchmark"),
        ({"machine_info": 3}, "is no file of pytest-benchmark"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    write_file: WriteFile, changes: dict[str, Any], sentence: str
) -> None:
    """By its name."""
    path = write_file("base.json", {"a": [1.0] * 20}, **changes)
    with pytest.raises(InputError, match=sentence):
        read_benchmarks(path)


@pytest.mark.parametrize("rounds", [[1.0, 0.0] * 10, [1.0, -1.0] * 10, None, [], [1.0, float("nan")] * 10])
def test_rounds_that_are_no_times_are_refused(write_file: WriteFile, rounds: list[float] | None) -> None:
    """Zero, negative, missing and NaN: never a pass."""
    path = write_file("base.json", {"a": rounds})
    with pytest.raises(InputError, match=r"base\.json"):
        read_benchmarks(path)


def test_the_wrong_kind_of_input_is_one_sentence(write_file: WriteFile, tmp_path: Path) -> None:
    """A file against a folder, a file alone, objectives for benchmarks, no file, truncated, twice the same name."""
    path = write_file("base.json", {"a": [1.0] * 20})
    (tmp_path / "cut.json").write_text(path.read_text()[:-40])
    twice = json.loads(path.read_text())
    twice["benchmarks"] *= 2
    (tmp_path / "twice.json").write_text(json.dumps(twice))
    for refused, sentence in (
        (lambda: judge(path, None, tmp_path), "are a run folder and a file"),
        (lambda: judge(path, None, None), "which have no objectives; give those of another version with --baseline"),
        (lambda: judge(path, tmp_path / "o.toml", path), "leave --objectives out"),
        (lambda: judge(tmp_path / "no.json", None, path), "no.json (No such file or directory)"),
        (lambda: compare_runs(path, tmp_path / "cut.json"), "cut.json is no file of pytest-benchmark"),
        (lambda: compare_runs(path, tmp_path / "twice.json"), "twice.json names a twice"),
    ):
        with pytest.raises(InputError) as caught:
            refused()
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)
    result = finish("compare", path, "cut.json", folder=tmp_path)
    assert (result.returncode, result.stdout, len(result.stderr.strip().splitlines())) == (2, "", 1)


def test_two_files_are_shown_side_by_side(write_file: WriteFile) -> None:
    """Medians, counts of rounds and what changed."""
    base, head = write_file("base.json", {"a": [10.0] * 40}), write_file("head.json", {"a": [20.0] * 50})
    comparison = compare_runs(base, head)
    numbers = comparison_document(comparison)["numbers"]
    assert numbers["benchmarks.us_p50.benchmark=a"] == {
        "unit": "µs", "A": pytest.approx(10), "B": pytest.approx(20), "ratio": pytest.approx(2),
    }  # fmt: skip
    assert numbers["benchmarks.rounds.benchmark=a"]["B"] == 50
    assert "benchmarks: us p50, benchmark a" in comparison_text(comparison)
