"""sql/migration_policies.sql: with SQL in hand, a user sees and does in the older schema what the API lets them."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from fixtures.identifiers import user_id

SEND_LEGACY = "INSERT INTO messages (connection_request_id, sender_id, content) VALUES ($1, $2, $3) RETURNING id"
ANSWER = "UPDATE connection_requests SET status = $2 WHERE id = $1 RETURNING id"


@pytest.mark.parametrize("index", [0, 1, 50, 119])
def test_sql_shows_what_the_api_shows(server: Any, user_sql: Any, administrator_sql: Any, index: int) -> None:
    """The same connections and the same messages, and those are all of one's own."""
    user = server.user(index)
    connections = user.get("/legacy/connections", limit=200).json()["connections"]
    messages = [
        message["id"]
        for connection in connections
        for message in user.get(f"/legacy/connections/{connection['id']}/messages", limit=200).json()["messages"]
    ]
    seen = {str(row["id"]) for row in user_sql(user.id, "SELECT id FROM connection_requests")}
    assert seen == {connection["id"] for connection in connections}
    assert {str(row["id"]) for row in user_sql(user.id, "SELECT id FROM messages")} == set(messages)
    mine = "SELECT id FROM connection_requests WHERE $1 IN (sender_id, receiver_id)"
    assert seen == {str(row["id"]) for row in administrator_sql(mine, user.id)}
    assert len(seen) < administrator_sql("SELECT count(*) AS n FROM connection_requests")[0]["n"]


@pytest.mark.parametrize("table", ["connection_requests", "messages", "chatbench.migrated_connections"])
def test_a_stranger_sees_nothing(user_sql: Any, table: str) -> None:
    """Claims of nobody see no row."""
    assert user_sql(uuid4(), f"SELECT * FROM {table}") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE messages SET content = 'changed'",
        "UPDATE messages SET read_at = now()",
        "DELETE FROM messages",
        "DELETE FROM connection_requests",
        "UPDATE connection_requests SET receiver_id = sender_id",
        "INSERT INTO connection_requests (sender_id, receiver_id, status) VALUES (auth.uid(), auth.uid(), 'accepted')",
        (
            "INSERT INTO messages (id, connection_request_id, sender_id, content) SELECT id, id, sender_id, 'x' "
            "FROM connection_requests"
        ),
        (
            "INSERT INTO messages (connection_request_id, sender_id, content, created_at) "
            "SELECT id, sender_id, 'x', now() FROM connection_requests"
        ),
        "UPDATE chatbench.migration_state SET rollout_percentage = 100",
        "SELECT reached_connection_id FROM chatbench.migration_state",
        "UPDATE chatbench.migrated_connections SET is_current = false",
        "DELETE FROM chatbench.migrated_connections",
        "SELECT * FROM verify_migration()",
        "SELECT chatbench.enter_copying()",
        "DO $$ BEGIN LOCK TABLE chatbench.migrated_connections IN ROW EXCLUSIVE MODE; END $$",
        "SELECT * FROM chatbench.copy_connection(gen_random_uuid())",
        "SELECT * FROM chatbench.backfill_connection(gen_random_uuid())",
        "SELECT chatbench.fill_legacy(gen_random_uuid())",
        "SELECT chatbench.mark_legacy_copies_read(gen_random_uuid(), gen_random_uuid(), 0, 1)",
        "SELECT chatbench.finish_backfill()",
        "SELECT * FROM chatbench.change_migration('start')",
        "SELECT * FROM chatbench.set_rollout(100)",
    ],
)
def test_what_is_not_granted_is_refused(user_sql: Any, statement: str) -> None:
    """Nobody changes what is written, chooses what the server gives, or commands the migration."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(user_id(1, 0), statement)


@pytest.mark.parametrize(
    "function", ["place_legacy_message", "mirror_to_chat", "mirror_to_legacy", "mirror_edit_to_legacy",
                 "mirror_read_to_legacy", "map_accepted_connection"],
)  # fmt: skip
def test_no_trigger_can_be_borrowed(user_sql: Any, function: str) -> None:
    """Hung on a table of one's own, it would write with its owner's rights."""
    user_sql(user_id(1, 0), "CREATE TEMPORARY TABLE IF NOT EXISTS borrowing (id uuid)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(
            user_id(1, 0),
            f"CREATE TRIGGER mine AFTER INSERT ON borrowing FOR EACH ROW EXECUTE FUNCTION chatbench.{function}()",
        )


def test_nobody_writes_for_others_or_to_others(world: Any) -> None:
    """sender_id is the caller, and the connection is theirs and accepted; an empty message is none."""
    one, other, connection = world.pair()
    _, _, foreign = world.pair()
    _, _, pending = one, other, world.connection(one, world.person(), status="pending")
    for target, sender, content in (
        (connection, other, "forged"), (foreign, one, "intruding"), (pending, one, "too early"), (connection, one, ""),
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            world.as_user(one, SEND_LEGACY, target, sender, content)
    assert world.as_user(one, SEND_LEGACY, connection, one, "mine")


def test_only_who_was_asked_answers_and_only_once(world: Any) -> None:
    """Neither the one who asks nor a stranger accepts; an answer is not taken back."""
    one, other, connection = world.pair(status="pending")
    assert world.as_user(one, ANSWER, connection, "accepted") == []
    assert world.as_user(world.person(), ANSWER, connection, "accepted") == []
    assert world.as_user(other, ANSWER, connection, "declined")
    assert world.as_user(other, ANSWER, connection, "accepted") == []


def test_nobody_asks_for_others(world: Any) -> None:
    """The sender of a request is the caller."""
    one, other, _ = world.pair()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        world.as_user(one, "INSERT INTO connection_requests (sender_id, receiver_id) VALUES ($1, $2)", other, one)


def test_a_stranger_s_touch_does_nothing(world: Any) -> None:
    """The two functions that are open answer null to who is not in the connection, and change nothing."""
    _, _, connection = world.pair(messages=4, unread=4)
    world.command("start")
    stranger = world.person()
    assert world.as_user(stranger, "SELECT get_conversation_by_connection_id($1)", connection)[0][0] is None
    assert world.as_user(stranger, "SELECT chatbench.mark_legacy_read($1)", connection)[0][0] is None
    assert world.value("SELECT count(*) FROM chatbench.migrated_connections") == 0
    assert (
        world.value("SELECT count(*) FROM messages WHERE connection_request_id = $1 AND read_at IS NULL", connection)
        == 4
    )
