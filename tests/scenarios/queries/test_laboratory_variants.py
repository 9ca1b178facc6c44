"""Tests of scenarios/queries/variants.py and truths.py: several statements for one question, and what is right."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.errors import InputError
from reference_server.statements import Strategy, find_strategy, shipped_strategies
from scenarios.queries.designs import SESSION_COUNTS
from scenarios.queries.laboratory import LaboratoryResult, run_laboratory
from scenarios.queries.request import LaboratoryOptions, check_request
from scenarios.queries.variants import (
    VARIANTS_FOLDER,
    questions,
    read_variant,
    server_variants,
    shipped_variants,
    unknown_statements,
)
from scenarios.run_folder import RunFolder
from scenarios.study import study_of

OPTIONS = LaboratoryOptions(size="tiny", blocks=2, executions=4, statements=("is_member",))
EVERYTHING = replace(
    OPTIONS,
    statements=("list_messages", "list_conversations", "list_members", "is_member", "get_read_state"),
    questions=tuple(questions()),
)


@pytest.fixture(scope="module")
def everything(
    cluster_url: str, tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[[Path], RunFolder]
) -> LaboratoryResult:
    """Every variant of every question and the server's own, measured once for the tests of this module."""
    return run_laboratory(EVERYTHING, cluster_url, make_folder(tmp_path_factory.mktemp("variants")))


def written(folder: Path, name: str, text: str) -> str:
    """The path of a statement of one's own."""
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("question", sorted(questions()))
def test_every_question_has_answers_and_a_truth(question: str) -> None:
    """The server's own statement counts; what is done and not answered, a write, has none."""
    answers = [item for item in (server_variants() | shipped_variants()).values() if item.question == question]
    assert len(answers) >= 1
    assert all(answer.question == question for answer in questions()[question].values())
    assert all((answer.truth is None) == answer.statement.writes for answer in answers)


