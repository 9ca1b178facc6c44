"""reference_server.legacy and its routes: the older chat, served in parallel with the new one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from reference_server.frames import ConversationAddedEvent, MessageEvent
from reference_server.migration import bucket_of, uses_new_chat


@pytest.fixture(scope="module")
def friends(server: Any, administrator_sql: Any) -> Any:
    """Makes two users of the shared server who have no connection yet; each call, another two."""
    taken: set[frozenset[int]] = set()

    def two() -> tuple[Any, Any]:
        for index in range(119):
            users = server.user(index), server.user(index + 1)
            ids = [user.id for user in users]
            if frozenset((index, index + 1)) not in taken and not administrator_sql(
                "SELECT FROM connection_requests WHERE sender_id = ANY ($1) AND receiver_id = ANY ($1)", ids
            ):
                taken.add(frozenset((index, index + 1)))
                return users
        raise AssertionError("no two strangers are left")

    return two


def connected(one: Any, other: Any) -> UUID:
    made = one.post("/legacy/connections", user_id=str(other.id)).json()["connection"]
    assert other.post(f"/legacy/connections/{made['id']}/accept").status_code == 200
    return UUID(made["id"])


def send(user: Any, connection: UUID, content: str = "hello") -> Any:
    answer = user.post(f"/legacy/connections/{connection}/messages", content=content)
    assert answer.status_code == 201, answer.text
    return answer.json()["message"]


def test_a_connection_is_asked_for_and_accepted(friends: Any) -> None:
    """The request is pending until the other one accepts, and both see it."""
    one, other = friends()
    answer = one.post("/legacy/connections", user_id=str(other.id))
    made = answer.json()["connection"]
    assert (answer.status_code, made["status"]) == (201, "pending")
    assert (made["sender_id"], made["receiver_id"]) == (str(one.id), str(other.id))
    accepted = other.post(f"/legacy/connections/{made['id']}/accept")
    assert (accepted.status_code, accepted.json()["connection"]["status"]) == (200, "accepted")
    for user in (one, other):
        newest = user.get("/legacy/connections", limit=1).json()
        assert (newest["connections"][0]["id"], newest["connections"][0]["status"]) == (made["id"], "accepted")


def test_a_second_request_is_a_conflict(friends: Any) -> None:
    """From either side; after a refusal one may ask again."""
    one, other = friends()
    made = one.post("/legacy/connections", user_id=str(other.id)).json()["connection"]
    assert one.post("/legacy/connections", user_id=str(other.id)).status_code == 409
    assert other.post("/legacy/connections", user_id=str(one.id)).status_code == 409
    assert other.post(f"/legacy/connections/{made['id']}/decline").json()["connection"]["status"] == "declined"
    assert one.post("/legacy/connections", user_id=str(other.id)).status_code == 201


def test_what_cannot_be_asked_is_refused(friends: Any) -> None:
    """Oneself, nobody, one's own request, and what was answered before."""
    one, other = friends()
    assert one.post("/legacy/connections", user_id=str(one.id)).status_code == 400
    assert one.post("/legacy/connections", user_id=str(uuid4())).status_code == 404
    made = one.post("/legacy/connections", user_id=str(other.id)).json()["connection"]
    assert one.post(f"/legacy/connections/{made['id']}/accept").status_code == 409
    assert one.post(f"/legacy/connections/{made['id']}/messages", content="too early").status_code == 409
    assert other.post(f"/legacy/connections/{made['id']}/accept").status_code == 200
    assert other.post(f"/legacy/connections/{made['id']}/decline").status_code == 409


def test_connections_are_paged_by_id(server: Any) -> None:
    """Page after page gives each connection once."""
    user = server.user(0)
    whole = user.get("/legacy/connections", limit=200).json()
    assert whole["has_more"] is False
    paged: list[Any] = []
    page = user.get("/legacy/connections", limit=1).json()
    while page["has_more"]:
        paged += page["connections"]
        page = user.get("/legacy/connections", limit=1, before=paged[-1]["id"]).json()
    assert paged + page["connections"] == whole["connections"]


