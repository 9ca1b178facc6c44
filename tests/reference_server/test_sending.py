from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from fixtures.identifiers import user_id
from reference_server.frames import MessageEvent
from reference_server.statements import server_statements

SEED = 1


@pytest.fixture(scope="module")
def members(server: Any) -> list[Any]:
    """Six users."""
    return [server.user(index) for index in range(10, 16)]


def seqs_of(administrator_sql: Any, conversation: UUID) -> list[int]:
    rows = administrator_sql("SELECT seq FROM chat_messages WHERE conversation_id = $1 ORDER BY seq", conversation)
    return [row["seq"] for row in rows]


def test_a_message_reaches_every_member_as_stored(server: Any, members: list[Any]) -> None:
    """Both encodings carry what HTTP answered, to the sender as well."""
    conversation = server.group(*members[:2])
    subscribers = [members[0].connect("chat.v1.json"), members[1].connect("chat.v1.msgpack")]
    for gateway in subscribers:
        gateway.subscribe()
    message = members[0].send(conversation, "grüße, 世界 🌍")
    for gateway in subscribers:
        event = gateway.receive()
        assert isinstance(event, MessageEvent)
        assert (str(event.conversation_id), event.seq, str(event.sender_id), event.content) == (
            message["conversation_id"], 1, message["sender_id"], "grüße, 世界 🌍",
        )  # fmt: skip


def test_a_retried_send_is_the_same_message(server: Any, members: list[Any], administrator_sql: Any) -> None:
    """The second answer says so by its status, and the content is the first one's."""
    conversation, client_id = server.group(*members), uuid4()
    first = members[0].post_message(conversation, "once", client_id)
    second = members[0].post_message(conversation, "twice", client_id)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert members[0].send(conversation)["seq"] == 2
    assert seqs_of(administrator_sql, conversation) == [1, 2]


def test_concurrent_sends_with_one_client_id_are_one_message(
    server: Any, members: list[Any], administrator_sql: Any
) -> None:
    """However many at once: one is stored, all get it, nobody hears it twice, and no seq is lost."""
    conversation = server.group(*members)
    gateway = members[1].connect()
    gateway.subscribe()
    client_ids = [uuid4() for _ in range(5)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: members[0].post_message(conversation, "x", one), client_ids * 8))
    assert sorted(answer.status_code for answer in answers) == [200] * 35 + [201] * 5
    assert len({answer.json()["message"]["id"] for answer in answers}) == 5
    assert seqs_of(administrator_sql, conversation) == [1, 2, 3, 4, 5]
    members[0].send(conversation, "last")
    assert [gateway.receive().seq for _ in range(6)] == [1, 2, 3, 4, 5, 6]


def test_one_client_id_in_two_conversations_is_a_conflict(server: Any, members: list[Any]) -> None:
    """A client_id names one message of its sender; another sender may use the same."""
    one, other, client_id = server.group(*members), server.group(*members), uuid4()
    members[0].send(one, "x", client_id)
    answer = members[0].post_message(other, "x", client_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert members[1].send(other, "x", client_id)["seq"] == 1


def test_events_come_in_the_order_of_the_seqs(server: Any, members: list[Any], administrator_sql: Any) -> None:
    """Many senders at once: every subscriber hears 1, 2, 3 …, and the seqs are gap-free."""
    conversation = server.group(*members)
    gateways = [member.connect() for member in members for _ in range(2)]
    for gateway in gateways:
        gateway.subscribe()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: members[number % 6].send(conversation, str(number)), range(120)))
    assert seqs_of(administrator_sql, conversation) == list(range(1, 121))
    for gateway in gateways:
        assert [gateway.receive().seq for _ in range(120)] == list(range(1, 121))


