"""sql/migration_verification.sql: verify_migration() finds each kind of damage, and nothing where there is none."""

from typing import Any

import pytest

# What is done behind the triggers' back, and the checks that find it.
DAMAGES = {
    "a copy is lost": (
        "DELETE FROM chat_messages WHERE id = (SELECT id FROM messages WHERE content = 'message 5')",
        {"counts", "orphans"},
    ),
    "an original is lost": (
        "DELETE FROM messages WHERE content = 'message 5' AND connection_request_id = {connection}",
        {"counts", "orphans"},
    ),
    "two messages have changed places": (
        (
            "UPDATE chat_messages SET seq = 1000 WHERE conversation_id = {conversation} AND seq = 4;"
            "UPDATE chat_messages SET seq = 4 WHERE conversation_id = {conversation} AND seq = 5;"
            "UPDATE chat_messages SET seq = 5 WHERE conversation_id = {conversation} AND seq = 1000"
        ),
        {"order"},
    ),
    "words have changed": (
        "UPDATE chat_messages SET content = 'forged' WHERE conversation_id = {conversation} AND seq = 3",
        {"checksums"},
    ),
    "a sender has changed": (
        (
            "UPDATE chat_messages SET sender_id = (SELECT sender_id FROM chat_messages "
            "WHERE conversation_id = {conversation} AND seq = 2) WHERE conversation_id = {conversation} AND seq = 3"
        ),
        {"checksums"},
    ),
    "a time has changed": (
        (
            "UPDATE messages SET created_at = created_at + interval '1 us' "
            "WHERE content = 'message 5' AND connection_request_id = {connection}"
        ),
        {"checksums"},
    ),
    "a copy is no longer known by its id": (
        "UPDATE chat_messages SET id = gen_random_uuid() WHERE conversation_id = {conversation} AND seq = 3",
        {"orphans"},
    ),
    "a connection leads into a foreign conversation": (
        (
            "UPDATE chatbench.migrated_connections SET conversation_id = "
            "(SELECT id FROM conversations WHERE type = 'direct' AND id NOT IN "
            "(SELECT conversation_id FROM chatbench.migrated_connections) ORDER BY last_seq DESC, id LIMIT 1) "
            "WHERE connection_request_id = {connection}"
        ),
        {"counts", "orphans"},
    ),
    "a message was copied twice": (
        (
            "INSERT INTO chat_messages (conversation_id, seq, sender_id, content, client_id, created_at) "
            "SELECT conversation_id, 1000, sender_id, content, gen_random_uuid(), created_at FROM chat_messages "
            "WHERE conversation_id = {conversation} AND seq = 3"
        ),
        {"counts", "orphans", "duplicates"},
    ),
    "a message was written back twice": (
        (
            "INSERT INTO messages (connection_request_id, sender_id, content, created_at) "
            "SELECT connection_request_id, sender_id, content, created_at FROM messages WHERE content = 'message 5'"
        ),
        {"counts", "orphans", "duplicates"},
    ),
    "something read is unread again": (
        "UPDATE messages SET read_at = NULL WHERE content = 'message 5'",
        {"read_state"},
    ),
    "something unread is read": (
        "UPDATE conversation_participants SET last_read_seq = 0 WHERE conversation_id = {conversation}",
        {"read_state"},
    ),
    "a connection was forgotten": (
        "DELETE FROM chatbench.migrated_connections WHERE connection_request_id = {connection}",
        {"unmigrated"},
    ),
}


@pytest.fixture
def migrated(world: Any) -> Any:
    """A world whose migration is complete, with the one connection that has a `message 5`."""
    _, _, world.damaged = world.pair(messages=10)
    world.command("start")
    for row in world.sql("SELECT id FROM connection_requests WHERE status = 'accepted'"):
        world.sql("SELECT FROM chatbench.backfill_connection($1)", row["id"])
    assert world.value("SELECT chatbench.finish_backfill()") == "complete"
    return world


def test_a_migration_without_damage_is_fine(migrated: Any) -> None:
    """Every check has examined something, and found nothing."""
    checks = migrated.sql("SELECT * FROM verify_migration()")
    assert [row["check_name"] for row in checks] == [
        "counts", "order", "checksums", "orphans", "duplicates", "read_state", "unmigrated",
    ]  # fmt: skip
    for row in checks:
        assert (row["mismatches"], row["is_ok"], row["example"]) == (0, True, None), row
        assert row["examined"] > 0, row


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(migrated: Any, damage: str) -> None:
    """By the checks that it concerns, each with an example, and by no others."""
    script, expected = DAMAGES[damage]
    conversation = migrated.value(
        "SELECT conversation_id FROM chatbench.migrated_connections WHERE connection_request_id = $1", migrated.damaged
    )
    migrated.script(
        "SET session_replication_role = replica;"
        + script.format(conversation=f"'{conversation}'", connection=f"'{migrated.damaged}'")
        + "; RESET session_replication_role"
    )
    found = {row["check_name"]: row for row in migrated.sql("SELECT * FROM verify_migration()") if not row["is_ok"]}
    assert set(found) == expected
    assert all(row["mismatches"] > 0 and row["example"] for row in found.values())


def test_a_sum_of_equal_words_is_no_duplicate(migrated: Any) -> None:
    """Who says the same twice in one moment has said it twice, in both schemas."""
    row = migrated.sql("SELECT * FROM connection_requests WHERE id = $1", migrated.damaged)[0]
    migrated.sql(
        "INSERT INTO messages (connection_request_id, sender_id, content) "
        "SELECT $1, $2, 'yes' FROM generate_series(1, 3)",
        migrated.damaged,
        row["sender_id"],
    )
    assert migrated.failed_checks() == set()
