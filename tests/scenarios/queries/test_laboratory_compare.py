"""Tests of scenarios/queries/laboratory.py: whole comparisons on a real PostgreSQL."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from fixtures.errors import InputError
from fixtures.postgres import EmbeddedPostgres
from reference_server.statements import Strategy, find_strategy
from scenarios.queries.arms import DATABASE_PREFIX
from scenarios.queries.blocks import FEWEST_EXECUTIONS
from scenarios.queries.laboratory import LaboratoryResult, compare, run_laboratory
from scenarios.queries.plans import summarise
from scenarios.queries.request import LaboratoryOptions, check_request
from scenarios.queries.verdicts import Cell
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine

BLOCKS = 3
EXECUTIONS = 20
OPTIONS = LaboratoryOptions(
    size="tiny",
    blocks=BLOCKS,
    executions=EXECUTIONS,
    statements=("list_conversations", "list_members", "list_messages", "send_message"),
)


@pytest.fixture(scope="module")
def comparison(
    cluster_url: str, tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[[Path], RunFolder]
) -> tuple[LaboratoryResult, RunFolder]:
    """The roadmap's indexes against none, measured once for the tests of this module."""
    folder = make_folder(tmp_path_factory.mktemp("laboratory"))
    return run_laboratory(OPTIONS, cluster_url, folder), folder


def cell(result: LaboratoryResult, statement: str, parameter_class: str, strategy: str) -> Cell:
    wanted = (statement, parameter_class, strategy)
    return next(item for item in result.cells if (item.statement, item.parameter_class, item.strategy) == wanted)


def lines_of(folder: RunFolder) -> list[QueryLine]:
    return list(folder.read_queries())


def test_rows_are_equal(comparison: tuple[LaboratoryResult, RunFolder]) -> None:
    """The roadmap's indexes change no result, so nothing is reported as wrong."""
    result, _ = comparison
    assert result.wrong == frozenset()
    assert result.record.reasons == []
    assert not result.cut_short


def test_every_block_has_every_line(comparison: tuple[LaboratoryResult, RunFolder]) -> None:
    """One line per block, strategy, statement and class, with the latency of each execution."""
    result, folder = comparison
    lines = lines_of(folder)
    questions = {(line.statement, line.parameter_class) for line in lines}
    keys = [(line.block, line.strategy, line.statement, line.parameter_class) for line in lines]
    assert len(keys) == len(set(keys)) == BLOCKS * 2 * len(questions)
    counts = {f"{line.statement} ({line.parameter_class})": len(line.latency_us) for line in lines}
    assert counts == result.record.options["executions_per_unit"]
    assert FEWEST_EXECUTIONS <= min(counts.values()) <= max(counts.values()) == EXECUTIONS


def test_both_strategies_go_first(comparison: tuple[LaboratoryResult, RunFolder]) -> None:
    """Neither strategy has the same place in every block."""
    _, folder = comparison
    firsts = {line.strategy for line in lines_of(folder) if line.position == 0}
    assert firsts == {"none", "roadmap"}


@pytest.mark.parametrize(("statement", "parameter_class"), [("list_conversations", "heavy"), ("list_members", "large")])
def test_the_roadmaps_indexes_save_buffers(
    comparison: tuple[LaboratoryResult, RunFolder], statement: str, parameter_class: str
) -> None:
    """A heavy user's list and a large group's members touch fewer pages, through the roadmap's indexes."""
    result, _ = comparison
    none, roadmap = (cell(result, statement, parameter_class, name) for name in ("none", "roadmap"))
    assert roadmap.buffers < none.buffers
    assert set(roadmap.indexes) & set(result.record.options["strategies"]["roadmap"]["new_indexes"])
    assert none.rows == roadmap.rows > 10


def test_the_roadmaps_indexes_cost_hot_updates(comparison: tuple[LaboratoryResult, RunFolder]) -> None:
    """Sends update an indexed last_message_at: HOT goes from nearly all to none, and WAL grows."""
    result, _ = comparison
    none, roadmap = (cell(result, "send_message", "hot", name) for name in ("none", "roadmap"))
    assert none.hot_share is not None
    assert none.hot_share >= 0.9
    assert roadmap.hot_share == 0.0
    assert roadmap.wal_bytes > none.wal_bytes
    assert cell(result, "list_members", "hot", "none").hot_share is None


