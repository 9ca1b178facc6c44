"""`chatbench gate` from the command line: exit codes, what CI gets, and input that is none."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import finish

from fixtures.errors import InputError
from reports.compare import compare_runs
from reports.gate.stored import judge
from scenarios.run_folder import RunFolder

OBJECTIVE = '[[objective]]\nholds = "{}"\nscenarios = ["{}"]\nreason = "known truth"\n'


def objectives(folder: Path, *asked: tuple[str, str]) -> Path:
    path = folder / "objectives.toml"
    path.write_text("".join(OBJECTIVE.format(*one) for one in asked))
    return path


@pytest.mark.parametrize(
    ("asked", "code", "verdict"),
    [
        ((("delivery_ms_p95 <= 2", "fanout"), ("missing == 0", "presence")), 0, "PASS"),
        ((("delivery_ms_p95 <= 2", "fanout"), ("missing == 0", "fanout")), 1, "REGRESSED"),
        ((("delivery_ms_p95 <= 2", "fanout"), ("request_ms_p95 <= 2", "presence")), 3, "INVALID"),
        ((("delivery_ms_p95 <= 2", "soak"),), 3, "INVALID"),
        ((("delivery_p95 <= 2", "fanout"),), 2, None),
    ],
)
def test_exit_codes(
    known_run: RunFolder, tmp_path: Path, asked: tuple[tuple[str, str], ...], code: int, verdict: str | None
) -> None:
    """0 kept, 1 missed, 3 not to be judged, 2 no objective; the run folder stays as it was."""
    before = {path.name: path.stat().st_mtime_ns for path in known_run.path.iterdir()}
    result = finish("gate", known_run.path, "--objectives", objectives(tmp_path, *asked), "--json", folder=tmp_path)
    assert result.returncode == code, result.stderr
    if verdict is None:
        assert result.stdout == ""
    else:
        assert json.loads(result.stdout)["verdict"] == verdict
    assert {path.name: path.stat().st_mtime_ns for path in known_run.path.iterdir()} == before


def test_ci_gets_every_form(known_run: RunFolder, tmp_path: Path) -> None:
    """JUnit XML and Markdown where asked; step summary and annotations where GitHub is."""
    file = objectives(tmp_path, ("missing == 0", "fanout"), ("delivery_ms_p95 <= 2", "fanout"))
    summary = tmp_path / "summary.md"
    result = finish(
        "gate", known_run.path, "--objectives", file, "--junit", "gate.xml", "--markdown", "gate.md",
        folder=tmp_path,
        environment={"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"},
    )  # fmt: skip
    assert result.returncode == 1
    assert summary.read_text() == (tmp_path / "gate.md").read_text()
    assert "| fanout: missing | == 0 | 3 | – | known truth | REGRESSED |" in summary.read_text()
    assert "::error title=REGRESSED%3A fanout%3A missing::fanout: missing: is 3 and must be == 0" in result.stderr
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")


# How a folder is damaged: the file, what becomes of its text, and what is said of it.
DAMAGE: dict[str, tuple[str, Callable[[str], str], str]] = {
    "truncated manifest": ("run.json", lambda text: text[:200], "run.json is damaged"),
    "empty manifest": ("run.json", lambda _: "", "run.json is damaged"),
    "other format": (
        "run.json",
        lambda text: text.replace('"format_version": 1', '"format_version": 2'),
        "has run-folder format 2 and this chatbench reads format 1",
    ),
    "mixed formats": (
        "ledger.json",
        lambda text: text.replace('"format_version": 1', '"format_version": 2'),
        "ledger.json has run-folder format 2",
    ),
    "not a number": (
        "run.json",
        lambda text: re.sub(r'"seconds": [\d.]+', '"seconds": NaN', text),
        "run.json is damaged",
    ),
    "edited record": (
        "run.json",
        lambda text: text.replace('"failed": 1', '"failed": -1'),
        "run.json is damaged: presence counts less than nothing",
    ),
    "edited ledger": (
        "ledger.json",
        lambda text: text.replace('"missing": 3', '"missing": 0'),
        "ledger.json is damaged: of 800 deliveries that fanout expected, 0 missing",
    ),
    "edited histogram": (
        "histograms.jsonl",
        lambda text: text.replace('"count":100', '"count":101', 1),
        "histograms.jsonl line 1 is damaged",
    ),
    "edited payload": (
        "histograms.jsonl",
        lambda text: text.replace('"payload":"H', '"payload":"X', 1),
        "histograms.jsonl line 1 is damaged",
    ),
    "second before the run": (
        "histograms.jsonl",
        lambda text: text.replace('"second":0', '"second":-1', 1),
        "histograms.jsonl line 1 is damaged: it is of second -1, before the run began",
    ),
    "edited statement": (
        "queries.jsonl",
        lambda text: text.replace('"buffers_hit":100', '"buffers_hit":-100', 1),
        "queries.jsonl line 1 is damaged: it counts less than nothing",
    ),
    "broken line": (
        "histograms.jsonl",
        lambda text: text.replace('"}\n', "\n", 1),
        "histograms.jsonl line 1 is damaged",
    ),
}


def damage(run: RunFolder, how: str) -> None:
    name, change, _ = DAMAGE[how]
    before = (run.path / name).read_text()
    assert change(before) != before
    (run.path / name).write_text(change(before))


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("place", ["run", "baseline"])
def test_a_damaged_folder_is_one_sentence_and_no_pass(
    known_run: RunFolder, tmp_path: Path, how: str, place: str
) -> None:
    """Of gate and compare alike: the file's name and what is wrong with it."""
    sound = tmp_path / "sound"
    shutil.copytree(known_run.path, sound)
    damage(known_run, how)
    run, baseline = (known_run.path, sound) if place == "run" else (sound, known_run.path)
    for refused in (lambda: judge(run, None, baseline), lambda: compare_runs(baseline, run)):
        with pytest.raises(InputError) as caught:
            refused()
        assert DAMAGE[how][2] in str(caught.value)
        assert "\n" not in str(caught.value)


