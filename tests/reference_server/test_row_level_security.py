"""What the pool's login may do with SQL in hand: exactly what the user whose claims it carries may."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from fixtures.identifiers import user_id

# Visible to a user, by what the tables say: the administrator's answer to the same question.
VISIBLE = {
    "conversations": "SELECT id::text AS key FROM conversations WHERE id IN",
    "conversation_participants": "SELECT conversation_id || ' ' || user_id AS key FROM conversation_participants "
    "WHERE left_at IS NULL AND conversation_id IN",
    "chat_messages": "SELECT id::text AS key FROM chat_messages WHERE conversation_id IN",
}
MINE = "(SELECT conversation_id FROM conversation_participants WHERE user_id = $1 AND left_at IS NULL)"
SEND = "INSERT INTO chat_messages (conversation_id, sender_id, content, client_id) VALUES ($1, $2, 'x', $3)"


@pytest.fixture(scope="module")
def people(server: Any) -> list[Any]:
    """An owner, a member, and someone who is not in the conversation."""
    return [server.user(index) for index in (30, 31, 32)]


@pytest.fixture(scope="module")
def conversation(server: Any, people: list[Any]) -> Any:
    """A group of the first two."""
    made = server.group(*people[:2])
    people[0].send(made)
    return made


@pytest.mark.parametrize("table", VISIBLE)
@pytest.mark.parametrize("index", [0, 1, 50, 119])
def test_a_user_sees_exactly_their_own(user_sql: Any, administrator_sql: Any, table: str, index: int) -> None:
    """Rows of one's conversations, all of them, and no others."""
    user = user_id(1, index)
    key = VISIBLE[table].split(" AS key")[0]
    seen = {row["key"] for row in user_sql(user, f"{key} AS key FROM {table}")}
    expected = {row["key"] for row in administrator_sql(f"{VISIBLE[table]} {MINE}", user)}
    assert seen == expected
    assert seen
    assert len(seen) < administrator_sql(f"SELECT count(*) AS n FROM {table}")[0]["n"]


@pytest.mark.parametrize("table", VISIBLE)
def test_a_stranger_sees_nothing(user_sql: Any, table: str) -> None:
    """Claims of nobody, and no claims, see no row."""
    assert user_sql(uuid4(), f"SELECT * FROM {table}") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chat_messages SET sender_id = auth.uid()",
        "UPDATE chat_messages SET edited_at = NULL",
        "UPDATE conversation_participants SET left_at = NULL",
        "SELECT chatbench.group_role(id, auth.uid()) FROM conversations",
        "INSERT INTO chatbench.group_rules VALUES ('leave', 'owner', 'owner')",
        "DELETE FROM chat_messages",
        "UPDATE conversations SET name = 'mine'",
        "DELETE FROM conversations",
        "UPDATE conversation_participants SET role = 'owner'",
        "DELETE FROM conversation_participants",
        "TRUNCATE chat_messages",
        "INSERT INTO conversations (type, name) VALUES ('group', 'forged')",
        "INSERT INTO conversation_participants (conversation_id, user_id) SELECT id, auth.uid() FROM conversations",
        "INSERT INTO users (display_name) VALUES ('nobody')",
        "UPDATE chatbench.dataset SET manifest = '{}'",
        "CREATE TABLE public.mine (id int)",
    ],
)
def test_what_is_not_granted_is_refused(user_sql: Any, people: list[Any], conversation: Any, statement: str) -> None:
    """A member may neither change nor remove, nor make conversations past the functions."""
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
        user_sql(people[1].id, statement)


def test_the_trigger_that_gives_seqs_cannot_be_borrowed(user_sql: Any, people: list[Any]) -> None:
    """Hung on a table of one's own, it would take seqs without a message."""
    user_sql(people[2].id, "CREATE TEMPORARY TABLE mine (conversation_id uuid, seq bigint, created_at timestamptz)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(
            people[2].id,
            "CREATE TRIGGER taking BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION chatbench.assign_seq()",
        )