def test_plans_are_kept_as_postgresql_wrote_them(comparison: tuple[LaboratoryResult, RunFolder]) -> None:
    """Each line names a file with the plan whose hash and indexes it carries."""
    _, folder = comparison
    for line in lines_of(folder):
        summary = summarise((folder.plans / line.plan).read_text(encoding="utf-8"))
        assert (summary.plan_hash, summary.indexes) == (line.plan_hash, line.indexes)
    assert (folder.plans / "roadmap__list_members__large.json").exists()


def test_the_record_says_what_was_built(comparison: tuple[LaboratoryResult, RunFolder]) -> None:
    """run.json has DDL, build time and index sizes per strategy, the data set and the server's settings."""
    _, folder = comparison
    manifest = folder.read_manifest()
    (record,) = manifest.scenarios
    built = record.options["strategies"]["roadmap"]
    assert record.name == "queries"
    assert record.options["baseline"] == "none"
    assert record.started == sum(len(line.latency_us) for line in lines_of(folder))
    assert len(built["ddl"]) == len(built["new_indexes"]) == 3
    assert all(built["index_bytes"][name] >= 8192 for name in built["new_indexes"])
    assert built["build_seconds"] > 0
    assert manifest.dataset is not None
    assert manifest.dataset.size == "tiny"
    assert "server_version" in manifest.postgres_settings
    json.dumps(record.options)


def mine(name: str, *commands: str) -> Strategy:
    return Strategy(name=name, purpose="A test's.", statements=("*",), commands=commands)


