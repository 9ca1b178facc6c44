"""PostgreSQL dies and comes back while the server runs: refusals that say so, then everything as before."""

import asyncio
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from fixtures.database import connect
from fixtures.postgres import EmbeddedPostgres
from reference_server.seed import seed

WAIT_SECONDS = 30


def kill(postgres: EmbeddedPostgres) -> None:
    """Ends the server at once, as a crash does: what is not in its log is lost, connections break."""
    process = psutil.Process(int((postgres.data / "postmaster.pid").read_text().splitlines()[0]))
    process.send_signal(signal.SIGQUIT)
    process.wait(WAIT_SECONDS)


async def fill(postgres: EmbeddedPostgres) -> None:
    async with connect(postgres.url("postgres")) as connection:
        await connection.execute("CREATE DATABASE chat")
    await seed(postgres.url("chat"), "tiny", 1)


def test_a_crash_of_the_database_is_told_and_survived(tmp_path: Path, launch: Any) -> None:
    """503 while it is away; afterwards every message that was promised is there, and was heard exactly once."""
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    with ExitStack() as running:
        running.enter_context(postgres)
        asyncio.run(fill(postgres))
        server = launch(postgres.url("chat"))
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
            kill(postgres)
            assert refused.wait(WAIT_SECONDS)
            answer = user.get("/conversations")
            assert (answer.status_code, answer.json()) == (
                503,
                {"code": "unavailable", "message": "the database does not answer; try again"},
            )
            assert server.http.get("/healthz").status_code == 200
            running.close()
            running.enter_context(postgres)
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