def _half(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: len(lines) // 2])


# Files that can be read, and do not add up with the run's record.
NOT_WHOLE: dict[str, tuple[str, Callable[[str], str], str]] = {
    "cut at a line": (
        "histograms.jsonl",
        lambda text: "".join(text.splitlines(keepends=True)[:-12]),
        "presence began 400 operations and 250 are measured; run it again",
    ),
    "cut within a line": (
        "histograms.jsonl",
        lambda text: text[: len(text) - 20],
        "histograms.jsonl ends within a line; run it again",
    ),
    "doubled": ("histograms.jsonl", lambda text: text + text, "pagination began 400 operations and 800 are measured"),
    "statements cut": ("queries.jsonl", _half, "queries began 96 operations and 48 are measured"),
    "another name": (
        "run.json",
        lambda text: text.replace('"name": "fanout"', '"name": "fanuot"'),
        "fanuot: its measurements are missing",
    ),
    "no time": (
        "run.json",
        lambda text: re.sub(r'"seconds": [\d.]+', '"seconds": 0', text),
        "fanout began 400 operations in no time",
    ),
    "statements gone": ("queries.jsonl", lambda _: "", "queries: its measurements are missing"),
}


@pytest.mark.parametrize("how", NOT_WHOLE)
@pytest.mark.parametrize("place", ["run", "baseline"])
def test_a_folder_that_is_not_whole_is_no_pass(known_run: RunFolder, tmp_path: Path, how: str, place: str) -> None:
    """INVALID for a run and for a baseline: a half that kept its objectives says nothing of the other half."""
    kept = objectives(tmp_path, ("delivery_ms_p95 <= 2", "fanout"))
    sound = tmp_path / "sound"
    shutil.copytree(known_run.path, sound)
    assert judge(sound, kept, known_run.path).verdict == "PASS"
    name, change, sentence = NOT_WHOLE[how]
    text = (known_run.path / name).read_text()
    assert change(text) != text
    (known_run.path / name).write_text(change(text))
    run, baseline = (known_run.path, sound) if place == "run" else (sound, known_run.path)
    outcome = judge(run, kept, baseline)
    assert outcome.verdict == "INVALID"
    assert any(sentence in reason for reason in outcome.reasons), outcome.reasons


@pytest.mark.parametrize("verb", [("gate",), ("compare",), ("report", "--format", "csv")])
def test_every_verb_ends_with_2_for_a_damaged_folder(
    known_run: RunFolder, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    """One line on standard error, nothing on standard output."""
    damage(known_run, "truncated manifest")
    runs = [known_run.path] * (2 if verb == ("compare",) else 1)
    result = finish(*verb, *runs, folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.strip().splitlines()
    assert "run.json is damaged" in line


def test_an_empty_folder_and_none_are_named(tmp_path: Path) -> None:
    """As what they are."""
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        result = finish("gate", name, folder=tmp_path)
        assert result.returncode == 2
        assert f"{name} is no run folder" in result.stderr
