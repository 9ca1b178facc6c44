"""Servers compared from the command line: real servers, real databases, real Locust, in interleaved blocks."""

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fixtures.postgres import EmbeddedPostgres
from scenarios import histograms
from scenarios.metrics import COUNTS
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord, ServerSecond, StatementTotal

Chatbench = Callable[..., "subprocess.CompletedProcess[str]"]

BLOCKS = 2
BOOLEANS = ("false", "true")
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


def test_every_server_is_observed_in_its_own_turns(
    compared: tuple["subprocess.CompletedProcess[str]", RunFolder],
) -> None:
    """Seconds and statements of both, within the turns of each; the statements that stored messages are all there."""
    folder = compared[1]
    records = folder.read_manifest().scenarios
    lines = list(folder.read_server())
    seconds = [line for line in lines if isinstance(line, ServerSecond)]
    statements = [line for line in lines if isinstance(line, StatementTotal)]
    for arm in ("keys", "roadmap"):
        turns = [record for record in records if record.arm == arm]
        observed = [line for line in seconds if line.arm == arm]
        assert len(observed) >= BLOCKS
        # A turn's observer looks on while the generator drains.
        first = min(record.started_second for record in turns)
        assert all(line.second >= first - 1 and line.server_cpu_percent is not None for line in observed)
        assert all(line.wal_bytes is not None and line.pool_waits is not None for line in observed)
        stored = sum(line.calls for line in statements if line.arm == arm and line.statement == "send_message")
        # An observer sees a turn begin up to a quarter of a second late: it reads the record every 50 ms, then asks.
        started = sum(record.started for record in turns)
        assert stored >= started - sum(0.25 * record.started / record.seconds for record in turns) > 0


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


def test_index_load_counts_what_its_arms_wrote(
    chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Every send that was timed is a row of the database, and an indexed last_message_at ends every HOT update."""
    chatbench(
        "run", "index_load", "--size", "tiny", "--users", 12, "--blocks", 1, "--seconds", 3,
        "--database-url", postgres.url("postgres"), folder=tmp_path,
    )  # fmt: skip
    (path,) = (tmp_path / "out" / "runs").iterdir()
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    arms = [arm.name for arm in manifest.arms["index_load"]]
    assert arms == ["keys", "membership"]
    timed: Counter[tuple[str, str]] = Counter()
    for line in folder.read_histograms():
        if line.metric == "request_us":
            timed[line.labels["arm"], line.labels["request"]] += line.count
    for record in manifest.scenarios:
        assert record.arm is not None
        counted = totals([record], record.arm)
        sends = timed[record.arm, "send_message"]
        assert counted["database_inserts", "chat_messages"] == counted["database_updates", "conversations"] == sends > 0
        assert sum(count for (arm, _), count in timed.items() if arm == record.arm) == record.started - record.failed
        if record.arm != "keys":
            assert counted["database_hot_updates", "conversations"] == 0
        assert counted["database_wal_records", ""] > 3 * sends
    requests = {request for _, request in timed}
    assert requests == {"get_conversations", "get_messages", "mark_read", "send_message"}


def test_encodings_are_weighed_at_both_ends(chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """What recipients counted at their sockets is what the server counted as written, compressed or not."""
    chatbench(
        "run", "fanout", *SMALL_FANOUT, "--blocks", 1, "--seconds", 2,
        "--cross", "subprotocol=chat.v1.json,chat.v1.msgpack", "--cross", "permessage_deflate=false,true",
        "--database-url", postgres.url("postgres"), folder=tmp_path,
    )  # fmt: skip
    (path,) = (tmp_path / "out" / "runs").iterdir()
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    sizes = {}
    for record in manifest.scenarios:
        assert record.arm is not None
        counted = totals([record], record.arm)
        ledgers = [one for one in folder.read_ledger().ledgers if one.labels["arm"] == record.arm]
        delivered = sum(one.delivered for one in ledgers)
        assert counted["fanout_deliveries", ""] == counted["fanout_written_events", ""] == delivered > 0
        assert counted["fanout_received_bytes", ""] == counted["fanout_written_bytes", ""]
        overhead = counted["fanout_received_bytes", ""] - counted["fanout_content_bytes", ""]
        sizes[record.arm] = overhead / delivered
    json, msgpack = "chat.v1.json", "chat.v1.msgpack"
    assert set(sizes) == {f"{encoding}-{is_compressed}" for encoding in (json, msgpack) for is_compressed in BOOLEANS}
    assert sizes[f"{json}-false"] > sizes[f"{msgpack}-false"]
    assert sizes[f"{json}-false"] > sizes[f"{json}-true"]
    page = (path / "report.html").read_text(encoding="utf-8")
    assert f"combinations.received_bytes_per_delivery.arm={msgpack}-true" in page
    assert "combinations.png" in {figure.name for figure in (path / "figures").iterdir()}


def test_gathered_events_are_all_delivered(chatbench: Chatbench, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """A window delays and loses nothing: the ledger is even, and messages that open a window wait for its end."""
    chatbench(
        "run", "fanout", *SMALL_FANOUT, "--blocks", 1, "--seconds", 2,
        "--arm", "at-once", "--arm", "gathered:message_coalescing_seconds=0.3",
        "--database-url", postgres.url("postgres"), folder=tmp_path,
    )  # fmt: skip
    (path,) = (tmp_path / "out" / "runs").iterdir()
    folder = RunFolder(path)
    ledgers = [one for one in folder.read_ledger().ledgers if one.labels["arm"] == "gathered"]
    assert sum(one.delivered for one in ledgers) == sum(one.expected for one in ledgers) > 0
    lasts = [
        histograms.decode(line.payload)
        for line in folder.read_histograms()
        if line.metric == "delivery_last_us" and line.labels["arm"] == "gathered"
    ]
    # Most messages open a window; one that comes near a window's end leaves with it.
    assert max(histogram.get_max_value() for histogram in lasts) >= 300_000


def test_an_interrupted_comparison_keeps_its_turns(
    start_chatbench: Callable[..., "subprocess.Popen[str]"], postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Ctrl-C ends the turn that runs; what was measured is reported as cut short, and nothing is left behind."""
    run = start_chatbench(
        "run", "fanout", *SMALL_FANOUT, "--blocks", 50, "--seconds", 100, "--arm", "one", "--arm", "other",
        "--database-url", postgres.url("postgres"), folder=tmp_path,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not any(
        len(RunFolder(path.parent).read_manifest().scenarios) > 2 for path in tmp_path.glob("out/runs/*/run.json")
    ):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline, "no two turns were measured"
        time.sleep(0.1)  # between looks: the records are what is waited for
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    _, complaints = run.communicate(timeout=120)
    assert run.returncode == 3, complaints
    (path,) = tmp_path.glob("out/runs/*")
    manifest = RunFolder(path).read_manifest()
    assert manifest.cut_short
    assert manifest.reasons[0] == "cut short by an interrupt"
    assert {record.arm for record in manifest.scenarios} == {"one", "other"}
    assert "arms-fanout" in (path / "report.html").read_text(encoding="utf-8")
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
