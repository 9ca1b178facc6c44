"""Migrating under load against the reference server: who is sent where, and nothing lost, as the database says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from load_runs import channel, free_port

from fixtures.identifiers import user_id
from reference_server.migration import bucket_of
from scenarios.local_target import Target
from scenarios.run_folder import RunFolder
from scenarios.run_records import LedgerTotals, ScenarioRecord

QUICK = ("--users", "16", "--rate", "40", "--stage-seconds", "1.2", "--drain-seconds", "2")


def counted(record: ScenarioRecord, name: str) -> dict[tuple[str, ...], float]:
    """An exact count by the values of its labels, in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(count.labels.items())): count.value
        for count in record.counts
        if count.name == name
    }


def ledgers(folder: Path) -> dict[str, LedgerTotals]:
    """By chat."""
    return {totals.labels["chat"]: totals for totals in RunFolder(folder).read_ledger().ledgers}


def test_a_migration_that_is_backed_out_loses_nothing(
    run_scenario: Callable[..., tuple[int, str]],
    live_server: Target,
    ask_database: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    """Users go where their bucket says; what was acknowledged is in the tables; the database has been backed out."""
    _, said = run_scenario("migration", live_server.http_url, *QUICK, "--stages", "0,50,100", run_time="40s")
    manifest = RunFolder(tmp_path).read_manifest()
    (record,) = manifest.scenarios
    assert record.failed == 0, said
    stages = ["1: before", "2: 0 %", "3: 50 %", "4: 100 %", "5: back"]
    assert [stage for (stage,) in sorted(counted(record, "migration_stage_seconds"))] == stages, said

    users = counted(record, "migration_users")
    known = {user_id(manifest.dataset.seed, number) for number in range(120)} if manifest.dataset else set()
    lower_half = sum(bucket_of(one) < 50 for one in known)
    assert 0 < users["new", "3: 50 %"] <= min(16, lower_half)
    assert {key for key in users if key[0] == "new"} == {("new", "3: 50 %"), ("new", "4: 100 %")}
    assert ("old", "4: 100 %") not in users
    routes = counted(record, "migration_routes")
    assert sum(routes.values()) <= record.started

    marked = "content LIKE 'cb1.%'"
    (old,) = ask_database(f"SELECT count(*), count(DISTINCT id) FROM messages WHERE {marked}")
    told = ledgers(tmp_path)
    assert told["old"].expected == old["count"] > 16 * 4
    assert told["old"].missing == told["new"].missing == told["old"].duplicate == told["new"].duplicate == 0
    assert 0 < told["new"].expected < told["old"].expected
    (state,) = ask_database("SELECT phase, rollout_percentage FROM chatbench.migration_state")
    assert (state["phase"], state["rollout_percentage"]) == ("rolled_back", 0)
    (accepted,) = ask_database("SELECT count(*) FROM connection_requests WHERE status = 'accepted'")
    assert counted(record, "migration_copied")["connections",] == accepted["count"]
    assert counted(record, "migration_backfill_seconds")[()] > 0
    verification = ask_database("SELECT check_name, examined, mismatches FROM verify_migration()")
    examined = counted(record, "migration_verification_examined")
    assert examined == {(row["check_name"],): row["examined"] for row in verification}
    assert set(counted(record, "migration_verification_mismatches").values()) == {0}


def test_a_migration_that_stays_has_everything_in_both_chats(
    run_scenario: Callable[..., tuple[int, str]],
    live_server: Target,
    ask_database: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    """Without a way back the migration completes, and each message is on both sides, the history included."""
    options = ("--stages", "0,100", "--back-out", "none")
    _, said = run_scenario("migration", live_server.http_url, *QUICK, *options, run_time="40s")
    told = ledgers(tmp_path)
    (both,) = ask_database(
        "SELECT count(*) FROM messages AS m JOIN chat_messages USING (id) WHERE m.content LIKE 'cb1.%'"
    )
    assert told["old"].expected == told["new"].expected == both["count"], said
    assert told["old"].missing == told["new"].missing == 0
    (state,) = ask_database("SELECT phase FROM chatbench.migration_state")
    assert state["phase"] == "complete"


def test_a_run_that_ends_early_still_backs_out(
    run_scenario: Callable[..., tuple[int, str]],
    live_server: Target,
    ask_database: Callable[..., list[Any]],
) -> None:
    """Aborted in the middle of the backfill: the target is left as the option says, and the stage is told."""
    options = (
        "--stages",
        "0,10,20,30,40,50,60",
        "--back-out",
        "abort",
        "--batch-messages",
        "1",
        "--pause-seconds",
        "5",
    )
    more = ("--users", "4", "--stage-seconds", "1.5")
    _, said = run_scenario("migration", live_server.http_url, *options, *more, run_time="9s")
    assert "the run ended in stage" in said
    assert "the backfill had not ended" in said
    (state,) = ask_database("SELECT phase FROM chatbench.migration_state")
    assert state["phase"] == "rolled_back"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--stages", "50,10"), "no list of at most 7 ascending percentages"),
        (("--batch-messages", "0"), "--batch-messages 0"),
        (("--operator-key", "wrong"), "operator's key"),
    ],
)
def test_bad_input_is_one_sentence(
    live_server: Target, run_scenario: Callable[..., tuple[int, str]], options: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, no traceback."""
    code, said = run_scenario("migration", live_server.http_url, *options)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said


def test_every_process_needs_users_of_its_own(
    live_server: Target, run_scenario: Callable[..., tuple[int, str]]
) -> None:
    """One without any would act for others' users, and count them again."""
    options = ("--users", "2", "--processes", "3", *channel(free_port()))
    code, said = run_scenario("migration", live_server.http_url, *options)
    assert code == 2
    assert "2 users in 3 processes leave one without anybody who is connected" in said


def test_a_migration_under_way_is_left_alone(
    live_server: Target, run_scenario: Callable[..., tuple[int, str]], ask_database: Callable[..., list[Any]]
) -> None:
    """It is named, with the way out."""
    ask_database("SELECT FROM chatbench.change_migration('start')")
    ask_database("SELECT FROM chatbench.change_migration('pause')")
    code, said = run_scenario("migration", live_server.http_url)
    assert code == 2
    assert "a migration is paused" in said
