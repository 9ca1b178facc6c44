"""Servers compared from the command line: real servers, real databases, real Locust, in interleaved blocks."""

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.postgres import EmbeddedPostgres
from scenarios.metrics import COUNTS
from scenarios.run_folder import RunFolder, ScenarioRecord

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]

BLOCKS = 2
WARM_UP_MESSAGES = 5  # of fan-out's workload, per group
SMALL_FANOUT = ("--size", "tiny", "--users", 16, "-o", "group-sizes=2,8", "-o", "non-members=4")


def totals(records: list[ScenarioRecord], arm: str) -> Counter[tuple[str, str]]:
    """(count, table) → its sum over an arm's blocks."""
    found: Counter[tuple[str, str]] = Counter()
    for record in records:
        for count in record.counts if record.arm == arm else ():
            found[count.name, count.labels.get("table", "")] += round(count.value)
    return found


@pytest.fixture(scope="module")
def compared(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> tuple["subprocess.CompletedProcess[str]", RunFolder]:
    """Fan-out on two servers that differ in their indexes and their pool."""
    folder = tmp_path_factory.mktemp("comparison")
    result = chatbench(
        "run", "fanout", *SMALL_FANOUT, "--blocks", BLOCKS, "--seconds", 2 * BLOCKS,
        "--arm", "keys:strategy=none", "--arm", "roadmap:strategy=roadmap,pool_size_max=8",
        "--database-url", postgres.url("postgres"), folder=folder,
    )  # fmt: skip
    (path,) = (folder / "out" / "runs").iterdir()
    return result, RunFolder(path)


def test_every_arm_has_every_block(compared: tuple["subprocess.CompletedProcess[str]", RunFolder]) -> None:
    """Each turn leaves a record, its lines and its ledgers; the command's exit code is the verdict's."""
    result, folder = compared
    manifest = folder.read_manifest()
    assert result.returncode == (3 if manifest.verdict == "INVALID" else 0), result.stderr
    turns = [(record.arm, record.block) for record in manifest.scenarios]
    assert sorted(turns) == [(arm, block) for arm in ("keys", "roadmap") for block in range(BLOCKS)]
    # ABBA: the second block visits the arms in the reverse order of the first.
    assert [arm for arm, _ in turns[:2]] == [arm for arm, _ in reversed(turns[2:])]
    assert [arm.name for arm in manifest.arms["fanout"]] == ["keys", "roadmap"]
    assert manifest.arms["fanout"][1].settings["pool_size_max"] == "8"
    assert {line.labels["arm"] for line in folder.read_histograms()} == {"keys", "roadmap"}
    assert {ledger.labels["arm"] for ledger in folder.read_ledger().ledgers} == {"keys", "roadmap"}


def test_the_arms_of_a_block_meet_the_same_load(
    compared: tuple["subprocess.CompletedProcess[str]", RunFolder],
) -> None:
    """Same seed within a block, another one in the next."""
    seeds = {(record.block, record.options["seed"]) for record in compared[1].read_manifest().scenarios}
    assert len(seeds) == BLOCKS


def test_what_the_database_counted_is_what_was_sent(
    compared: tuple["subprocess.CompletedProcess[str]", RunFolder],
) -> None:
    """Messages stored are those of the ledger and of the warm-up, exactly; indexed columns end HOT updates."""
    folder = compared[1]
    records = folder.read_manifest().scenarios
    for arm in ("keys", "roadmap"):
        counted = totals(records, arm)
        acknowledged = sum(one.messages for one in folder.read_ledger().ledgers if one.labels["arm"] == arm)
        groups = counted["database_inserts", "conversations"]
        assert groups == 2 * BLOCKS
        sent = acknowledged + WARM_UP_MESSAGES * groups
        assert counted["database_inserts", "chat_messages"] == sent > WARM_UP_MESSAGES * groups
        assert counted["database_updates", "conversations"] == sent
        assert counted["database_wal_bytes", ""] > 100 * sent
    assert {count.name for record in records for count in record.counts} <= set(COUNTS)


def test_the_report_compares(compared: tuple["subprocess.CompletedProcess[str]", RunFolder]) -> None:
    """The page holds the comparison and each arm's own sections."""
    page = (compared[1].path / "report.html").read_text(encoding="utf-8")
    assert 'id="arms-fanout"' in page
    assert "arms.wal_bytes_per_message.arm=roadmap,scenario=fanout" in page
    assert 'id="fanout-roadmap"' in page


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "fanout", "--arm", "a"), "nothing to be compared with"),
        (("run", "fanout", "--arm", "a", "--arm", "b:nonsense=1"), "names no setting"),
        (("run", "fanout", "--arm", "a", "--arm", "b", "--target", "http://127.0.0.1:9"), "leave out --target"),
        (("run", "queries", "--arm", "a", "--arm", "b"), "arms belong to load scenarios"),
        (("run", "pagination", "--arms", "nonsense"), "has no arms named 'nonsense'"),
    ],
)
def test_arms_that_cannot_be_end_before_anything_starts(
    chatbench: Chatbench, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, one sentence, nothing written."""
    result = chatbench(*arguments, folder=tmp_path)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert not (tmp_path / "out" / "runs").exists()


def test_a_verdict_names_the_arm_that_failed(chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A server that takes no frame as long as a token lets nobody in; the other arm is not blamed."""
    result = chatbench(
        "run", "fanout", *SMALL_FANOUT, "--blocks", 1, "--seconds", 3, "-o", "rate=60",
        "--arm", "free", "--arm", "cut:frame_bytes_max=16",
        "--database-url", postgres.url("postgres"), folder=tmp_path,
    )  # fmt: skip
    assert result.returncode == 3, result.stderr
    (path,) = (tmp_path / "out" / "runs").iterdir()
    reasons = RunFolder(path).read_manifest().reasons
    assert any(reason.startswith("fanout (cut, block 1): 16 users could not connect") for reason in reasons)
    assert not any("could not connect" in reason for reason in reasons if reason.startswith("fanout (free"))