def test_both_sides_at_once_get_one_direct_conversation(server: Any, administrator_sql: Any) -> None:
    """A race of creation leaves one row, found by all, new for one."""
    left, right = server.user(16), server.user(17)
    administrator_sql(
        "WITH pair AS (SELECT id FROM conversations WHERE participant1_id = least($1::uuid, $2::uuid)"
        " AND participant2_id = greatest($1::uuid, $2::uuid)),"
        " said AS (DELETE FROM chat_messages WHERE conversation_id IN (SELECT id FROM pair)),"
        " took AS (DELETE FROM conversation_participants WHERE conversation_id IN (SELECT id FROM pair))"
        " DELETE FROM conversations WHERE id IN (SELECT id FROM pair)",
        left.id,
        right.id,
    )
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda number: (left if number % 2 else right).post(
                    "/conversations/direct", user_id=str((right if number % 2 else left).id)
                ),
                range(24),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] * 23 + [201]
    (conversation,) = {UUID(answer.json()["conversation"]["id"]) for answer in answers}
    rows = administrator_sql("SELECT user_id FROM conversation_participants WHERE conversation_id = $1", conversation)
    assert {row["user_id"] for row in rows} == {left.id, right.id}
    assert left.send(conversation)["seq"] == 1


def test_a_stranger_cannot_send_nor_learn_that_there_is_something(server: Any, members: list[Any]) -> None:
    """A foreign conversation and one that does not exist are answered alike."""
    conversation, stranger = server.group(*members), server.user(18)
    for target in (conversation, uuid4()):
        answer = stranger.post_message(target)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["message"] == f"there is no conversation {target} for you"
        assert stranger.get(f"/conversations/{target}/messages").status_code == 404


def test_a_stranger_hears_nothing(server: Any, members: list[Any]) -> None:
    """The first event that a non-member hears is the one that is meant for them."""
    stranger = server.user(19)
    gateway = stranger.connect()
    gateway.subscribe()
    members[0].send(server.group(*members), "not for you")
    mine = server.group(members[0], stranger)
    members[0].send(mine, "for you")
    assert gateway.receive().conversation_id == mine  # that they have been added to it
    event = gateway.receive()
    assert (event.conversation_id, event.content) == (mine, "for you")


def test_who_has_left_can_no_longer_send(server: Any, members: list[Any], administrator_sql: Any) -> None:
    """The database has the last word, also after the server has read the members."""
    conversation = server.group(*members)
    members[1].send(conversation)
    administrator_sql(
        "UPDATE conversation_participants SET left_at = now() WHERE conversation_id = $1 AND user_id = $2",
        conversation,
        members[1].id,
    )
    assert members[1].post_message(conversation).status_code == 404
    assert members[0].send(conversation)["seq"] == 2


@pytest.mark.parametrize("people", [1, 2, 100])
def test_a_send_writes_as_many_rows_in_a_large_group_as_in_a_small_one(server: Any, user_sql: Any, people: int) -> None:
    """Its message, and two rows that it updates: the conversation's and the sender's own."""
    sender = server.user(0)
    others = [str(user_id(SEED, index)) for index in range(1, people)]
    made = sender.post("/conversations/group", name="a group", user_ids=others).json()["conversation"]["id"]

    def written() -> dict[tuple[str, str], int]:
        rows = user_sql(sender.id, "SELECT * FROM pg_stat_xact_user_tables")  # of this session, not told to others yet
        kinds = ("n_tup_ins", "n_tup_upd", "n_tup_del")
        return {(row["relname"], kind): row[kind] for row in rows for kind in kinds if row[kind]}

    user_sql(sender.id, "BEGIN")
    try:
        before = written()
        user_sql(sender.id, server_statements()["send_message"].text, made, sender.id, "hello", uuid4())
        after = written()
    finally:
        user_sql(sender.id, "ROLLBACK")
    assert {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key)} == {
        ("chat_messages", "n_tup_ins"): 1,
        ("conversations", "n_tup_upd"): 1,
        ("conversation_participants", "n_tup_upd"): 1,
    }
