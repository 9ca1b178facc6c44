"""`chatbench gate` from the command line: exit codes, what CI gets, and input that is none."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import finish

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
    assert "| fanout: missing | == 0 | 3 | – | REGRESSED |" in summary.read_text()
    assert "::error title=REGRESSED%3A fanout%3A missing::fanout: missing: is 3 and must be == 0" in result.stderr
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")


def damaged(run: RunFolder, how: str) -> None:
    """Makes a folder that nobody should believe."""
    manifest, lines = run.path / "run.json", run.path / "histograms.jsonl"
    if how == "truncated manifest":
        manifest.write_bytes(manifest.read_bytes()[:200])
    elif how == "empty manifest":
        manifest.write_bytes(b"")
    elif how == "no manifest":
        manifest.unlink()
    elif how == "other format":
        manifest.write_text(manifest.read_text().replace('"format_version": 1', '"format_version": 2'))
    elif how == "mixed formats":
        ledger = run.path / "ledger.json"
        ledger.write_text(ledger.read_text().replace('"format_version": 1', '"format_version": 2'))
    elif how == "not a number":
        manifest.write_text(
            manifest.read_text().replace('"seconds": 8.0', '"seconds": NaN').replace('"seconds": 8', '"seconds": NaN')
        )
    elif how == "edited histogram":
        lines.write_text(lines.read_text().replace('"count":100', '"count":101', 1))
    elif how == "edited payload":
        lines.write_text(lines.read_text().replace('"payload":"H', '"payload":"X', 1))
    elif how == "broken line":
        first, _, rest = lines.read_text().partition("\n")
        lines.write_text(f"{first[:-9]}\n{rest}")


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("truncated manifest", "run.json is damaged"),
        ("empty manifest", "run.json is damaged"),
        ("no manifest", "cannot read run.json"),
        ("other format", "has run-folder format 2 and this chatbench reads format 1"),
        ("mixed formats", "ledger.json has run-folder format 2"),
        ("not a number", "run.json is damaged"),
        ("edited histogram", "histograms.jsonl line 1 is damaged"),
        ("edited payload", "histograms.jsonl line 1 is damaged"),
        ("broken line", "histograms.jsonl line 1 is damaged"),
    ],
)
@pytest.mark.parametrize("place", ["run", "baseline"])
def test_a_damaged_folder_is_one_sentence_and_no_pass(
    known_run: RunFolder, tmp_path: Path, how: str, sentence: str, place: str
) -> None:
    """Exit code 2, the file's name, nothing on standard output."""
    sound = tmp_path / "sound"
    sound.mkdir()
    for path in known_run.path.iterdir():
        (sound / path.name).write_bytes(path.read_bytes())
    damaged(known_run, how)
    run, baseline = (known_run.path, sound) if place == "run" else (sound, known_run.path)
    result = finish("gate", run, "--baseline", baseline, folder=tmp_path)
    assert result.returncode == 2, result.stdout
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert sentence in line


def test_an_empty_folder_and_none_are_named(tmp_path: Path) -> None:
    """As what they are."""
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        result = finish("gate", name, folder=tmp_path)
        assert result.returncode == 2
        assert f"{name} is no run folder" in result.stderr