def test_messages_are_paged_by_time(friends: Any) -> None:
    """Newest first, each page before the last one's time."""
    one, other = friends()
    connection = connected(one, other)
    sent = [send((one, other)[turn % 2], connection, str(turn))["id"] for turn in range(5)]
    path = f"/legacy/connections/{connection}/messages"
    first = other.get(path, limit=3).json()["messages"]
    rest = other.get(path, limit=3, before=first[-1]["created_at"]).json()["messages"]
    assert [message["id"] for message in first + rest] == sent[::-1]


def test_a_moment_without_offset_is_refused(friends: Any) -> None:
    """It would mean another moment on every machine."""
    one, other = friends()
    answer = one.get(f"/legacy/connections/{connected(one, other)}/messages", before="2026-01-01T00:00:00")
    assert (answer.status_code, "offset" in answer.json()["message"]) == (400, True)


def test_reading_marks_what_the_other_one_sent(friends: Any) -> None:
    """Once; one's own messages are not concerned."""
    one, other = friends()
    connection = connected(one, other)
    for _ in range(3):
        send(one, connection)
    send(other, connection)
    assert other.get("/legacy/connections", limit=1).json()["connections"][0]["unread_count"] == 3
    assert other.post(f"/legacy/connections/{connection}/read").json() == {"marked": 3}
    assert other.post(f"/legacy/connections/{connection}/read").json() == {"marked": 0}
    read = [message["read_at"] for message in one.get(f"/legacy/connections/{connection}/messages").json()["messages"]]
    assert [moment is not None for moment in read] == [False, True, True, True]


