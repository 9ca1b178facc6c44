"""sql/migration_copying.sql: copying and dual write, with every order of events that a race can have."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

SEND = "INSERT INTO chat_messages (conversation_id, sender_id, content, client_id) VALUES ($1, $2, $3, $4) RETURNING id"
SEND_LEGACY = "INSERT INTO messages (connection_request_id, sender_id, content) VALUES ($1, $2, $3) RETURNING id"
CONVERSATION = "SELECT get_conversation_by_connection_id($1) AS id"


def test_a_connection_is_copied_whole_and_in_order(world: Any) -> None:
    """Ids, senders, words and times are the same; seqs run from 1 in the order of time; the pair is in it."""
    one, other, connection = world.pair(messages=50)
    conversation = world.copy(connection)
    assert world.chat_rows(conversation) == world.legacy_rows(connection)
    assert world.seqs(conversation) == list(range(1, 51))
    (row,) = world.sql("SELECT * FROM conversations WHERE id = $1", conversation)
    assert (row["last_seq"], row["last_message_at"]) == (50, world.legacy_rows(connection)[-1][3])
    members = world.sql("SELECT user_id FROM conversation_participants WHERE conversation_id = $1", conversation)
    assert {member["user_id"] for member in members} == {one, other}
    assert world.failed_checks() == set()


def test_copying_twice_copies_once(world: Any) -> None:
    """The second time finds it done."""
    _, _, connection = world.pair(messages=10)
    conversation = world.copy(connection)
    assert world.copy(connection) == conversation
    assert world.seqs(conversation) == list(range(1, 11))


@pytest.mark.parametrize("status", ["pending", "declined"])
def test_only_accepted_connections_become_conversations(world: Any, status: str) -> None:
    """Nobody is put into a conversation that they did not want."""
    one, other, connection = world.pair(status=status)
    assert world.copy(connection) is None
    assert world.sql("SELECT FROM conversations WHERE participant1_id IN ($1, $2)", one, other) == []


def test_two_connections_of_a_pair_become_one_conversation(world: Any) -> None:
    """Both histories are in it, each in its order; what is sent to it goes to the first connection."""
    one, other, first = world.pair(messages=5)
    second = world.connection(other, one, messages=5)
    conversation = world.copy(first)
    assert world.copy(second) == conversation
    assert world.seqs(conversation) == list(range(1, 11))
    (sent,) = world.as_user(one, SEND, conversation, one, "hello", uuid4())
    assert sent["id"] in {row[0] for row in world.legacy_rows(first)}
    assert world.failed_checks() == set()


def test_a_conversation_that_was_there_is_joined(world: Any) -> None:
    """Messages of the new chat keep their seqs, copies come behind them, and the older chat gets what it lacked."""
    one, other, connection = world.pair(messages=5)
    (made,) = world.as_user(one, "SELECT id FROM chatbench.create_direct_conversation($1)", other)
    (sent,) = world.as_user(one, SEND, made["id"], one, "hello", uuid4())
    assert world.copy(connection) == made["id"]
    assert world.chat_rows(made["id"])[0][0] == sent["id"]
    assert {row[0] for row in world.legacy_rows(connection)} == {row[0] for row in world.chat_rows(made["id"])}
    assert world.failed_checks() == set()


def test_copies_that_are_there_already_are_adopted(world: Any) -> None:
    """The data set's own connections hold messages that the new chat has too: nothing is copied twice."""
    (connection,) = world.sql(
        "SELECT connection_request_id AS id, count(*) FROM messages GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    )
    (before,) = world.sql("SELECT count(*) FROM chat_messages")
    conversation = world.copy(connection["id"])
    assert world.sql("SELECT count(*) FROM chat_messages") == [before]
    assert world.legacy_rows(connection["id"]) == world.chat_rows(conversation)
    assert world.failed_checks() == set()


def test_read_state_is_carried_over(world: Any) -> None:
    """What came after one's last reading and one's last message is unread; what lies before it is read."""
    one, other, connection = world.pair(messages=20, unread=4)
    for _ in range(3):
        world.as_user(other, SEND_LEGACY, connection, other, "are you there?")
    conversation = world.copy(connection)
    rows = world.sql(
        "SELECT user_id, last_seq - last_read_seq AS unread "
        "FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id WHERE c.id = $1",
        conversation,
    )
    # Messages alternate and the first is of `one`, who wrote the nineteenth without having read the eighteenth.
    assert {row["user_id"]: row["unread"] for row in rows} == {one: 4, other: 0}
    unread = world.sql("SELECT content FROM messages WHERE connection_request_id = $1 AND read_at IS NULL", connection)
    assert [row["content"] for row in unread] == ["message 19", *["are you there?"] * 3]
    assert world.failed_checks() == set()


def test_sends_go_both_ways(world: Any) -> None:
    """A message of either chat is in both, once, under one id, and seqs ascend with times."""
    one, other, connection = world.pair(messages=3)
    conversation = world.copy(connection)
    for turn in range(10):
        world.as_user(one, SEND_LEGACY, connection, one, f"old {turn}")
        world.as_user(other, SEND, conversation, other, f"new {turn}", uuid4())
    assert world.chat_rows(conversation) == world.legacy_rows(connection)
    assert world.seqs(conversation) == list(range(1, 24))
    assert world.failed_checks() == set()


def test_edits_go_to_the_older_chat(world: Any) -> None:
    """It shows what the message says now."""
    one, _, connection = world.pair()
    conversation = world.copy(connection)
    (sent,) = world.as_user(one, SEND, conversation, one, "helo", uuid4())
    world.as_user(one, "UPDATE chat_messages SET content = 'hello' WHERE id = $1", sent["id"])
    assert world.legacy_rows(connection)[0][2] == "hello"


def test_reading_goes_both_ways(world: Any) -> None:
    """A mark that moves in one chat moves in the other."""
    one, other, connection = world.pair()
    conversation = world.copy(connection)
    for turn in range(4):
        world.as_user(other, SEND_LEGACY, connection, other, str(turn))
    unread = "SELECT count(*) FROM messages WHERE connection_request_id = $1 AND sender_id <> $2 AND read_at IS NULL"
    mark = "UPDATE conversation_participants SET last_read_seq = $3 WHERE conversation_id = $1 AND user_id = $2"
    last_read = "SELECT last_read_seq FROM conversation_participants WHERE conversation_id = $1 AND user_id = $2"
    world.as_user(one, mark, conversation, one, 3)
    assert world.value(unread, connection, one) == 1
    (marked,) = world.as_user(one, "SELECT chatbench.mark_legacy_read($1) AS count", connection)
    assert (marked["count"], world.value(last_read, conversation, one)) == (1, 4)
    assert world.failed_checks() == set()


def test_a_deleted_message_is_empty_in_the_older_chat(world: Any) -> None:
    """Its place stays, its words are gone on both sides."""
    one, _, connection = world.pair()
    conversation = world.copy(connection)
    (sent,) = world.as_user(one, SEND, conversation, one, "regretted", uuid4())
    world.as_user(one, "UPDATE chat_messages SET deleted_at = now() WHERE id = $1", sent["id"])
    assert [(row[0], row[2]) for row in world.legacy_rows(connection)] == [(sent["id"], "")]
    assert world.failed_checks() == set()


def test_what_was_emptied_while_it_was_away_comes_back_as_a_tombstone(world: Any) -> None:
    """A message of the older chat without words can only be a deleted one."""
    _, _, connection = world.pair(messages=2)
    world.sql("UPDATE messages SET content = '' WHERE connection_request_id = $1 AND content = 'message 1'", connection)
    conversation = world.copy(connection)
    rows = world.sql(
        "SELECT content, deleted_at FROM chat_messages WHERE conversation_id = $1 ORDER BY seq", conversation
    )
    assert [(row["content"], row["deleted_at"] is None) for row in rows] == [("message 0", True), ("", False)]
    assert world.failed_checks() == set()


def test_a_client_id_that_is_taken_does_not_stand_in_the_way(world: Any) -> None:
    """Someone who sends under the id of their own older message cannot keep it from being copied."""
    one, other, connection = world.pair(messages=2)
    (made,) = world.as_user(one, "SELECT id FROM chatbench.create_direct_conversation($1)", other)
    world.as_user(one, SEND, made["id"], one, "hello", world.legacy_rows(connection)[0][0])
    world.copy(connection)
    assert len(world.chat_rows(made["id"])) == 3


# --- races ------------------------------------------------------------------------------------------------


def test_a_message_under_way_is_waited_for(world: Any) -> None:
    """Copying begins after an older message was written and before it is committed: it is copied."""
    one, _, connection = world.pair(messages=3)

    async def race() -> None:
        sender, copier = await world.app_connection(one), await asyncpg.connect(world.url)
        async with sender.transaction():
            await sender.fetch(SEND_LEGACY, connection, one, "just now")
            copying = asyncio.create_task(copier.fetch("SELECT FROM chatbench.copy_connection($1)", connection))
            await until_waiting(world, 1)
        await copying
        await sender.close()
        await copier.close()

    world.run(race())
    assert [row[2] for row in world.legacy_rows(connection)][-1] == "just now"
    assert world.failed_checks() == set()
    assert world.value("SELECT count(*) FROM chatbench.migrated_connections") == 1


def test_a_message_during_copying_is_written_to_both(world: Any) -> None:
    """It waits for the copying, then knows of it, and its time is later than that of everything copied."""
    one, _, connection = world.pair(messages=3)

    async def race() -> UUID:
        sender, copier = await world.app_connection(one), await asyncpg.connect(world.url)
        async with copier.transaction():
            conversation: UUID = await copier.fetchval(
                "SELECT conversation_id FROM chatbench.copy_connection($1)", connection
            )
            sending = asyncio.create_task(sender.fetch(SEND_LEGACY, connection, one, "meanwhile"))
            await until_waiting(world, 1)
        await sending
        await sender.close()
        await copier.close()
        return conversation

    conversation = world.run(race())
    assert world.chat_rows(conversation) == world.legacy_rows(connection)
    assert world.failed_checks() == set()


def test_a_transaction_that_lives_in_the_past_fails(world: Any) -> None:
    """REPEATABLE READ from before the copying would decide by what it saw then: it is refused, and may be repeated."""
    one, _, connection = world.pair(messages=3)

    async def race() -> None:
        sender = await world.app_connection(one)
        past = sender.transaction(isolation="repeatable_read")
        await past.start()
        await sender.fetch("SELECT count(*) FROM messages")
        await copy(world, connection)
        with pytest.raises(asyncpg.SerializationError):
            await sender.fetch(SEND_LEGACY, connection, one, "from the past")
        await past.rollback()
        await sender.close()

    world.run(race())
    assert world.failed_checks() == set()


def test_an_edit_during_copying_reaches_the_older_chat(world: Any) -> None:
    """The copy has read the words before the edit; the edit waits for it and changes both."""
    one, other, connection = world.pair()
    (made,) = world.as_user(one, "SELECT id FROM chatbench.create_direct_conversation($1)", other)
    (sent,) = world.as_user(one, SEND, made["id"], one, "helo", uuid4())

    async def race() -> None:
        editor, copier = await asyncpg.connect(world.url), await asyncpg.connect(world.url)
        async with copier.transaction():
            await copier.fetch("SELECT FROM chatbench.copy_connection($1)", connection)
            edit = "UPDATE chat_messages SET content = 'hello' WHERE id = $1"
            editing = asyncio.create_task(editor.fetch(edit, sent["id"]))
            await until_waiting(world, 1)
        await editing
        await editor.close()
        await copier.close()

    world.run(race())
    assert world.legacy_rows(connection)[0][2] == "hello"
    assert world.failed_checks() == set()


def test_two_touches_at_once_migrate_once(world: Any) -> None:
    """Both participants ask at the same moment, and are told the same conversation."""
    one, other, connection = world.pair(messages=30)
    world.command("start")

    async def race() -> list[UUID]:
        holder = await asyncpg.connect(world.url)
        askers = [await world.app_connection(user) for user in (one, other)]
        async with holder.transaction():
            await holder.fetch("SELECT FROM connection_requests WHERE id = $1 FOR UPDATE", connection)
            asking = [asyncio.create_task(asker.fetchval(CONVERSATION, connection)) for asker in askers]
            await until_waiting(world, 2)
        found = await asyncio.gather(*asking)
        for each in (holder, *askers):
            await each.close()
        return found

    first, second = world.run(race())
    assert first == second
    assert world.chat_rows(first) == world.legacy_rows(connection)


async def copy(world: Any, connection: UUID) -> None:
    copier = await asyncpg.connect(world.url)
    await copier.fetch("SELECT FROM chatbench.copy_connection($1)", connection)
    await copier.close()


async def until_waiting(world: Any, count: int) -> None:
    """Returns when so many connections of the database wait for a lock."""
    watcher = await asyncpg.connect(world.url)
    async with asyncio.timeout(20):
        while (
            await watcher.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
            )
            < count
        ):
            await asyncio.sleep(0.01)  # between two looks at what is waited for
    await watcher.close()


