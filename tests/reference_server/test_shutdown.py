"""A stop that finishes what was begun: nothing that was acknowledged is lost, and nothing waits for ever."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from reference_server.frames import CloseCode
from reference_server.shutdown import Shutdown

WAIT_SECONDS = 20


@contextmanager
def locked(database: str, conversation: UUID) -> Iterator[None]:
    """Sends to the conversation cannot end while the block lasts."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database))
        runner.run(connection.execute("BEGIN"))
        runner.run(connection.execute("SELECT FROM conversations WHERE id = $1 FOR UPDATE", conversation))
        try:
            yield
        finally:
            runner.run(connection.close())


def stored(administrator_sql: Any, conversation: UUID) -> list[str]:
    """The client ids of the conversation's messages, in the order of their seqs."""
    rows = administrator_sql(
        "SELECT client_id FROM chat_messages WHERE conversation_id = $1 ORDER BY seq", conversation
    )
    return [str(row["client_id"]) for row in rows]


def test_sends_under_way_are_answered_delivered_and_stored_once(
    database: str, launch: Any, administrator_sql: Any
) -> None:
    """SIGTERM meets sends that wait for the database: each is answered, heard before the goodbye, and stored once."""
    server = launch(database, shutdown_seconds=WAIT_SECONDS)
    sender, reader = server.user(30), server.user(31)
    conversation = server.group(sender, reader)
    gateway = reader.connect()
    gateway.subscribe()
    client_ids = [uuid4() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        with locked(database, conversation):
            answers = [threads.submit(sender.post_message, conversation, "x", each) for each in client_ids]
            server.wait_for_metric(lambda value: value == 8, "chat_sends_under_way")
            server.wait_for_metric(lambda value: value == 7, "chat_turns_waiting")
            server.process.send_signal(signal.SIGTERM)
            draining = server.wait_for_event("draining")
            assert (draining["fields"]["sends"], draining["fields"]["gateway_connections"]) == (8, 1)
            with suppress(httpx.TransportError):  # an accepted connection is hung up on, a later one is refused
                while server.http.get("/healthz").status_code == 200:
                    pass
        assert [answer.result().status_code for answer in answers] == [201] * 8
    assert [gateway.receive().seq for _ in range(8)] == list(range(1, 9))
    with pytest.raises(ConnectionClosed) as end:
        gateway.receive()
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == CloseCode.GOING_AWAY
    assert server.wait() == 0
    assert sorted(stored(administrator_sql, conversation)) == sorted(map(str, client_ids))


def test_nothing_acknowledged_is_lost(database: str, launch: Any, administrator_sql: Any) -> None:
    """Senders at full speed when SIGTERM comes: what was answered is stored, once, and all of it was heard."""
    server = launch(database)
    sender, reader = server.user(32), server.user(33)
    conversation = server.group(sender, reader)
    gateway = reader.connect()
    gateway.subscribe()
    acknowledged: list[str] = []
    seqs: list[int] = []
    enough = threading.Event()

    def send_on() -> None:
        with suppress(httpx.TransportError):
            while True:
                client_id = uuid4()
                answer = sender.post_message(conversation, "x", client_id)
                assert answer.status_code == 201
                acknowledged.append(str(client_id))
                if len(acknowledged) > 50:
                    enough.set()

    def hear() -> int:
        """Everything until the goodbye; its code."""
        try:
            while True:
                seqs.append(gateway.receive().seq)
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd is not None else 0

    with ThreadPoolExecutor(9) as threads:
        hearing = threads.submit(hear)
        sending = [threads.submit(send_on) for _ in range(8)]
        assert enough.wait(WAIT_SECONDS)
        assert server.stop() == 0
        for each in sending:
            each.result()
        assert hearing.result() == CloseCode.GOING_AWAY
    held = stored(administrator_sql, conversation)
    assert len(set(held)) == len(held)
    assert set(acknowledged) <= set(held)
    assert seqs == list(range(1, len(held) + 1))


def test_readiness_turns_before_anything_else_does(database: str, launch: Any) -> None:
    """During the notice, new requests and gateway connections are still served."""
    server = launch(database, drain_notice_seconds=WAIT_SECONDS)
    user = server.user(34)
    assert server.http.get("/readyz").status_code == 200
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_event("draining")
    answer = server.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"code": "draining", "message": "the server is draining: it finishes what it has begun, and stops"},
    )
    assert server.http.get("/healthz").status_code == 200
    assert user.send(server.group(user))["seq"] == 1
    user.connect().close()
    server.process.send_signal(signal.SIGTERM)  # the rest of the notice is not waited for
    assert server.wait() == 0
    assert server.events("stopped")[0]["fields"] == {"at_once": True}


def test_a_second_signal_ends_at_once(database: str, launch: Any, administrator_sql: Any) -> None:
    """Whatever still waits is told that it was not done; the exit is clean."""
    server = launch(database, shutdown_seconds=3600)
    sender = server.user(35)
    conversation = server.group(sender)
    sender.connect()
    with ThreadPoolExecutor(1) as threads, locked(database, conversation):
        answer = threads.submit(sender.post_message, conversation)
        server.wait_for_metric(lambda value: value == 1, "chat_sends_under_way")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("draining")
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        assert (answer.result().status_code, answer.result().json()["code"]) == (503, "draining")
    # PostgreSQL may have got as far as storing it: what was not acknowledged is to be sent again.
    assert len(stored(administrator_sql, conversation)) <= 1
    assert "exception" not in server.log, server.log


def test_patience_ends(database: str, launch: Any, administrator_sql: Any) -> None:
    """A send that cannot end within the time is not acknowledged, and the process ends all the same."""
    server = launch(database, shutdown_seconds=0.3)
    sender = server.user(36)
    conversation = server.group(sender)
    with ThreadPoolExecutor(1) as threads, locked(database, conversation):
        answer = threads.submit(sender.post_message, conversation)
        server.wait_for_metric(lambda value: value == 1, "chat_sends_under_way")
        assert server.stop() == 0
        assert (answer.result().status_code, answer.result().json()["code"]) == (503, "draining")
    assert server.events("requests_cut_off")[0]["fields"] == {"count": 1}
    # PostgreSQL may have got as far as storing it: what was not acknowledged is to be sent again.
    assert len(stored(administrator_sql, conversation)) <= 1
    assert "exception" not in server.log, server.log


def test_finish_tells_whether_the_work_ended() -> None:
    """Within the time: yes, and its error is raised; beyond, or after a second signal: no, and it is cancelled."""

    async def main() -> None:
        shutdown = Shutdown()
        assert await shutdown.finish(asyncio.sleep(0), 10)
        with pytest.raises(ZeroDivisionError):
            await shutdown.finish(_fail(), 10)
        waiting = asyncio.ensure_future(asyncio.Event().wait())
        assert not await shutdown.finish(waiting, 0.01)
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        shutdown.ask()
        assert (shutdown.is_draining, shutdown.is_hurried) == (True, False)
        shutdown.ask()
        assert not await shutdown.finish(asyncio.Event().wait(), 3600)

    asyncio.run(main())


async def _fail() -> None:
    raise ZeroDivisionError