@pytest.mark.parametrize("method", ["get messages", "post messages", "post read", "post accept", "get conversation"])
def test_a_foreign_connection_is_not_found(server: Any, friends: Any, method: str) -> None:
    """Whoever is not one of the two is told that there is none."""
    one, other = friends()
    connection, stranger = connected(one, other), server.user(100)
    verb, action = method.split()
    body = {"content": "hello"} if method == "post messages" else {}
    answer = getattr(stranger, verb)(f"/legacy/connections/{connection}/{action}", **body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_before_the_start_there_is_no_conversation(friends: Any) -> None:
    """The way over is not open yet, and everyone is in the older chat."""
    one, other = friends()
    connection = connected(one, other)
    assert one.get(f"/legacy/connections/{connection}/conversation").json() == {"conversation_id": None}
    route = one.get("/chat_route").json()
    assert route == {"uses_new_chat": False, "bucket": bucket_of(one.id), "percentage": 0, "phase": "off"}


def test_what_is_sent_in_the_older_chat_is_heard_in_the_new_one(
    world: Any, launch: Any, log_in: Any, operator: Any
) -> None:
    """Live, by both of the two, in the order of seqs, whichever chat each message was sent in."""
    one_id, other_id, connection = world.pair(messages=3)
    server = launch(world.url)
    one, other = log_in(server, one_id), log_in(server, other_id)
    operator(server).post("start")
    world.wait_for_phase("complete")
    conversation = UUID(one.get(f"/legacy/connections/{connection}/conversation").json()["conversation_id"])
    gateway = other.connect()
    gateway.subscribe()
    sent = []
    for turn in range(4):
        sent.append(send(one, connection, f"old {turn}")["content"])
        sent.append(other.send(conversation, f"new {turn}")["content"])
    events = [gateway.receive() for _ in sent]
    assert all(isinstance(event, MessageEvent) and event.conversation_id == conversation for event in events)
    assert [event.content for event in events] == sent
    assert [event.seq for event in events] == list(range(4, 12))
    operator(server).check()


def test_sends_that_wait_for_each_other_are_counted(world: Any, launch: Any, log_in: Any) -> None:
    """Over one connection of the older chat one is under way, and the others wait for it; over another none does."""
    pairs = [world.pair() for _ in range(2)]
    server = launch(world.url)
    users = [log_in(server, one) for one, _, _ in pairs]
    (_, _, held), (_, _, free) = pairs
    with ThreadPoolExecutor(4) as threads:
        world.script("BEGIN")
        world.sql("SELECT FROM connection_requests WHERE id = $1 FOR UPDATE", held)
        sending = [threads.submit(send, users[0], held, f"message {number}") for number in range(4)]
        server.wait_for_metric(lambda waiting: waiting == 3, "chat_turns_waiting")
        send(users[1], free)
        assert server.metric("chat_turns_waiting") == 3
        world.script("COMMIT")
        assert len({sent.result()["id"] for sent in sending}) == 4
    assert server.metric("chat_turns_waiting") == 0


def test_a_conversation_that_an_acceptance_makes_comes_live(
    world: Any, launch: Any, log_in: Any, operator: Any
) -> None:
    """Both hear of it as of any new one, once: not when they have had a conversation before."""
    server = launch(world.url)
    one, other, third = (log_in(server, world.person()) for _ in range(3))
    operator(server).post("start")
    world.wait_for_phase("complete")
    known = UUID(one.post("/conversations/direct", user_id=str(third.id)).json()["conversation"]["id"])
    gateways = [user.connect() for user in (one, other)]
    for gateway in gateways:
        gateway.subscribe()
    connected(one, third)
    conversation = world.conversation(connected(one, other))
    for gateway in gateways:
        added = gateway.receive()
        assert isinstance(added, ConversationAddedEvent), added
        assert (added.conversation_id, added.type, added.role, added.last_seq) == (conversation, "direct", "member", 0)
        assert set(added.participant_ids) == {one.id, other.id}
    assert conversation != known
    other.send(conversation)
    assert [gateway.receive().seq for gateway in gateways] == [1, 1]


def test_a_history_that_a_touch_brings_is_heard(world: Any, launch: Any, log_in: Any, operator: Any) -> None:
    """At once, by who listens to a conversation that is being written to; not only with its next message."""
    one_id, other_id, connection = world.pair(messages=3)
    server = launch(world.url)
    one, other = log_in(server, one_id), log_in(server, other_id)
    made = one.post("/conversations/direct", user_id=str(other_id)).json()["conversation"]["id"]
    one.send(made, "before the history")
    gateway = other.connect()
    gateway.subscribe()
    with world.copying_elsewhere():
        operator(server).post("start")
        assert one.get(f"/legacy/connections/{connection}/conversation").json() == {"conversation_id": made}
        assert [gateway.receive().seq for _ in range(3)] == [2, 3, 4]


def test_the_older_chat_shows_what_is_sent_in_the_new_one(world: Any, launch: Any, log_in: Any, operator: Any) -> None:
    """A user who is not sent to the new chat yet misses nothing."""
    one_id, other_id, connection = world.pair(messages=1)
    server = launch(world.url)
    one, other = log_in(server, one_id), log_in(server, other_id)
    operator(server).post("start")
    world.wait_for_phase("complete")
    conversation = UUID(one.get(f"/legacy/connections/{connection}/conversation").json()["conversation_id"])
    message = one.send(conversation, "hello from the new one")
    (newest, _) = other.get(f"/legacy/connections/{connection}/messages").json()["messages"]
    assert (newest["id"], newest["content"]) == (message["id"], "hello from the new one")
    assert datetime.fromisoformat(newest["created_at"]) == datetime.fromisoformat(message["created_at"])
    assert other.get("/legacy/connections").json()["connections"][0]["unread_count"] == 1
    assert other.post(f"/legacy/connections/{connection}/read").json() == {"marked": 1}
    (listed,) = other.get("/conversations").json()["conversations"]
    assert listed["unread_count"] == 0


def test_the_route_follows_the_roll_out_live(server: Any, world: Any, launch: Any, log_in: Any, operator: Any) -> None:
    """The next request is decided by the new percentage; the same users are in after a restart."""
    mine = launch(world.url)
    assert operator(mine).put("rollout", percentage=10).status_code == 409
    operator(mine).post("start")
    users = [mine.user(index) for index in range(20)]

    def routed(asked: Any) -> list[bool]:
        return [user.get("/chat_route").json()["uses_new_chat"] for user in asked]

    for percentage in (0, 30, 60, 100):
        assert operator(mine).put("rollout", percentage=percentage).status_code == 200
        assert routed(users) == [uses_new_chat(user.id, percentage) for user in users]
    operator(mine).put("rollout", percentage=30)
    before = routed(users)
    assert 0 < sum(before) < len(before)
    another = launch(world.url)
    assert routed([another.user(index) for index in range(20)]) == before
    operator(another).post("roll_back" if operator(another).get()["phase"] == "complete" else "abort")
    assert routed(users) == [False] * 20
