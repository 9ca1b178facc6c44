"""Tests of `chatbench indexes --resume`: a laboratory that was interrupted or killed, and goes on."""

import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.postgres import EmbeddedPostgres
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine, RunManifest

pytestmark = pytest.mark.usefixtures("laboratory_turn")

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]
StartChatbench = Callable[..., "subprocess.Popen[str]"]

BLOCKS = 12
MEASURING_TIMEOUT_SECONDS = 240
OWN_STATEMENT = """\
-- purpose: One's own conversations, by the clock.
-- parameters: user_id uuid, page_limit integer
SELECT id, last_message_at FROM conversations WHERE participant1_id = $1 ORDER BY last_message_at DESC, id LIMIT $2
"""
OWN_STRATEGY = """\
-- purpose: One's own conversations, in order.
-- statements: my_list
CREATE INDEX my_index ON conversations (participant1_id, last_message_at DESC, id);
"""


@pytest.fixture
def arguments(tmp_path: Path, postgres: EmbeddedPostgres) -> tuple[object, ...]:
    """A comparison of many short blocks that reads and writes, with a strategy and a statement of one's own."""
    (tmp_path / "my_list.sql").write_text(OWN_STATEMENT)
    (tmp_path / "mine.sql").write_text(OWN_STRATEGY)
    names = ("--strategies", f"none,{tmp_path / 'mine.sql'}", "--statements", "send_message", "--variants", "none")
    amount = ("--size", "tiny", "--blocks", BLOCKS, "--executions", 4, "--no-policies")
    own = ("--statement", tmp_path / "my_list.sql", "--database-url", postgres.url("postgres"))
    return ("indexes", *names, *amount, *own)


def ended_after_a_block(run: "subprocess.Popen[str]", folder: Path, number: signal.Signals) -> RunFolder:
    """The folder of a run that was told to end as soon as one block had been recorded."""
    deadline = time.monotonic() + MEASURING_TIMEOUT_SECONDS
    while not any(path.read_bytes() for path in folder.glob("out/runs/*/queries.jsonl")):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline, "nothing was measured"
        time.sleep(0.01)  # between looks: the file is what is waited for
    run.send_signal(number)
    run.communicate(timeout=90)
    (path,) = folder.glob("out/runs/*")
    return RunFolder(path)


def key(line: QueryLine) -> tuple[int, str, str, str]:
    return line.block, line.strategy, line.statement, line.parameter_class


def has_everything_once(folder: RunFolder) -> RunManifest:
    """The manifest of a run that is VALID, with one line per block, strategy, statement and class."""
    manifest = folder.read_manifest()
    assert manifest.reasons == []
    assert manifest.verdict == "VALID"
    assert not manifest.cut_short
    lines = list(folder.read_queries())
    assert set(Counter(key(line) for line in lines).values()) == {1}
    assert {line.block for line in lines} == set(range(BLOCKS))
    questions = {key(line)[1:] for line in lines}
    assert {(name, statement) for name, statement, _ in questions} == {
        (name, statement) for name in ("none", "mine") for statement in ("my_list", "send_message")
    }
    assert len(lines) == BLOCKS * len(questions)
    (record,) = manifest.scenarios
    assert record.options["blocks_finished"] == BLOCKS
    assert record.started == sum(len(line.latency_us) for line in lines)
    return manifest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_ended_laboratory_goes_on_where_it_stopped(
    start_chatbench: StartChatbench,
    chatbench: Chatbench,
    arguments: tuple[object, ...],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """What was measured stays line by line, every block counts once, and the run becomes VALID.

    What earlier blocks wrote is in the data again: as many messages as all blocks together have sent.
    """
    folder = ended_after_a_block(start_chatbench(*arguments, folder=tmp_path), tmp_path, number)
    before = {key(line): line for line in folder.read_queries()}
    assert 0 < len({line.block for line in before.values()}) < BLOCKS
    for name in ("mine.sql", "my_list.sql"):
        (tmp_path / name).unlink()  # the run has kept copies

    database = arguments[-2:]
    result = chatbench("indexes", "--resume", folder.path, *database, "--json", folder=tmp_path)

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["laboratory"]["cut_short"] is False
    (record,) = has_everything_once(folder).scenarios
    after = {key(line): line for line in folder.read_queries()}
    first, second = record.options["sittings"]
    assert first == 0 < second < BLOCKS
    assert {one: after[one] for one in before if one[0] < second} == {
        one: line for one, line in before.items() if one[0] < second
    }
    assert f"continued after {second} finished blocks" in " ".join(record.warnings)
    assert not [sentence for sentence in record.warnings if re.search(r"ended after \d+ of", sentence)]
    kinds = {cost["name"] for cost in record.options["study"]["index_costs"]}
    assert kinds == {"my_index"}
    assert record.options["study"]["growths"]


def test_a_whole_run_is_not_measured_again(chatbench: Chatbench, arguments: tuple[object, ...], tmp_path: Path) -> None:
    """Its folder stays as it is, and one sentence says so."""
    short = tuple(2 if item == BLOCKS else item for item in arguments)
    assert chatbench(*short, folder=tmp_path).returncode == 0
    (path,) = tmp_path.glob("out/runs/*")
    whole = (path / "run.json").read_bytes(), (path / "queries.jsonl").read_bytes()
    result = chatbench("indexes", "--resume", path, *arguments[-2:], folder=tmp_path)
    assert result.returncode == 2
    assert "has all of its 2 blocks; there is nothing to continue" in result.stderr
    assert ((path / "run.json").read_bytes(), (path / "queries.jsonl").read_bytes()) == whole
