"""Sends and pages are answered alike whether they are plain and go past the framework, or go through it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from reference_server.frames import MessageEvent

TIMES_AND_IDS = ("id", "created_at", "seq", "client_id")


def pieces(body: bytes) -> Iterator[bytes]:
    """A body that the server cannot have received whole when it begins: it is sent chunked."""
    middle = len(body) // 2
    yield body[:middle]
    yield body[middle:]


def both_ways(user: Any, conversation: UUID | str, body: Any, **headers: str) -> tuple[httpx.Response, httpx.Response]:
    """The answers to a body in one piece and in several."""
    path = f"/v1/conversations/{conversation}/messages"
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json", **headers}
    contents = [json.dumps(body()).encode() for _ in range(2)]
    whole = user.server.http.post(path, content=contents[0], headers=headers)
    return whole, user.server.http.post(path, content=pieces(contents[1]), headers=headers)


def new_message() -> dict[str, str]:
    return {"content": "hello", "client_id": str(uuid4())}


def test_a_message_is_stored_and_delivered_either_way(server: Any) -> None:
    """Same status, same headers, same fields; both reach the group, in the order of their seqs."""
    sender, recipient = server.user(20), server.user(21)
    group = server.group(sender, recipient)
    gateway = recipient.connect()
    gateway.subscribe()
    whole, in_pieces = both_ways(sender, group, new_message)
    assert (whole.status_code, in_pieces.status_code) == (201, 201)
    first, second = whole.json()["message"], in_pieces.json()["message"]
    assert {name: first[name] for name in first if name not in TIMES_AND_IDS} == {
        name: second[name] for name in second if name not in TIMES_AND_IDS
    }
    assert list(first) == list(second)
    assert whole.headers["content-type"] == in_pieces.headers["content-type"]
    events = [gateway.receive(), gateway.receive()]
    assert [event.seq for event in events if isinstance(event, MessageEvent)] == [first["seq"], second["seq"]] == [1, 2]


def test_a_repeated_send_is_answered_with_200_either_way(server: Any) -> None:
    """The same message, however it comes again."""
    sender = server.user(20)
    group = server.group(sender, server.user(21))
    body = new_message()
    sent = sender.send(group, body["content"], UUID(body["client_id"]))
    for answer in both_ways(sender, group, lambda: body):
        assert (answer.status_code, answer.json()["message"]) == (200, sent)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": "hello"}, 400),
        ({"content": "", "client_id": str(UUID(int=1))}, 400),
        ({"content": "hello", "client_id": "no id"}, 400),
        ({"content": "hello", "client_id": str(UUID(int=1)), "more": 1}, 400),
        (["hello"], 400),
    ],
)
def test_a_body_that_does_not_fit_is_refused_either_way(server: Any, body: Any, status: int) -> None:
    """With the same sentence."""
    sender = server.user(20)
    group = server.group(sender, server.user(21))
    whole, in_pieces = both_ways(sender, group, lambda: body)
    assert whole.status_code == in_pieces.status_code == status
    assert whole.json() == in_pieces.json()


def test_refusals_are_the_same_either_way(server: Any) -> None:
    """No token, a bad one, somebody else's conversation: status, body and type."""
    sender, stranger = server.user(20), server.user(22)
    group = server.group(sender, server.user(21))
    for user, conversation, headers, status in (
        (sender, group, {"Authorization": ""}, 401),
        (sender, group, {"Authorization": "Bearer forged"}, 401),
        (stranger, group, {}, 404),
        (sender, "no-id", {}, 400),
    ):
        whole, in_pieces = both_ways(user, conversation, new_message, **headers)
        assert whole.status_code == in_pieces.status_code == status, whole.text
        assert whole.json() == in_pieces.json()
        assert whole.headers["content-type"] == in_pieces.headers["content-type"]


def test_both_ways_are_counted_as_one_route(launch: Any, database: str) -> None:
    """Successes and refusals, by route and status."""
    server = launch(database)
    sender, stranger = server.user(20), server.user(22)
    group = server.group(sender, server.user(21))
    both_ways(sender, group, new_message)
    both_ways(stranger, group, new_message)
    route = "/v1/conversations/{conversation_id}/messages"
    for status in ("201", "404"):
        assert server.metric("chat_http_requests_total", method="POST", route=route, status=status) == 2


def pages(user: Any, conversation: UUID | str, query: str, **headers: str) -> tuple[httpx.Response, httpx.Response]:
    """The answers to a question as clients ask it, and to the same with its parameters in the other order."""
    path = f"/v1/conversations/{conversation}/messages"
    headers = {"Authorization": f"Bearer {user.token}", **headers}
    turned = "&".join(reversed(query.split("&")))
    # One parameter alone has no other order; a second slash-free spelling of its name goes through the framework.
    other = turned if "&" in query else query.replace("limit", "%6Cimit").replace("before", "%62efore")
    return tuple(user.server.http.get(f"{path}?{one}", headers=headers) for one in (query, other))  # type: ignore[return-value]


def test_pages_are_the_same_either_way(server: Any) -> None:
    """First and following pages: body, status, type, and who served them."""
    reader = server.user(20)
    group = server.group(reader, server.user(21))
    for number in range(7):
        reader.send(group, f"message {number}", uuid4())
    plain, through = pages(reader, group, "limit=3")
    assert plain.status_code == through.status_code == 200
    assert plain.json() == through.json()
    assert [message["seq"] for message in plain.json()["messages"]] == [7, 6, 5]
    for name in ("content-type", "chat-served-by"):
        assert plain.headers[name] == through.headers[name]
    cursor = plain.json()["next_cursor"]
    plain, through = pages(reader, group, f"limit=3&before={cursor}")
    assert plain.json() == through.json()
    assert [message["seq"] for message in plain.json()["messages"]] == [4, 3, 2]
    assert (
        server.http.get(
            f"/v1/conversations/{group}/messages", headers={"Authorization": f"Bearer {reader.token}"}
        ).json()["messages"][0]["seq"]
        == 7
    )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 400),
        ("limit=201", 400),
        ("limit=x", 400),
        ("before=nonsense", 400),
        ("limit=3&before=nonsense", 400),
    ],
)
def test_pages_are_refused_alike_either_way(server: Any, query: str, status: int) -> None:
    """With the same sentence."""
    reader = server.user(20)
    group = server.group(reader, server.user(21))
    plain, through = pages(reader, group, query)
    assert plain.status_code == through.status_code == status
    assert plain.json() == through.json()


def test_who_may_not_read_is_told_alike_either_way(server: Any) -> None:
    """No token, and somebody else's conversation."""
    reader, stranger = server.user(20), server.user(22)
    group = server.group(reader, server.user(21))
    for user, headers, status in ((reader, {"Authorization": ""}, 401), (stranger, {}, 404)):
        plain, through = pages(user, group, "limit=3", **headers)
        assert plain.status_code == through.status_code == status
        assert plain.json() == through.json()
