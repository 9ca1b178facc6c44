"""What docs/ci.md and action.yml tell a CI to do is done here: their very shell steps, on a real comparison."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from fixtures.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
ACTION: dict[str, Any] = msgspec.yaml.decode((ROOT / "action.yml").read_bytes())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SNIPPETS: list[dict[str, Any]] = [
    msgspec.yaml.decode(text)
    for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), re.DOTALL)
]
WORKFLOW, GITLAB = SNIPPETS
# GitHub's own way to run `shell: bash`.
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")


@pytest.fixture
def short(postgres: EmbeddedPostgres) -> str:
    """Options of a comparison that is too short for a verdict: exit code 3, and every form written."""
    return f"--blocks 1 --rounds 1 --round-seconds 1 --rate 40 --database-url {postgres.url('postgres')}"


def run(script: str, folder: Path, variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """A step as a runner runs it."""
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), **variables}
    return subprocess.run([*BASH, script], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def outputs(file: Path) -> dict[str, str]:
    """What a step gave to later ones."""
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())


def step(name: str) -> dict[str, Any]:
    """A step of the action."""
    return next(one for one in STEPS if one["name"] == name)


def test_the_action_judges_and_hands_on(tmp_path: Path, short: str) -> None:
    """Its shell steps, in their order: exit code, outputs, step summary, annotations and files."""
    github = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    common = {"RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_ACTIONS": "true", **github}
    installed = run(step("Install chatbench")["run"], tmp_path, {**common, "COMMAND": str(BIN / "chatbench")})
    assert installed.returncode == 0, installed.stderr
    command = outputs(tmp_path / "GITHUB_OUTPUT")["command"]
    given = {"COMMAND": command, "BASE": ".", "HEAD": "set:pool_size_max=5", "ARGUMENTS": short, "OUT": "a folder"}
    assert given.keys() == step("Judge")["env"].keys()
    judged = run(step("Judge")["run"], tmp_path, {**common, **given})
    assert judged.returncode == 3, judged.stderr
    handed_on = outputs(tmp_path / "GITHUB_OUTPUT")
    assert handed_on["verdict"] == "INVALID"
    assert (tmp_path / handed_on["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "### chatbench: INVALID" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
    assert "::error title=INVALID" in judged.stderr
    assert ElementTree.parse(tmp_path / "a folder" / "gate.xml").getroot().tag == "testsuites"  # noqa: S314 - our own


def test_an_arm_that_cannot_be_fails_the_step(tmp_path: Path) -> None:
    """With its sentence and exit code, and never a verdict that reads as a pass."""
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    given = {"COMMAND": str(BIN / "chatbench"), "BASE": "$(touch harm)", "HEAD": ".", "ARGUMENTS": "", "OUT": "out"}
    judged = run(step("Judge")["run"], tmp_path, {**files, **given})
    assert judged.returncode == 2
    assert "is no git ref here" in judged.stderr
    assert outputs(tmp_path / "GITHUB_OUTPUT") == {"verdict": "INVALID", "report": ""}
    assert not (tmp_path / "harm").exists()  # inputs are never read as script


def test_the_action_is_whole() -> None:
    """Inputs reach scripts as variables only, outputs come from steps that are there, shell steps name their shell."""
    identifiers = {one["id"] for one in STEPS if "id" in one}
    for one in STEPS:
        assert ("run" in one) == ("shell" in one)
        assert "${{" not in one.get("run", "")
        for value in (*one.get("env", {}).values(), *one.get("with", {}).values()):
            for name in re.findall(r"inputs\.(\w+)", str(value)):
                assert name in ACTION["inputs"]
    for output in ACTION["outputs"].values():
        (identifier,) = re.findall(r"steps\.(\w+)\.outputs", output["value"])
        assert identifier in identifiers
    assert step("Install chatbench")["run"].count("constraints.txt") == 1
    assert (ROOT / "constraints.txt").exists()


def test_the_documented_workflow_uses_the_action_as_it_is() -> None:
    """Its inputs and outputs exist, required ones are given, and history is there for git refs."""
    checkout, _, gate, told = WORKFLOW["jobs"]["gate"]["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    required = {name for name, one in ACTION["inputs"].items() if one.get("required")}
    assert required <= gate["with"].keys() <= ACTION["inputs"].keys()
    for name in re.findall(r"outputs\.(\w+)", str(told["env"])):
        assert name in ACTION["outputs"]
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_gitlab_job_judges(tmp_path: Path, short: str) -> None:
    """Its script lines as they stand, with the variables that GitLab sets; it leaves what its artifacts name."""
    job = GITLAB["gate"]
    variables = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": ".", "CI_COMMIT_SHA": ".", "CHATBENCH_ARGUMENTS": short}
    assert set(re.findall(r"\$(\w+)", " ".join(job["script"]))) == variables.keys()
    judged = run("\n".join(job["script"]), tmp_path, variables)
    assert judged.returncode == 3, judged.stderr
    for path in (job["artifacts"]["reports"]["junit"], *job["artifacts"]["paths"]):
        assert (tmp_path / path).exists(), path
