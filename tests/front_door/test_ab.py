"""Two versions compared from the command line: real servers, real databases, real Locust."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fixtures.postgres import EmbeddedPostgres
from scenarios.run_folder import RunFolder

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]

SHORT = ("--blocks", 2, "--rounds", 2, "--round-seconds", 1, "--rate", 40)


@pytest.fixture(scope="module")
def compared(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> tuple["subprocess.CompletedProcess[str]", Path]:
    """This version against itself with a smaller pool: too short for a verdict, long enough for every record."""
    folder = tmp_path_factory.mktemp("ab")
    url = ("--database-url", postgres.url("postgres"))
    result = chatbench(
        "ab", ".", "set:pool_size_max=5", *SHORT, *url, "--junit", "gate.xml", "--markdown", "gate.md", "--json",
        folder=folder,
    )  # fmt: skip
    return result, folder


def test_a_comparison_that_is_too_short_is_no_pass(
    compared: tuple["subprocess.CompletedProcess[str]", Path],
) -> None:
    """Exit code 3, one JSON document, and the way out in every form."""
    result, folder = compared
    assert result.returncode == 3, result.stderr
    document = json.loads(result.stdout)
    assert document["verdict"] == "INVALID"
    assert "pool_size_max differs: 16 in base, 5 in head" in document["remarks"]
    assert any("operations in one round and 200 are needed" in one["sentence"] for one in document["metrics"])
    assert ElementTree.parse(folder / "gate.xml").getroot().get("failures") == "0"  # noqa: S314 - our own
    assert (folder / "gate.md").read_text().startswith("### chatbench: INVALID")


def test_both_arms_meet_the_same_pairs(compared: tuple["subprocess.CompletedProcess[str]", Path]) -> None:
    """In every round of every block, each operation was answered as often by either arm, and delivered as often."""
    _, folder = compared
    (path,) = (folder / "out" / "runs").iterdir()
    arms: dict[str, Counter[tuple[str, str, str]]] = {"base": Counter(), "head": Counter()}
    for line in RunFolder(path).read_histograms():
        if line.metric.startswith("duet_"):
            labels = line.labels
            key = labels.get("operation", "delivery"), labels["block"], labels["round"]
            arms[labels["arm"]][key] += line.count
    assert arms["base"] == arms["head"]
    assert {operation for operation, _, _ in arms["base"]} == {
        "first_page", "deep_page", "list_conversations", "send_message", "delivery",
    }  # fmt: skip
    assert {(block, number) for _, block, number in arms["base"]} == {(b, r) for b in "01" for r in "01"}
    counted: Counter[tuple[str, str]] = Counter()
    for (operation, block, _), count in arms["base"].items():
        counted[operation, block] += count
    for block in "01":
        assert counted["delivery", block] == 10 * counted["send_message", block]  # ten members each


def test_the_arms_start_in_turns(compared: tuple["subprocess.CompletedProcess[str]", Path]) -> None:
    """Their servers are started, asked and ended in an order that changes with the block."""
    _, folder = compared
    (path,) = (folder / "out" / "runs").iterdir()
    orders = [
        list(dict.fromkeys(count.labels["arm"] for count in record.counts if count.name == "duet_statements"))
        for record in RunFolder(path).read_manifest().scenarios
    ]
    assert orders[:2] == [["base", "head"], ["head", "base"]]


def test_neither_arm_is_observed_alone(compared: tuple["subprocess.CompletedProcess[str]", Path]) -> None:
    """Being observed costs a server time, which would be called a difference between the versions."""
    _, folder = compared
    (path,) = (folder / "out" / "runs").iterdir()
    lines = Counter(line.arm for line in RunFolder(path).read_server())
    assert lines.keys() <= {"base", "head"}
    assert lines["base"] == lines["head"]


@pytest.mark.parametrize(
    ("arms", "sentence"),
    [
        (("no-such-ref", "."), "'no-such-ref' is no git ref here"),
        ((".", "set:no_such_setting=1"), "no_such_setting"),
        ((".", "strategy:nonsense"), "nonsense"),
        ((".", "http://192.0.2.1:8000"), "--allow-remote"),
        ((".", "python:/no/such/python"), "name a Python that has chatbench"),
        (("-x", "."), "No such option"),
    ],
)
def test_an_arm_that_cannot_be_is_refused(
    chatbench: Chatbench, tmp_path: Path, arms: tuple[str, str], sentence: str
) -> None:
    """One sentence, exit code 2, before anything is measured."""
    result = chatbench("ab", *arms, folder=tmp_path)
    assert result.returncode == 2, result.stderr
    assert sentence in result.stderr
    assert not (tmp_path / "out" / "runs").exists()


def test_a_proof_needs_something_measured(chatbench: Chatbench, tmp_path: Path) -> None:
    """Judging again what is not there: one sentence, exit code 2."""
    result = chatbench("doctor", "--gate", "--no-measure", folder=tmp_path)
    assert result.returncode == 2
    assert "holds no trial of the gate; measure with: chatbench doctor --gate" in result.stderr
