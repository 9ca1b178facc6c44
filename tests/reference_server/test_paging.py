from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# A page walk is a dozen requests: fewer examples, no bound on the time of one.
walks = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pages(  # noqa: PLR0917 - what one page walk is made of
    user: Any, path: str, items: str, cursor: str, sizes: Any, between: Any = None
) -> list[list[Any]]:
    """Every page of a list, with sizes taken in turn; `between` runs after each page."""
    found: list[list[Any]] = []
    following: dict[str, str] = {}
    while True:
        answer = user.get(path, limit=sizes[len(found) % len(sizes)], **following)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["has_more"] is (page["next_cursor"] is not None)
        found.append(page[items])
        if not page["has_more"]:
            return found
        following = {cursor: page["next_cursor"]}
        if between is not None:
            between()


@pytest.fixture(scope="module")
def members(server: Any) -> list[Any]:
    """Three users."""
    return [server.user(index) for index in range(3)]


@walks
@given(
    count=st.integers(0, 25),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    sent_meanwhile=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    tied=st.booleans(),
)
def test_every_message_comes_exactly_once(  # noqa: PLR0917 - all passed by name
    server: Any,
    members: list[Any],
    administrator_sql: Any,
    count: int,
    sizes: list[int],
    sent_meanwhile: list[int],
    tied: bool,
) -> None:
    """Newest first, whatever the page sizes, ties of created_at and messages sent between two pages."""
    conversation = server.group(*members)
    for number in range(count):
        members[number % 3].send(conversation, str(number))
    if tied:
        administrator_sql(
            "UPDATE chat_messages SET created_at = '2025-01-01Z' WHERE conversation_id = $1", conversation
        )
    pauses = iter(sent_meanwhile)

    def between() -> None:
        for _ in range(next(pauses, 0)):
            members[0].send(conversation, "meanwhile")

    found = pages(members[1], f"/conversations/{conversation}/messages", "messages", "before", sizes, between)
    messages = [message for page in found for message in page]
    assert [message["seq"] for message in messages] == list(range(count, 0, -1))
    assert [message["content"] for message in messages] == [str(number) for number in reversed(range(count))]


@pytest.mark.parametrize(
    ("count", "limit", "page_sizes"), [(6, 3, [3, 3]), (6, 6, [6]), (7, 3, [3, 3, 1]), (0, 3, [0])]
)
def test_the_last_page_knows_that_it_is_the_last(
    server: Any, members: list[Any], count: int, limit: int, page_sizes: list[int]
) -> None:
    """has_more is exact, also when the messages fill their pages."""
    conversation = server.group(*members)
    for number in range(count):
        members[0].send(conversation, str(number))
    found = pages(members[0], f"/conversations/{conversation}/messages", "messages", "before", [limit])
    assert [len(page) for page in found] == page_sizes


@pytest.mark.parametrize(
    ("path", "items", "key"),
    [("/conversations", "conversations", "id"), ("/memberships", "memberships", "conversation_id")],
)
@pytest.mark.parametrize("tied", [False, True])
def test_every_conversation_comes_exactly_once(  # noqa: PLR0917 - all passed by name
    server: Any, administrator_sql: Any, path: str, items: str, key: str, tied: bool
) -> None:
    """Lists of conversations too, at several page sizes and also when they tie."""
    user = server.user(3)
    if tied:
        administrator_sql(
            "UPDATE conversations SET last_message_at = '2025-01-01Z' "
            "WHERE id IN (SELECT conversation_id FROM conversation_participants WHERE user_id = $1)",
            user.id,
        )
    rows = administrator_sql(
        "SELECT c.id, c.last_message_at FROM conversation_participants p JOIN conversations c "
        "ON c.id = p.conversation_id WHERE p.user_id = $1 AND p.left_at IS NULL ORDER BY 2 DESC, 1 DESC",
        user.id,
    )
    expected = [row["id"] for row in rows]
    assert len(expected) > 3
    for size in (1, 2, len(expected), 200):
        found = [UUID(item[key]) for page in pages(user, path, items, "cursor", [size]) for item in page]
        assert sorted(found) == sorted(expected)
        if path == "/conversations":
            assert found == expected


def test_the_list_shows_unread_count_and_last_message(server: Any, members: list[Any], administrator_sql: Any) -> None:
    """A conversation in the list carries what its row on a screen needs."""
    reader, writer = members[0], members[1]
    conversation = server.group(writer, reader, name="reading circle")
    for number in range(5):
        writer.send(conversation, f"page {number}")
    administrator_sql(
        "UPDATE conversation_participants SET last_read_seq = 2 WHERE conversation_id = $1 AND user_id = $2",
        conversation,
        reader.id,
    )
    (listed,) = [
        item for item in reader.get("/conversations").json()["conversations"] if item["id"] == str(conversation)
    ]
    assert (listed["name"], listed["last_seq"], listed["last_read_seq"], listed["unread_count"]) == (
        "reading circle", 5, 2, 3,
    )  # fmt: skip
    assert (listed["last_message"]["content"], listed["last_message"]["seq"]) == ("page 4", 5)
    assert (listed["role"], listed["last_message"]["sender_id"]) == ("member", str(writer.id))


def test_a_conversation_without_messages_has_no_last_one(server: Any, members: list[Any]) -> None:
    """A new group stands in the list, with nothing unread."""
    conversation = server.group(*members)
    listed = members[0].get("/conversations").json()["conversations"][0]
    assert (listed["id"], listed["unread_count"], listed["last_message"]) == (str(conversation), 0, None)


@pytest.mark.parametrize("size", [1, 7, 200])
def test_the_directory_is_what_the_table_shows_by_sql(members: list[Any], user_sql: Any, size: int) -> None:
    """Row by row and column by column, no more and no less, page by page and each by its id."""
    rows = user_sql(members[0].id, "SELECT * FROM users ORDER BY id")
    expected = [{**row, "id": str(row["id"])} for row in rows]
    listed = [user for page in pages(members[0], "/users", "users", "cursor", [size]) for user in page]
    assert [{**user, "created_at": datetime.fromisoformat(user["created_at"])} for user in listed] == expected
    for user in listed[:: len(listed) // 3]:
        assert members[0].get(f"/users/{user['id']}").json() == {"user": user}


def test_nobody_of_an_unknown_id_is_in_the_directory(members: list[Any]) -> None:
    """The sentence names whom there is not."""
    unknown = uuid4()
    answer = members[0].get(f"/users/{unknown}")
    assert (answer.status_code, answer.json()["message"]) == (404, f"there is no user {unknown}")