@pytest.mark.parametrize("column", ["seq", "created_at", "id", "edited_at"])
def test_a_sender_cannot_choose_what_the_server_gives(
    user_sql: Any, people: list[Any], conversation: Any, column: str
) -> None:
    """seq, id and times are not the sender's to write."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(
            people[1].id,
            f"INSERT INTO chat_messages (conversation_id, sender_id, content, client_id, {column}) "
            "VALUES ($1, $2, 'x', $3, NULL)",
            conversation,
            people[1].id,
            uuid4(),
        )


@pytest.mark.parametrize("deferred", ["", "SET CONSTRAINTS ALL DEFERRED; "])
@pytest.mark.parametrize(
    "otherwise",
    [
        "",
        "ON CONFLICT DO NOTHING",
        "ON CONFLICT (id) DO NOTHING",
        "ON CONFLICT (conversation_id, seq) DO NOTHING",
        "ON CONFLICT (sender_id, client_id) DO NOTHING",
        "ON CONFLICT ON CONSTRAINT chat_messages_retry DO NOTHING",
        "ON CONFLICT (sender_id, client_id) DO UPDATE SET content = excluded.content",
    ],
)
def test_no_seq_is_taken_without_a_message(  # noqa: PLR0917 - fixtures and cases
    server: Any, user_sql: Any, administrator_sql: Any, people: list[Any], otherwise: str, deferred: str
) -> None:
    """A conflict that is no error would leave a gap, and everyone waiting for a message that never comes."""
    made = server.group(*people[:2])
    sent = people[0].send(made)
    send = SEND.replace("$1, $2, 'x', $3", f"'{made}', '{people[0].id}', 'x', '{sent['client_id']}'")
    with pytest.raises(asyncpg.PostgresError):
        user_sql(people[0].id, f"DO $body$ BEGIN {deferred}{send} {otherwise}; END $body$")
    assert people[0].send(made)["seq"] == sent["seq"] + 1
    (row,) = administrator_sql("SELECT last_seq FROM conversations WHERE id = $1", made)
    assert row["last_seq"] == sent["seq"] + 1


def test_a_member_may_send(user_sql: Any, people: list[Any], conversation: Any) -> None:
    """The same statement is allowed to a member, for themselves: the refusals below are the policy's."""
    row = user_sql(people[1].id, SEND + " RETURNING seq", conversation, people[1].id, uuid4())[0]
    assert row["seq"] > 1


def test_nobody_sends_for_others(user_sql: Any, people: list[Any], conversation: Any) -> None:
    """sender_id is the caller."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(people[1].id, SEND, conversation, people[0].id, uuid4())


def test_nobody_sends_into_a_foreign_conversation(
    user_sql: Any, administrator_sql: Any, people: list[Any], conversation: Any
) -> None:
    """A stranger's message is refused, and takes no seq with it."""
    before = administrator_sql("SELECT last_seq FROM conversations WHERE id = $1", conversation)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(people[2].id, SEND, conversation, people[2].id, uuid4())
    assert administrator_sql("SELECT last_seq FROM conversations WHERE id = $1", conversation) == before


def test_who_has_left_sees_nothing_more(server: Any, user_sql: Any, administrator_sql: Any, people: list[Any]) -> None:
    """Leaving a conversation ends the sight of its messages and other members."""
    made = server.group(*people[:2])
    people[0].send(made)
    administrator_sql(
        "UPDATE conversation_participants SET left_at = now() WHERE conversation_id = $1 AND user_id = $2",
        made,
        people[1].id,
    )
    assert user_sql(people[1].id, "SELECT id FROM conversations WHERE id = $1", made) == []
    assert user_sql(people[1].id, "SELECT id FROM chat_messages WHERE conversation_id = $1", made) == []
    assert user_sql(people[1].id, "SELECT FROM conversation_participants WHERE conversation_id = $1", made) == []


