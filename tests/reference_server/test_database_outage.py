"""PostgreSQL dies and comes back while the server runs: refusals that say so, then everything as before."""

import threading
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from reference_server.frames import CloseCode, StartTyping, SubscribePresence, SubscribeTyping, UpdatePresence

WAIT_SECONDS = 30


def test_a_crash_of_the_database_is_told_and_survived(own_postgres: Any, launch: Any) -> None:
    """503 while it is away; afterwards every message that was promised is there, and was heard exactly once."""
    server = launch(own_postgres.url)
    user, sender = server.user(0), server.user(1)
    conversation = server.group(sender, user)
    gateway = user.connect()
    gateway.subscribe()
    statuses: list[int] = []
    refused, finish = threading.Event(), threading.Event()

    def send_on() -> int:
        """Sends until told to finish, each message until it is stored; how many."""
        count = 0
        while not finish.is_set():
            client_id, status = uuid4(), 0
            while status not in (200, 201):
                status = sender.post_message(conversation, str(count + 1), client_id).status_code
                statuses.append(status)
                if status == 503:
                    refused.set()
            count += 1
        return count

    counted: list[int] = []
    thread = threading.Thread(target=lambda: counted.append(send_on()))
    thread.start()
    try:
        seqs = [gateway.receive().seq for _ in range(20)]
        own_postgres.kill()
        assert refused.wait(WAIT_SECONDS)
        answer = user.get("/conversations")
        assert (answer.status_code, answer.json()) == (
            503,
            {"code": "unavailable", "message": "the database does not answer; try again"},
        )
        assert server.http.get("/healthz").status_code == 200
        own_postgres.start()
        seqs += [gateway.receive().seq for _ in range(20)]
    finally:
        finish.set()
        thread.join(WAIT_SECONDS)
    (count,) = counted
    seqs += [gateway.receive().seq for _ in range(count - len(seqs))]
    assert seqs == list(range(1, count + 1))
    assert set(statuses) <= {200, 201, 503}
    assert user.get("/conversations").status_code == 200
    assert server.stop() == 0


def test_who_resumes_while_it_is_away_is_told_to_come_again(own_postgres: Any, launch: Any) -> None:
    """Half a replay must not look like a whole one: 1013, and the next resume has everything, once."""
    server = launch(own_postgres.url)
    user, sender = server.user(0), server.user(1)
    conversation = server.group(sender, user)
    for _ in range(3):
        sender.send(conversation)
    own_postgres.kill()
    with pytest.raises(ConnectionClosed) as caught:
        user.connect().subscribe({conversation: 1})
    assert caught.value.rcvd is not None
    told = (caught.value.rcvd.code, caught.value.rcvd.reason)
    assert told == (CloseCode.TRY_AGAIN_LATER, "the database does not answer; try again")
    own_postgres.start()
    gateway = user.connect()
    assert [event.seq for event in gateway.subscribe({conversation: 1})] == [2, 3]
    sender.send(conversation)
    assert gateway.receive().seq == 4
    assert server.stop() == 0


def test_a_crash_that_empties_the_live_tables_is_mended(own_postgres: Any, launch: Any) -> None:
    """Questions are refused while the database is away; then the unlogged rows are written anew, by themselves."""
    server = launch(own_postgres.url, live_state_store="tables", heartbeat_seconds=0.2)
    user, asker = server.user(0), server.user(1)
    conversation = server.group(user, asker)
    device, watcher = user.connect(), asker.connect()

    def presence() -> Any:
        return asker.get("/presence", user_id=str(user.id))

    assert presence().json()["users"][0]["status"] == "online"
    own_postgres.kill()
    assert presence().status_code == 503
    error = watcher.ask(SubscribePresence(user_ids=(user.id,)))
    assert (error.code, error.message) == ("unavailable", "the database does not answer; try again")
    device.ask(UpdatePresence(status="away"))  # what needs no database goes on
    own_postgres.start()
    server.wait_for_metric(lambda count: count > 0, "chat_live_state_writes_total", outcome="failed")
    written = server.metric("chat_live_state_writes_total", outcome="written")
    server.wait_for_metric(lambda count: count >= written + 2, "chat_live_state_writes_total", outcome="written")
    (answered,) = presence().json()["users"]
    assert (answered["status"], answered["version"]) == ("away", 2)
    assert watcher.ask(SubscribePresence(user_ids=(user.id,))).users[0].version == 2
    assert watcher.ask(SubscribeTyping(conversation_id=conversation)).user_ids == ()
    device.send(StartTyping(conversation_id=conversation))
    assert watcher.receive().is_typing
    assert asker.get(f"/conversations/{conversation}/typing").json()["user_ids"] == [str(user.id)]
    assert server.stop() == 0