# --- commands ---------------------------------------------------------------------------------------------


def test_who_accepts_after_the_start_has_a_conversation_at_once(world: Any) -> None:
    """Also when the backfill has already passed the request's place."""
    one, other, connection = world.pair(status="pending")
    world.command("start")
    world.as_user(other, "UPDATE connection_requests SET status = 'accepted' WHERE id = $1", connection)
    (found,) = world.as_user(one, CONVERSATION, connection)
    assert found["id"] is not None


@pytest.mark.parametrize(
    ("phase", "refused"),
    [
        ("off", ["pause", "resume", "abort", "roll_back"]),
        ("running", ["start", "resume"]),
        ("paused", ["start", "pause"]),
        ("complete", ["start", "pause", "resume", "abort"]),
        ("rolled_back", ["pause", "resume", "abort", "roll_back"]),
    ],
)
def test_commands_fit_the_phase(world: Any, phase: str, refused: list[str]) -> None:
    """What makes no sense now is refused by name, with nothing changed."""
    for command in refused:
        world.sql("UPDATE chatbench.migration_state SET phase = $1", phase)
        with pytest.raises(asyncpg.PostgresError, match=f"cannot {command.replace('_', ' ')} now") as refusal:
            world.command(command)
        assert refusal.value.sqlstate == "CB409"
    assert world.value("SELECT phase FROM chatbench.migration_state") == phase