def test_only_own_messages_are_changed(server: Any, user_sql: Any, people: list[Any]) -> None:
    """Others' stay as they are, also for who may read them; times and tombstones are the trigger's."""
    made = server.group(*people[:2])
    people[0].send(made, "mine")
    people[1].send(made, "yours")
    change = "UPDATE chat_messages SET content = 'changed' WHERE conversation_id = $1 RETURNING seq, edited_at"
    assert [row["seq"] for row in user_sql(people[1].id, change, made)] == [2]
    assert user_sql(people[2].id, change, made) == []
    delete = "UPDATE chat_messages SET deleted_at = '2000-01-01Z' WHERE conversation_id = $1 RETURNING *"
    (row,) = user_sql(people[1].id, delete, made)
    back = (
        "UPDATE chat_messages SET deleted_at = NULL WHERE conversation_id = $1 AND deleted_at IS NOT NULL RETURNING 1"
    )
    assert row["content"] == ""
    assert row["deleted_at"].year > 2000
    assert user_sql(people[1].id, back, made) == []


def test_a_watermark_never_moves_back(server: Any, user_sql: Any, people: list[Any]) -> None:
    """Nor beyond the newest message, nor by others, whatever the statement."""
    made = server.group(*people[:2])
    for _ in range(3):
        people[0].send(made)
    move = "UPDATE conversation_participants SET last_read_seq = $2 WHERE conversation_id = $1 RETURNING last_read_seq"
    for wanted, reached in ((2, 2), (1, 2), (99, 3), (0, 3)):
        assert [row["last_read_seq"] for row in user_sql(people[1].id, move, made, wanted)] == [reached]
    assert user_sql(people[2].id, move, made, 3) == []


def test_the_functions_make_conversations_of_the_caller(user_sql: Any, people: list[Any]) -> None:
    """The way that is open: the caller is in it, whoever else is named, and owns the group."""
    row = user_sql(
        people[2].id, "SELECT * FROM chatbench.create_group_conversation('ours', $1)", [people[0].id, people[2].id]
    )[0]
    rows = user_sql(
        people[2].id, "SELECT user_id, role FROM conversation_participants WHERE conversation_id = $1", row["id"]
    )
    assert {(one["user_id"], one["role"]) for one in rows} == {(people[2].id, "owner"), (people[0].id, "member")}


def test_the_login_itself_may_nothing(user_sql: Any, people: list[Any]) -> None:
    """Dropping the role `authenticated` leaves no rights at all, and no way to become the administrator."""
    user_sql(people[0].id, "SET ROLE NONE")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            user_sql(people[0].id, "SELECT * FROM chat_messages")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            user_sql(people[0].id, "SET ROLE postgres")
    finally:
        user_sql(people[0].id, "SET ROLE authenticated")


# --- typing and presence as tables ---------------------------------------------------------------------

ANNOUNCE = (
    "INSERT INTO typing_indicators (conversation_id, user_id, expires_at) "
    "VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3)) "
    "ON CONFLICT (conversation_id, user_id) DO UPDATE SET expires_at = excluded.expires_at"
)
APPEAR = (
    "INSERT INTO user_presence (user_id, status, version, last_seen_at) VALUES ($1, 'away', 1, clock_timestamp()) "
    "ON CONFLICT (user_id) DO UPDATE SET status = excluded.status, last_seen_at = excluded.last_seen_at"
)
TYPING = "SELECT user_id FROM typing_indicators WHERE conversation_id = $1"


def test_typing_is_visible_to_members_and_written_for_oneself(
    user_sql: Any, people: list[Any], conversation: Any
) -> None:
    """A member announces, repeats and ends their own typing; the other member sees it, a stranger does not."""
    owner, member, stranger = people
    for _ in range(2):
        user_sql(member.id, ANNOUNCE, conversation, member.id, 6.0)
    assert [row["user_id"] for row in user_sql(owner.id, TYPING, conversation)] == [member.id]
    assert user_sql(stranger.id, TYPING, conversation) == []
    user_sql(owner.id, "SELECT chatbench.end_typing($1)", conversation)
    user_sql(owner.id, "UPDATE typing_indicators SET expires_at = clock_timestamp()")
    assert [row["user_id"] for row in user_sql(member.id, TYPING, conversation)] == [member.id]
    user_sql(member.id, "SELECT chatbench.end_typing($1)", conversation)
    assert user_sql(owner.id, TYPING, conversation) == []