async def laboratory_databases(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname ^@ $1", DATABASE_PREFIX)
        return [row["datname"] for row in rows]
    finally:
        await connection.close()


def test_bad_strategies_do_not_stop_the_others(cluster_url: str, run_folder: RunFolder) -> None:
    """Each bad strategy becomes one reason; the good ones are measured, and no database is left behind."""
    strategies = [
        find_strategy("none"),
        mine("failing", "CREATE INDEX ON chat_messages (no_such_column)"),
        mine("deleting", "DELETE FROM chat_messages"),
        mine("idle", "CREATE INDEX IF NOT EXISTS messages_connection_request ON messages (connection_request_id)"),
        find_strategy("roadmap"),
    ]
    options = replace(OPTIONS, statements=("find_user",), blocks=1, executions=4)
    result = asyncio.run(compare(cluster_url, run_folder, strategies, options))
    expected = ["'failing' fails at", "'deleting' may not run", "'idle' creates nothing"]
    assert len(result.record.reasons) == len(expected)
    for reason, words in zip(result.record.reasons, expected, strict=True):
        assert reason.startswith(f"index strategy {words}")
    assert {item.strategy for item in result.cells} == {"none", "roadmap"}
    assert asyncio.run(laboratory_databases(cluster_url)) == []


def test_bad_files_do_not_stop_the_others(cluster_url: str, run_folder: RunFolder, tmp_path: Path) -> None:
    """As files of one's own, also those that can be seen to be bad before anything is made."""
    commands = {
        "touching": "DELETE FROM chat_messages",
        "empty": "",
        "duplicate": "CREATE INDEX again ON chat_messages (conversation_id, seq)",
        "invalid": "CREATE UNIQUE INDEX CONCURRENTLY not_unique ON chat_messages (conversation_id)",
    }
    paths = [tmp_path / f"{name}.sql" for name in commands]
    for path in paths:
        path.write_text(f"-- purpose: A test's.\n{commands[path.stem]}")
    options = replace(OPTIONS, strategies=("none", *map(str, paths)), statements=("find_user",), blocks=1, executions=4)
    result = run_laboratory(options, cluster_url, run_folder)
    told = ["'touching' may not run", "'empty' holds no command", "'duplicate' creates again, which", "'invalid' fails"]
    for reason, words in zip(result.record.reasons, told, strict=True):
        assert reason.startswith(f"index strategy {words}")
    assert {item.strategy for item in result.cells} == {"none"}


def test_a_comparison_of_bad_strategies_alone_is_refused(cluster_url: str, run_folder: RunFolder) -> None:
    """Without one strategy that works there is nothing to measure."""
    with pytest.raises(InputError, match="'deleting' may not run"):
        asyncio.run(compare(cluster_url, run_folder, [mine("deleting", "DELETE FROM users")], OPTIONS))


def test_the_same_strategy_twice_is_not_told_apart(cluster_url: str, run_folder: RunFolder) -> None:
    """Under two names, every cell is the same or unsure, and counters and plans are equal."""
    roadmap = find_strategy("roadmap")
    options = replace(OPTIONS, statements=("list_messages", "list_members"), blocks=5)
    result = asyncio.run(compare(cluster_url, run_folder, [roadmap, replace(roadmap, name="again")], options))
    compared = [item for item in result.cells if item.comparison is not None]
    assert len(compared) == 11
    assert {item.comparison.verdict for item in compared if item.comparison} <= {"same", "unsure"}
    for item in compared:
        twin = cell(result, item.statement, item.parameter_class, "roadmap")
        assert (item.buffers, item.plan_hashes) == (twin.buffers, twin.plan_hashes)


def test_ctrl_c_keeps_finished_blocks(cluster_url: str, run_folder: RunFolder) -> None:
    """An interrupt in the third block leaves two, a record that says so, and no database."""

    def interrupt(step: str, _share: float) -> None:
        if step.startswith("block 3: "):
            signal.raise_signal(signal.SIGINT)

    options = replace(OPTIONS, statements=("find_user",), blocks=5, executions=4)
    result = run_laboratory(options, cluster_url, run_folder, interrupt)
    manifest = run_folder.read_manifest()
    assert result.cut_short
    assert manifest.cut_short
    assert {line.block for line in run_folder.read_queries()} == {0, 1}
    assert manifest.scenarios[0].options["blocks_finished"] == 2
    ended, quick_look = manifest.scenarios[0].warnings
    assert ended == "ended after 2 of 5 blocks; `chatbench indexes --resume` goes on"
    assert quick_look.startswith("a quick look, of fewer than 5 blocks: its counters are exact, but its times have no")
    assert asyncio.run(laboratory_databases(cluster_url)) == []


def test_blocks_are_on_disk_as_they_finish(cluster_url: str, run_folder: RunFolder) -> None:
    """When the second block begins, the first can be read: a kill would lose nothing of it."""
    seen: dict[str, set[int]] = {}

    def look(step: str, _share: float) -> None:
        if step.startswith("block "):
            seen[step[:7]] = {line.block for line in run_folder.read_queries()}

    run_laboratory(replace(OPTIONS, statements=("find_user",), executions=4), cluster_url, run_folder, look)
    assert seen == {"block 1": set(), "block 2": {0}, "block 3": {0, 1}}


def test_a_lost_server_keeps_finished_blocks(cluster_url: str, run_folder: RunFolder) -> None:
    """When the laboratory's sessions end under it, the finished block stays and the reason is told."""

    def end_sessions(step: str, _share: float) -> None:
        if step.startswith("block 2: "):
            command = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ^@ 'chatbench lab'"
            subprocess.run(
                [EmbeddedPostgres.program("psql"), "-qc", command, cluster_url], check=True, stdout=subprocess.DEVNULL
            )

    options = replace(OPTIONS, statements=("find_user",), executions=4)
    result = run_laboratory(options, cluster_url, run_folder, end_sessions)
    (reason,) = result.record.reasons
    assert reason.startswith("PostgreSQL was lost in block 2 (")
    assert {line.block for line in run_folder.read_queries()} == {0}
    assert not result.cut_short


def test_progress_runs_from_start_to_end(cluster_url: str, run_folder: RunFolder) -> None:
    """Shares never fall and stay within 0 … 1."""
    shares: list[float] = []
    options = replace(OPTIONS, statements=("find_user",), blocks=2, executions=4)
    run_laboratory(options, cluster_url, run_folder, lambda _step, share: shares.append(share))
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5 < shares[-1] <= 1


@pytest.mark.parametrize(
    ("strategies", "changes", "sentence"),
    [
        ([], {}, "no index strategy to compare"),
        ([mine("a"), mine("a")], {}, "'a' is named twice"),
        ([mine("a")], {"blocks": 0}, "0 blocks of 20 executions measure nothing"),
        ([mine("a")], {"statements": ("list_shoes",)}, "no statement named 'list_shoes'; choose from add_participant"),
        ([mine("a")], {"statements": ()}, "no statement named ''"),
        ([mine("a")], {"statement_timeout_seconds": 0.0}, "a statement timeout of 0 s"),
    ],
)
def test_requests_that_make_no_sense(strategies: list[Strategy], changes: dict[str, object], sentence: str) -> None:
    """One sentence, before any database is made."""
    with pytest.raises(InputError, match=sentence):
        check_request(strategies, replace(OPTIONS, **changes))  # type: ignore[arg-type]  # the table's values fit


def test_an_unknown_strategy_is_named(run_folder: RunFolder) -> None:
    """The sentence has the name and those that there are."""
    with pytest.raises(InputError, match=r"no index strategy named 'shoes'; choose one of .*none, .*roadmap"):
        run_laboratory(LaboratoryOptions(strategies=("none", "shoes")), "postgresql://nowhere/x", run_folder)