def test_a_roll_back_loses_nothing(world: Any) -> None:
    """The older chat has every message of both; the new one keeps what it had, and goes on writing to the older."""
    one, other, connection = world.pair(messages=3)
    world.command("start")
    (found,) = world.as_user(one, CONVERSATION, connection)
    conversation = found["id"]
    world.as_user(one, SEND, conversation, one, "in the new one", uuid4())
    # Even what a failure of the mirror had kept from it.
    world.script("SET session_replication_role = replica")
    world.sql("DELETE FROM messages WHERE content = 'in the new one'")
    world.script("RESET session_replication_role")
    world.command("roll_back")
    assert world.legacy_rows(connection) == world.chat_rows(conversation)
    world.as_user(other, SEND_LEGACY, connection, other, "back in the older one")
    world.as_user(one, SEND, conversation, one, "still in the new one", uuid4())
    assert [row[2] for row in world.legacy_rows(connection)][-2:] == ["back in the older one", "still in the new one"]
    assert [row[2] for row in world.chat_rows(conversation)][-1] == "still in the new one"
    assert world.value("SELECT count(*) FROM chat_messages WHERE content = 'back in the older one'") == 0
    assert world.as_user(one, CONVERSATION, connection)[0]["id"] is None
    assert world.failed_checks() == set()


def test_a_migration_can_be_started_again(world: Any) -> None:
    """What came to the older chat in between is copied, and what was there is not copied twice."""
    one, other, connection = world.pair(messages=3)
    world.command("start")
    (first,) = world.as_user(one, CONVERSATION, connection)
    world.command("abort")
    world.as_user(other, SEND_LEGACY, connection, other, "in between")
    world.command("start")
    (again,) = world.as_user(one, CONVERSATION, connection)
    world.as_user(other, SEND_LEGACY, connection, other, "afterwards")
    assert again == first
    assert world.chat_rows(first["id"]) == world.legacy_rows(connection)
    assert [row[2] for row in world.chat_rows(first["id"])][-2:] == ["in between", "afterwards"]
    assert world.failed_checks() == set()
