"""Where a verdict is put."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fixtures.errors import InputError
from reports.gate.decisions import Gated, decide
from reports.gate.files import write_outcome
from reports.gate.outputs import Outcome


@pytest.fixture
def outcome() -> Outcome:
    """A gate that measured nothing."""
    return Outcome("a against b", decide([Gated("request_ms_p50", "ms", 0.05, 0.2)], {}))


def test_files_are_written_as_asked(outcome: Outcome, tmp_path: Path) -> None:
    """JUnit XML, Markdown, JSON and a page, each readable; without GitHub nothing else is said."""
    junit_file, markdown_file, json_file = tmp_path / "a.xml", tmp_path / "a.md", tmp_path / "a.json"
    write_outcome(
        outcome,
        junit_file=junit_file,
        markdown_file=markdown_file,
        json_file=json_file,
        html_file=tmp_path / "a.html",
        environment={},
    )
    assert '<data value="INVALID" data-key="gate.verdict">' in (tmp_path / "a.html").read_text()
    assert ElementTree.parse(junit_file).getroot().get("errors") == "1"  # noqa: S314 - our own
    assert markdown_file.read_text().startswith("### chatbench: INVALID")
    assert json.loads(json_file.read_text())["exit_code"] == 3


def test_github_gets_its_summary_and_annotations(
    outcome: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary is added to what other steps wrote; annotations leave standard output alone."""
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    write_outcome(outcome, environment={"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"})
    assert summary.read_text().startswith("# before\n### chatbench: INVALID")
    said = capsys.readouterr()
    assert said.err.startswith("::error title=INVALID")
    assert not said.out


def test_a_file_that_cannot_be_written_is_named(outcome: Outcome, tmp_path: Path) -> None:
    """With the way out."""
    with pytest.raises(InputError, match="name a file in a folder that is there"):
        write_outcome(outcome, junit_file=tmp_path / "nowhere" / "a.xml", environment={})