def test_typing_that_has_expired_is_seen_by_nobody_else(user_sql: Any, people: list[Any], conversation: Any) -> None:
    """Its row stays until it is written again, which its typist alone must see to do so."""
    owner, member, _ = people
    user_sql(member.id, ANNOUNCE, conversation, member.id, -1.0)
    assert user_sql(owner.id, TYPING, conversation) == []
    user_sql(member.id, ANNOUNCE, conversation, member.id, 6.0)
    assert [row["user_id"] for row in user_sql(owner.id, TYPING, conversation)] == [member.id]
    user_sql(member.id, "SELECT chatbench.end_typing($1)", conversation)


@pytest.mark.parametrize(
    ("caller", "typist", "seconds"), [(1, 0, 6.0), (2, 2, 6.0), (1, 1, 3600.0)], ids=["another", "stranger", "for ever"]
)
def test_typing_cannot_be_announced(  # noqa: PLR0917 - fixtures and cases
    user_sql: Any, people: list[Any], conversation: Any, caller: int, typist: int, seconds: float
) -> None:
    """For others, by who is not in the conversation, or for longer than a client would ever say."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(people[caller].id, ANNOUNCE, conversation, people[typist].id, seconds)


def test_who_has_left_types_no_more(server: Any, user_sql: Any, administrator_sql: Any, people: list[Any]) -> None:
    """They see nobody's typing, their own included, and announce none, but can still take theirs back."""
    owner, member, _ = people
    made = server.group(owner, member)
    for person in (owner, member):
        user_sql(person.id, ANNOUNCE, made, person.id, 6.0)
    leave = "UPDATE conversation_participants SET left_at = now() WHERE conversation_id = $1 AND user_id = $2"
    administrator_sql(leave, made, member.id)
    assert user_sql(member.id, TYPING, made) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(member.id, ANNOUNCE, made, member.id, 6.0)
    user_sql(member.id, "SELECT chatbench.end_typing($1)", made)
    assert [row["user_id"] for row in user_sql(owner.id, TYPING, made)] == [owner.id]


def test_presence_is_visible_to_users_and_written_for_oneself(user_sql: Any, people: list[Any]) -> None:
    """Anyone sees it, as anyone sees the directory; nobody writes another's, and nobody removes one."""
    owner, member, stranger = people
    for _ in range(2):
        user_sql(member.id, APPEAR, member.id)
    for viewer in (owner, member, stranger):
        (row,) = user_sql(viewer.id, "SELECT status FROM user_presence WHERE user_id = $1", member.id)
        assert row["status"] == "away"
    user_sql(owner.id, "UPDATE user_presence SET status = 'online' WHERE user_id = $1", member.id)
    (row,) = user_sql(member.id, "SELECT status FROM user_presence WHERE user_id = $1", member.id)
    assert row["status"] == "away"
    for statement in (
        "DELETE FROM user_presence",
        "DELETE FROM typing_indicators",
        "TRUNCATE typing_indicators",
        "UPDATE user_presence SET user_id = $1",
    ):
        arguments = [owner.id] if "$1" in statement else []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            user_sql(member.id, statement, *arguments)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        user_sql(member.id, APPEAR, stranger.id)


def test_live_tables_are_unlogged_and_bound_by_policies(administrator_sql: Any) -> None:
    """No log for what is true for seconds, and no row without a policy."""
    rows = administrator_sql(
        "SELECT relname, relpersistence::text, relrowsecurity FROM pg_class "
        "WHERE relname IN ('typing_indicators', 'user_presence') ORDER BY relname"
    )
    assert [tuple(row) for row in rows] == [("typing_indicators", "u", True), ("user_presence", "u", True)]


def test_nobody_holds_a_table_up(user_sql: Any, administrator_sql: Any, people: list[Any]) -> None:
    """A user with SQL in hand locks no table or view against what others read, write, vacuum or build."""
    names = administrator_sql(
        "SELECT format('%I.%I', nspname, relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE relkind IN ('r', 'v', 'p', 'm') AND nspname IN ('public', 'chatbench', 'auth')"
    )
    assert len(names) > 10
    for (name,) in names:
        for mode in ("SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                user_sql(people[0].id, f"DO $$ BEGIN LOCK TABLE {name} IN {mode} MODE NOWAIT; END $$")
