"""Other ways to page, chosen by a setting: what they show while nobody writes, what they lose and what they repeat."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from reference_server.paging import PAGINGS


def walk(user: Any, conversation: UUID, limit: int, between: Callable[[], object] = lambda: None) -> list[int]:
    """The seqs of all pages, in the order in which they came; `between` runs after each page."""
    found: list[int] = []
    following: dict[str, str] = {}
    while True:
        answer = user.get(f"/conversations/{conversation}/messages", limit=limit, **following)
        assert answer.status_code == 200, answer.text
        found += [message["seq"] for message in answer.json()["messages"]]
        if not answer.json()["has_more"]:
            return found
        following = {"before": answer.json()["next_cursor"]}
        between()


@pytest.fixture(params=list(PAGINGS))
def way(request: pytest.FixtureRequest) -> str:
    """Each way to page."""
    return str(request.param)


@pytest.fixture
def paging_server(launch: Any, database: str, way: str) -> Any:
    """A server that pages this way."""
    return launch(database, message_paging=way)


def test_every_way_shows_each_message_once_while_nobody_writes(paging_server: Any) -> None:
    """Newest first, the last page knows that it is the last, and a cursor of any other list is refused."""
    users = [paging_server.user(index) for index in range(2)]
    conversation = paging_server.group(*users)
    for number in range(9):
        users[0].send(conversation, str(number))
    assert walk(users[1], conversation, 3) == list(range(9, 0, -1))
    assert walk(users[1], conversation, 4) == list(range(9, 0, -1))
    stranger = paging_server.user(5)
    assert stranger.get(f"/conversations/{conversation}/messages").status_code == 404
    assert users[0].get(f"/conversations/{conversation}/messages", before="kQE").status_code == 400


def test_only_time_loses_what_is_tied_and_only_offset_repeats(
    paging_server: Any, administrator_sql: Any, way: str
) -> None:
    """All messages share a time; then, one is sent between any two pages."""
    users = [paging_server.user(index) for index in range(2)]
    conversation = paging_server.group(*users)
    for number in range(9):
        users[0].send(conversation, str(number))
    spread = walk(users[1], conversation, 3, lambda: users[0].send(conversation))
    repeated = [seq for seq in spread if spread.count(seq) > 1]
    assert set(range(1, 10)) <= set(spread)
    assert bool(repeated) is (way == "offset")
    administrator_sql("UPDATE chat_messages SET created_at = '2025-01-01Z' WHERE conversation_id = $1", conversation)
    found = walk(users[1], conversation, 3)
    assert all(newer > older for newer, older in pairwise(found))
    assert (len(found) == 3) is (way == "created_at")
