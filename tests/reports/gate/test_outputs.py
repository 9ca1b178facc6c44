"""The forms of a verdict: each says which metric, how much, and how sure."""

import json
from xml.etree import ElementTree

import pytest

from reports.gate.counters import Counter, compare_counters
from reports.gate.decisions import Gated, Round, decide
from reports.gate.outputs import Outcome, annotations, document, exit_code, junit, markdown

METRIC = Gated("request|ms_p50", "ms", 0.05, 0.2)  # a name that Markdown and XML must survive
OTHER = Gated("delivery_ms_p95", "ms", 0.10, 0.2)


def rounds(factor: float) -> list[Round]:
    """Without noise but for a millionth, so that the estimate is known."""
    return [Round(number // 5, 10.0, 10.0 * factor * (1 + number * 1e-7), 300) for number in range(20)]


@pytest.fixture
def regressed() -> Outcome:
    """One metric 20 % slower and confirmed, one the same, one counter up."""
    found = {METRIC.name: rounds(1.2), OTHER.name: rounds(1.0)}
    decision = decide([METRIC, OTHER], found, {METRIC.name: rounds(1.2)})
    counters = compare_counters([Counter("buffers", "buffers", 0, "exact")], {"buffers": 20}, {"buffers": 25})
    return Outcome("base against head <1>", decision, counters, ("settings differ: pool_size_max 16 | 8",))


def test_junit_names_metric_estimate_and_interval(regressed: Outcome) -> None:
    """Two failures, one pass, readable as XML."""
    root = ElementTree.fromstring(junit(regressed))  # noqa: S314 - our own
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "2", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "REGRESSED"
    assert "request|ms_p50" in str(failure.text)
    assert "change +20.0%" in str(failure.text)
    assert "+20.0% … +20.0%" in str(failure.text)


def test_markdown_is_a_whole_table(regressed: Outcome) -> None:
    """Every row has as many cells as its head, whatever names hold."""
    text = markdown(regressed)
    assert text.startswith("### chatbench: REGRESSED")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert "- request\\|ms_p50: slower by more than 5%" in text
    assert "pool_size_max 16 \\| 8" in text


def test_annotations_escape_what_github_reads(regressed: Outcome) -> None:
    """A percent sign and a colon within a command."""
    first, second = annotations(regressed)
    assert first.startswith("::error title=REGRESSED%3A request|ms_p50::")
    assert "+20.0%25" in first
    assert second.startswith("::error title=REGRESSED%3A buffers::")


def test_the_document_is_json(regressed: Outcome) -> None:
    """With every number that the verdict rests on."""
    read = json.loads(json.dumps(document(regressed), allow_nan=False))
    assert (read["verdict"], read["exit_code"]) == ("REGRESSED", 1)
    assert read["metrics"][0]["ratio"] == pytest.approx(1.2, rel=1e-4)
    assert read["counters"][0]["head"] == 25


def test_what_cannot_be_judged_is_an_error_everywhere() -> None:
    """A metric without rounds."""
    outcome = Outcome("a against b", decide([METRIC], {}))
    root = ElementTree.fromstring(junit(outcome))  # noqa: S314 - our own
    assert root.get("errors") == "1"
    assert exit_code(outcome.verdict) == 3
    assert "no pass" in markdown(outcome)
    assert annotations(outcome)[0].startswith("::error title=INVALID")
    json.dumps(document(outcome), allow_nan=False)


def test_exit_codes() -> None:
    """Only a confirmed regression is 1."""
    assert [exit_code(one) for one in ("PASS", "IMPROVED", "UNCERTAIN", "REGRESSED", "INVALID")] == [0, 0, 0, 1, 3]
