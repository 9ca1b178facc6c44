"""reference_server.server_turn: which server process has a database, while databases and servers come and go."""

import asyncio
import signal
from typing import Any

import asyncpg
import pytest

from fixtures.database import connect
from fixtures.errors import InputError
from reference_server.metrics import Metrics
from reference_server.seed import seed
from reference_server.server_turn import ServerTurn
from reference_server.statement_times import timed_statements


def is_held(server: Any, *, wanted: bool) -> None:
    """Returns when the server's metric says so."""
    server.wait_for_metric(lambda value: value == wanted, "chat_server_turn")


def test_a_crash_of_the_database_does_not_end_the_turn(own_postgres: Any, launch: Any) -> None:
    """Lost with the database and taken again with it: nobody can replace the data, and a second server says so."""
    server = launch(own_postgres.url)
    is_held(server, wanted=True)
    own_postgres.kill()
    assert server.wait_for_event("server_turn_lost")["level"] == "warning"
    assert server.metric("chat_server_turn") == 0
    own_postgres.start()
    server.wait_for_event("server_turn_taken")
    is_held(server, wanted=True)
    assert server.http.get("/readyz").status_code == 200
    with pytest.raises(InputError, match="a server is serving"):
        asyncio.run(seed(own_postgres.url, "tiny", 1))
    second = launch(own_postgres.url)
    assert len(second.events("another_server")) == 1  # both write to one file
    assert second.metric("chat_server_turn") == 0


def test_another_server_that_was_quicker_keeps_it(own_postgres: Any, launch: Any) -> None:
    """Who comes back later stands back, says so once and stays ready; when the other one stops, it has the turn."""
    first = launch(own_postgres.url)
    own_postgres.kill()
    first.wait_for_event("server_turn_lost")
    first.process.send_signal(signal.SIGSTOP)
    own_postgres.start()
    second = launch(own_postgres.url)
    is_held(second, wanted=True)
    assert second.events("another_server") == []
    first.process.send_signal(signal.SIGCONT)
    (warning,) = [first.wait_for_event("another_server")]
    assert warning["fields"]["hint"] == "its users' events do not reach ours; stop one of the two"
    assert first.metric("chat_server_turn") == 0
    assert first.http.get("/readyz").status_code == 200
    second.stop()
    is_held(first, wanted=True)
    told = [event["event"] for event in first.events("server_turn_lost", "another_server", "server_turn_taken")]
    assert told == ["server_turn_lost", "another_server", "server_turn_taken"]


def test_a_connection_that_somebody_ended_is_made_up_for(tiny_url: str, launch: Any) -> None:
    """The database is there all the time; only the session that holds the turn is gone, and comes again."""

    async def end() -> None:
        async with connect(tiny_url) as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            ended = await connection.fetch(query + "AND application_name = 'chatbench server turn'")
            assert len(ended) == 1

    server = launch(tiny_url)
    asyncio.run(end())
    server.wait_for_event("server_turn_taken")
    is_held(server, wanted=True)


def test_data_of_an_older_version_is_refused(tiny_url: str) -> None:
    """What the first attempt meets reaches whoever starts the server."""

    async def start() -> None:
        connection = await asyncpg.connect(tiny_url)
        await connection.execute("DROP VIEW chatbench.server_turn")
        await connection.close()
        async with ServerTurn.kept(tiny_url, timed_statements(Metrics())):
            pytest.fail("taken")

    with pytest.raises(InputError, match="filled by another version"):
        asyncio.run(start())
