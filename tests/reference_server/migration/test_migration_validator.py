"""reference_server.migration_validator: what differs becomes a metric, and what is repaired leaves it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.metrics import Metrics
from reference_server.migration_validator import MigrationValidator, Rounds, UserComparison

WAIT_SECONDS = 20  # reached only by what fails


def comparison(number: int, *, agrees: bool = True) -> UserComparison:
    return UserComparison(UUID(int=number), 3, 3, agrees)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 7))
def test_a_round_comes_past_everyone(agreeing: list[bool], user_count: int) -> None:
    """Some at a time, then from the beginning; who differs is told once and counted as long as it lasts."""
    rounds = Rounds(user_count)
    users = [comparison(number + 1, agrees=agrees) for number, agrees in enumerate(agreeing)]
    for expected_to_be_told in (agreeing.count(False), 0):
        told = 0
        for _ in range(len(users) // user_count + 1):
            after = rounds.after_user_id
            told += len(rounds.take([user for user in users if user.user_id > after][:user_count]))
        assert rounds.after_user_id == UUID(int=0)
        assert told == expected_to_be_told
        assert len(rounds.differing) == agreeing.count(False)
    rounds.take([comparison(1)])
    assert UUID(int=1) not in rounds.differing


def test_damage_shows_in_the_metrics_until_it_is_repaired(world: Any, launch: Any, operator: Any) -> None:
    """Each user who differs counts, by number or by words; a log line names them."""
    one, _, first = world.pair(messages=4)
    _, other, second = world.pair(messages=4)
    server = launch(world.url, validator_seconds=0.05, validator_users=20)
    operator(server).post("start")
    world.wait_for_phase("complete")
    server.wait_for_metric(lambda users: users > 2 * 124, "chat_migration_validated_users_total")
    assert server.metric("chat_migration_mismatches") == 0
    world.script("SET session_replication_role = replica")
    (lost,) = world.sql(
        "DELETE FROM messages WHERE connection_request_id = $1 AND content = 'message 2' RETURNING *", first
    )
    world.sql("UPDATE messages SET content = 'x' WHERE connection_request_id = $1 AND content = 'message 1'", second)
    server.wait_for_metric(lambda users: users == 2, "chat_migration_mismatches")
    told = {event["fields"].pop("user_id"): event["fields"] for event in server.events("migration_mismatch")}
    assert told[str(one)] == {"older_messages": 1, "newer_messages": 2, "checksums_agree": False}
    assert told[str(other)] == {"older_messages": 2, "newer_messages": 2, "checksums_agree": False}
    world.sql("INSERT INTO messages SELECT ($1::messages).*", tuple(lost.values()))
    world.sql("UPDATE messages SET content = 'message 1' WHERE connection_request_id = $1 AND content = 'x'", second)
    server.wait_for_metric(lambda users: users == 0, "chat_migration_mismatches")


def test_before_the_start_nobody_is_compared(world: Any, launch: Any, operator: Any) -> None:
    """There is nothing to compare; the comparing begins with the migration."""
    server = launch(world.url, validator_seconds=0.01)
    assert server.metric("chat_migration_validated_users_total") == 0
    operator(server).post("start")
    server.wait_for_metric(lambda users: users > 0, "chat_migration_validated_users_total")


def test_a_mistake_does_not_end_it(tiny_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each time it is told, and the next comparison comes all the same."""

    async def fail_twice() -> None:
        knows_no_statement = MigrationValidator(tiny_url, {}, Metrics(), user_count=1, interval_seconds=0.001)
        async with asyncio.timeout(WAIT_SECONDS), knows_no_statement.running():
            while len(caplog.records) < 2:
                await asyncio.sleep(0.01)

    asyncio.run(fail_twice())
    assert {record.getMessage() for record in caplog.records} == {"validation_failed"}