def test_names_are_unique() -> None:
    """A variant's name is no statement's of the server: a line of queries.jsonl names one of them."""
    names = [name for answers in questions().values() for name in answers] + [*server_variants()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("strategy", shipped_strategies().values(), ids=lambda item: item.name)
def test_shipped_strategies_are_meant_for_statements_that_there_are(strategy: Strategy) -> None:
    """A name that is none would keep the report from saying why an index is not used."""
    assert unknown_statements(strategy.statements, []) == []


def test_a_strategy_for_no_statement_is_told(cluster_url: str, run_folder: RunFolder, tmp_path: Path) -> None:
    """It is measured all the same."""
    path = written(tmp_path, "mine", "-- purpose: Mine.\n-- statements: shoes\nCREATE INDEX mine ON users (created_at)")
    result = run_laboratory(replace(OPTIONS, strategies=("none", path)), cluster_url, run_folder)
    assert result.record.warnings[0] == "index strategy 'mine' is meant for 'shoes', which is no statement; see --list"
    assert {cell.strategy for cell in result.cells} == {"none", "mine"}


def test_every_variant_is_measured(everything: LaboratoryResult) -> None:
    """Nothing is left out, and the set-ups were made."""
    assert everything.record.reasons == []
    assert {cell.statement for cell in everything.cells} == {*shipped_variants(), *EVERYTHING.statements}  # type: ignore[misc]


def test_only_a_page_by_time_alone_is_wrong(everything: LaboratoryResult) -> None:
    """A created_at cursor loses the rest of a tie; every other variant gives the truth in every class."""
    assert {statement for statement, _, _ in everything.wrong} == {"page_by_created_at"}
    assert ("page_by_created_at", "tie", "none") in everything.wrong
    told = [warning for warning in everything.record.warnings if warning.startswith("page_by_created_at (tie)")]
    assert len(told) == 1
    assert "gives other rows than the truth" in told[0]
    assert " missing, such as (" in told[0]


def test_an_index_on_what_a_heartbeat_changes_costs_hot_updates(cluster_url: str, run_folder: RunFolder) -> None:
    """Nearly all to none, with more WAL; without WAL there is none for the row."""
    options = replace(OPTIONS, strategies=("none",), questions=("presence_heartbeat",), executions=20)
    result = run_laboratory(options, cluster_url, run_folder)
    cells = {cell.statement: cell for cell in result.cells if cell.parameter_class == "heavy"}
    assert result.record.reasons == []
    assert (cells["heartbeat_logged"].hot_share or 0) > 0.7
    assert cells["heartbeat_indexed"].hot_share == 0.0
    assert cells["heartbeat_indexed"].wal_bytes > cells["heartbeat_logged"].wal_bytes
    assert cells["heartbeat_unlogged"].wal_bytes < cells["heartbeat_logged"].wal_bytes


def test_other_ways_of_storing_messages(cluster_url: str, run_folder: RunFolder) -> None:
    """Each way writes; a partition gives the same page as one table; HOT updates of full and roomy pages are counted.

    Which of the two has more of them depends on what is pruned in between: full pages make room as they are updated.
    """
    designs = ("storing", "stored_page", "touching")
    options = replace(OPTIONS, strategies=("none",), statements=(), questions=designs, executions=20, studies=True)
    result = run_laboratory(options, cluster_url, run_folder)
    assert result.record.reasons == []
    assert result.wrong == frozenset()
    cells = {(cell.statement, cell.parameter_class): cell for cell in result.cells}
    for name in ("store_by_time", "store_by_chance", "store_in_parts", "store_and_notify"):
        assert cells[name, "hot"].wal_bytes > 0
    assert cells["page_of_a_part", "hot"].rows == cells["page_of_one_table", "hot"].rows == 50
    for name in ("full", "roomy"):
        share = cells[f"touch_{name}", "heavy"].hot_share
        assert share is not None
        assert 0 < share <= 1
    study = study_of(result.record.options)
    sizes = {size.table: size for size in study.design_sizes}
    assert len(sizes) == 5
    by_time, by_chance, in_parts = (
        sizes[f"laboratory_messages_{name}"] for name in ("by_time", "by_chance", "in_parts")
    )
    assert by_time.fresh_rows == by_chance.fresh_rows == in_parts.fresh_rows == 2_000
    assert by_chance.fresh_index_bytes > by_time.fresh_index_bytes  # pages are split in the middle
    assert by_time.churned_rows is not None
    assert by_time.churned_rows > by_time.fresh_rows
    roomy, full = sizes["laboratory_activity_roomy"], sizes["laboratory_activity_full"]
    assert roomy.fresh_table_bytes >= full.fresh_table_bytes
    turns = {(turn.statement, turn.sessions) for turn in study.storing}
    assert turns == {(name, count) for name in questions()["storing"] for count in SESSION_COUNTS}
    assert all(turn.commits == turn.sessions * 20 and turn.wal_bytes > 0 and turn.seconds > 0 for turn in study.storing)
    waiting = [turn.waiting_sessions for turn in study.storing if turn.statement == "store_and_notify"]
    assert max(waiting) > 0  # several sessions that notify queue for one lock
    assert not [t for t in study.storing if t.statement != "store_and_notify" and t.waiting_sessions > 0]


def test_a_denormalised_inbox_costs_sends(cluster_url: str, run_folder: RunFolder) -> None:
    """What its reads save, each send to a direct conversation writes for both members."""
    options = replace(OPTIONS, strategies=("none",), statements=("send_message",), questions=("sending",))
    result = run_laboratory(options, cluster_url, run_folder)
    cells = {(cell.statement, cell.parameter_class): cell for cell in result.cells}
    assert result.record.reasons == []
    classes = {parameter_class for _, parameter_class in cells}
    dearer = [
        cells["send_with_inbox", name] for name in classes
        if cells["send_with_inbox", name].wal_bytes > cells["send_message", name].wal_bytes
    ]  # fmt: skip
    assert dearer  # those to direct conversations: groups are not in that inbox
    assert all(cell.hot_share == 0.0 for cell in dearer)


def test_a_statement_of_ones_own_is_compared_with_the_truth(
    cluster_url: str, run_folder: RunFolder, tmp_path: Path
) -> None:
    """Who takes all who wrote for all who are in gives rows too many: they are told, and it is marked as wrong."""
    own = written(
        tmp_path,
        "my_members",
        "-- purpose: Mine.\n-- question: members\n-- parameters: conversation_id uuid\n"
        "SELECT user_id FROM conversation_participants WHERE conversation_id = $1 AND left_at IS NULL "
        "UNION ALL SELECT sender_id FROM chat_messages WHERE conversation_id = $1",
    )
    result = run_laboratory(replace(OPTIONS, statement_files=(own,)), cluster_url, run_folder)
    assert ("my_members", "large", "roadmap") in result.wrong
    assert any(" that should not be there, such as (" in warning for warning in result.record.warnings)
    assert {cell.statement for cell in result.cells} == {"is_member", "my_members"}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "failing",
            "-- purpose: Mine.\n-- parameters: user_id uuid\nSELECT no_such_column FROM users WHERE id = $1",
            "failing (absent, heavy, light, median) is left out: it fails under none: column",
        ),
        (
            "writing",
            (
                "-- purpose: Mine.\n-- question: membership\n-- parameters: conversation_id uuid, user_id uuid\n"
                "UPDATE conversation_participants SET last_read_seq = last_read_seq "
                "WHERE conversation_id = $1 AND user_id = $2 RETURNING true AS is_member"
            ),
            "statement 'writing' is left out: it writes, and only reads answer 'membership'",
        ),
        (
            "endless",
            (
                "-- purpose: Mine.\n-- parameters: user_id uuid\n"
                "SELECT count(*) FROM generate_series(1, 100000000000) WHERE $1::uuid IS NOT NULL"
            ),
            "endless (absent, heavy, light, median) is left out: it fails under none: it took longer than the",
        ),
        (
            "empty",
            "-- purpose: Mine.\n-- parameters: user_id uuid\nSELECT id FROM users WHERE id = $1 AND false",
            "statement 'empty' is left out: it gives no row for any parameter class",
        ),
        (
            "without_column",
            (
                "-- purpose: Mine.\n-- question: members\n-- parameters: conversation_id uuid\n"
                "SELECT user_id AS member FROM conversation_participants WHERE conversation_id = $1"
            ),
            "without_column (hot) gives other rows than the truth: the columns user_id are missing",
        ),
    ],
)
def test_a_bad_statement_does_not_stop_the_others(  # noqa: PLR0917 - pytest gives them by name
    cluster_url: str, run_folder: RunFolder, tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    """One sentence says what is wrong with it, and the other statement is measured."""
    own = written(tmp_path, name, text)
    options = replace(OPTIONS, statement_files=(own,), statement_timeout_seconds=0.5)
    result = run_laboratory(options, cluster_url, run_folder)
    told = [*result.record.reasons, *result.record.warnings]
    assert sum(line.startswith(sentence) for line in told) == 1, told
    measured = {cell.statement for cell in result.cells}
    assert "is_member" in measured
    assert (name in measured) == (name == "without_column")  # which is timed, and marked as wrong


def test_a_failing_set_up_leaves_its_statements_out(cluster_url: str, run_folder: RunFolder, tmp_path: Path) -> None:
    """The others are measured, and the reason is PostgreSQL's."""
    written(tmp_path, "my_setup", "-- purpose: Mine.\nCREATE TABLE users (id int)")
    own = written(
        tmp_path, "mine", "-- purpose: Mine.\n-- setup: my_setup.sql\n-- parameters: user_id uuid\nSELECT $1 AS id"
    )
    result = run_laboratory(replace(OPTIONS, statement_files=(own,)), cluster_url, run_folder)
    assert result.record.reasons[0].startswith("the set-up my_setup.sql fails: relation")
    assert {cell.statement for cell in result.cells} == {"is_member"}


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("-- question: shoes", "'mine' answers 'shoes'; name a question: direct_inbox"),
        ("-- question: members\n-- truth: shoes", "'mine' names the truth 'shoes', which 'members' does not have"),
        ("-- question: members\n-- next: shoes = user_id", "'mine' has the next page 'shoes = user_id'; write"),
        ("-- question: members\n-- next: user_id", "'mine' has the next page 'user_id'; write"),
        ("-- setup: shoes.sql", "cannot read the SQL file"),
    ],
)
def test_headers_that_name_what_is_not_there(tmp_path: Path, header: str, sentence: str) -> None:
    """One sentence with the value, before anything is made."""
    path = Path(written(tmp_path, "mine", f"-- purpose: Mine.\n{header}\nSELECT 1"))
    with pytest.raises(InputError, match=sentence):
        read_variant(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"questions": ("shoes",)}, "no question named 'shoes'; choose from direct_inbox"),
        ({"statement_files": ("no/such.sql",)}, "cannot read the SQL file no/such.sql"),
        (
            {"statement_files": (str(VARIANTS_FOLDER / "unread" / "unread_by_count.sql"),)},
            "statement 'unread_by_count' of .* is there already",
        ),
    ],
)
def test_requests_that_name_what_is_not_there(changes: dict[str, tuple[str, ...]], sentence: str) -> None:
    """One sentence, before any database is made."""
    with pytest.raises(InputError, match=sentence):
        check_request([find_strategy("none")], replace(OPTIONS, **changes))  # type: ignore[arg-type]  # the table's values fit
