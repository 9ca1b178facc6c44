"""reference_server.live_state and live_tables: one scenario, two stores, the same answers."""

from typing import Any
from uuid import uuid4

import pytest

from reference_server.frames import (
    PresenceEvent,
    StartTyping,
    StopTyping,
    SubscribePresence,
    SubscribeTyping,
    UpdatePresence,
)

NEAR = {"presence_grace_seconds": 0.05, "presence_coalescing_seconds": 0.01, "typing_throttle_seconds": 0.01}
STORES = ["memory", "tables"]


def presence_of(asker: Any, *users: Any) -> list[tuple[Any, ...]]:
    """Status, version and last seen of users, over HTTP."""
    answer = asker.get("/presence", user_id=[str(user.id) for user in users])
    assert answer.status_code == 200, answer.text
    found = answer.json()["users"]
    assert [one["user_id"] for one in found] == [str(user.id) for user in users]
    return [(one["status"], one["version"], one["last_seen_at"] is not None) for one in found]


def typing_in(asker: Any, conversation: Any) -> list[str]:
    """Who is typing, over HTTP."""
    answer = asker.get(f"/conversations/{conversation}/typing")
    assert answer.status_code == 200, answer.text
    user_ids: list[str] = answer.json()["user_ids"]
    return user_ids


def seen_typing(server: Any, user: Any, reader: Any) -> Any:
    """A group of the two, both connected, in which the reader has been told that the user is typing."""
    conversation = server.group(user, reader)
    watcher, device = reader.connect(), user.connect()
    watcher.ask(SubscribeTyping(conversation_id=conversation))
    device.send(StartTyping(conversation_id=conversation))
    assert watcher.receive().is_typing
    return conversation


@pytest.mark.parametrize("store", STORES)
def test_both_stores_answer_alike(database: str, launch: Any, store: str) -> None:
    """Presence and typing, asked over HTTP and by subscribing, at each step of a day's course."""
    server = launch(database, live_state_store=store, **NEAR)
    user, asker, stranger = server.user(20), server.user(21), server.user(22)
    conversation = server.group(user, asker)
    watcher, lookout = asker.connect(), asker.connect()
    assert presence_of(asker, user, asker) == [("offline", 0, False), ("online", 1, False)]

    device = user.connect()
    assert presence_of(asker, user) == [("online", 1, False)]
    device.ask(UpdatePresence(status="away"))
    assert presence_of(asker, user) == [("away", 2, False)]
    state = lookout.ask(SubscribePresence(user_ids=(user.id, stranger.id)))
    assert state.users == (
        PresenceEvent(user_id=user.id, status="away", version=2),
        PresenceEvent(user_id=stranger.id, status="offline", version=0),
    )

    assert watcher.ask(SubscribeTyping(conversation_id=conversation)).user_ids == ()
    for _ in range(2):
        device.send(StartTyping(conversation_id=conversation))
        assert watcher.receive().is_typing
        assert typing_in(asker, conversation) == [str(user.id)]
        assert typing_in(user, conversation) == []  # oneself excepted
        second = asker.connect()
        assert second.ask(SubscribeTyping(conversation_id=conversation)).user_ids == (user.id,)
        device.send(StopTyping(conversation_id=conversation))
        assert not watcher.receive().is_typing
        assert typing_in(asker, conversation) == []
    assert stranger.get(f"/conversations/{conversation}/typing").status_code == 404
    assert stranger.get(f"/conversations/{uuid4()}/typing").status_code == 404

    device.send(StartTyping(conversation_id=conversation))
    assert watcher.receive().is_typing
    device.close()
    assert not watcher.receive().is_typing
    assert typing_in(asker, conversation) == []
    while (gone := lookout.receive()).status != "offline":
        assert gone.version == 2  # the change before the subscription may be told after it
    assert gone.version == 3
    assert presence_of(asker, user) == [("offline", 3, True)]
    assert lookout.ask(SubscribePresence(user_ids=(user.id,))).users == (gone,)


@pytest.mark.parametrize("store", STORES)
def test_typing_expires_in_both_stores(database: str, launch: Any, store: str) -> None:
    """Refreshed, it lasts longer; then it ends without a stop."""
    server = launch(database, live_state_store=store, **NEAR, typing_expiry_seconds=1)
    user, asker = server.user(20), server.user(21)
    conversation = server.group(user, asker)
    watcher, device = asker.connect(), user.connect()
    watcher.ask(SubscribeTyping(conversation_id=conversation))
    device.send(StartTyping(conversation_id=conversation))
    assert watcher.receive().is_typing
    device.send(StartTyping(conversation_id=conversation))
    assert typing_in(asker, conversation) == [str(user.id)]
    assert not watcher.receive().is_typing
    assert typing_in(asker, conversation) == []


@pytest.mark.parametrize("store", STORES)
def test_questions_about_presence_are_bounded(database: str, launch: Any, store: str) -> None:
    """From one user to a hundred, each by an id."""
    server = launch(database, live_state_store=store)
    user = server.user(20)
    assert user.get("/presence").status_code == 400
    assert user.get("/presence", user_id="nobody").status_code == 400
    assert user.get("/presence", user_id=[str(uuid4()) for _ in range(101)]).status_code == 400
    assert user.get("/presence", user_id=[str(uuid4()) for _ in range(100)]).status_code == 200


def test_a_start_with_tables_resets_what_is_stale_and_keeps_last_seen(database: str, launch: Any) -> None:
    """A server that stops writes what waits; the next one knows when they were last seen, and that nobody is there."""
    server = launch(database, live_state_store="tables")
    user, reader = server.user(23), server.user(24)
    conversation = seen_typing(server, user, reader)
    assert server.stop() == 0
    server = launch(database, live_state_store="tables")
    asker = server.user(24)
    assert presence_of(asker, server.user(23)) == [("offline", 0, True)]
    assert typing_in(asker, conversation) == []


def test_rows_are_there_for_sql(database: str, launch: Any, user_sql: Any) -> None:
    """With tables, a member reads from SQL what the gateway tells."""
    server = launch(database, live_state_store="tables")
    user, reader = server.user(25), server.user(26)
    conversation = seen_typing(server, user, reader)
    assert typing_in(reader, conversation) == [str(user.id)]
    rows = user_sql(reader.id, "SELECT user_id FROM typing_indicators WHERE conversation_id = $1", conversation)
    assert [row["user_id"] for row in rows] == [user.id]
    assert presence_of(reader, user) == [("online", 1, False)]
    (row,) = user_sql(reader.id, "SELECT status, version FROM user_presence WHERE user_id = $1", user.id)
    assert tuple(row) == ("online", 1)
    assert server.metric("chat_live_state_writes_total", outcome="written") >= 2
    assert server.metric("chat_live_state_writes_total", outcome="refused") == 0
    for name in ("reset_presence", "write_presence", "list_presence", "write_typing", "list_typing"):
        assert server.metric("chat_statement_seconds_count", statement=name) >= 1, name


def test_memory_leaves_the_tables_as_they_are(database: str, launch: Any, user_sql: Any) -> None:
    """With SQL nobody is seen typing or present, whatever the gateway tells."""
    server = launch(database, live_state_store="memory")
    user, reader = server.user(27), server.user(28)
    conversation = seen_typing(server, user, reader)
    assert typing_in(reader, conversation) == [str(user.id)]
    assert presence_of(reader, user) == [("online", 1, False)]
    assert user_sql(reader.id, "SELECT FROM typing_indicators WHERE conversation_id = $1", conversation) == []
    assert user_sql(reader.id, "SELECT FROM user_presence WHERE user_id = $1", user.id) == []
