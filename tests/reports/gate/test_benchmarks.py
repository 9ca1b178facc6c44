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
from reports.gate.stored import judge

WriteFile = Callable[..., Path]


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
    result = finish("gate", head, "--baseline", base, "--json", folder=head.parent)
    assert (result.returncode, json.loads(result.stdout)["verdict"]) == (code, verdict)


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
    for arguments, sentence in (
        (("gate", path, "--baseline", tmp_path), "are a run folder and a file"),
        (("gate", path), "which have no objectives; give an older file with --baseline"),
        (("gate", path, "--baseline", path, "--objectives", "o.toml"), "leave --objectives out"),
        (("gate", "no.json", "--baseline", path), "cannot read no.json"),
        (("compare", path, "cut.json"), "cut.json is no file of pytest-benchmark"),
        (("compare", path, "twice.json"), "twice.json names a twice"),
    ):
        result = finish(*arguments, folder=tmp_path)
        assert (result.returncode, result.stdout) == (2, ""), result
        (line,) = result.stderr.strip().splitlines()
        assert sentence in line


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
