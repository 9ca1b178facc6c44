import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import Any

import asyncpg
import pytest
from websockets.exceptions import ConnectionClosed

from reference_server.frames import CloseCode

WAIT_SECONDS = 30


def refusal(*arguments: str) -> str:
    """What a server that does not start says, as its one line; its exit code is that of bad input."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHATBENCH_")}
    command = [sys.executable, "-m", "reference_server", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, env=environment, check=False)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    return line


def test_no_database_is_refused() -> None:
    """The option and the variable are named."""
    assert refusal() == "no database named; give --database-url or set CHATBENCH_DATABASE_URL"


@pytest.mark.parametrize("option", ["--http-port", "--gateway-port"])
def test_a_port_in_use_is_refused(tiny_url: str, option: str) -> None:
    """The sentence names port and option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal("--database-url", tiny_url, option, str(port)) == (
            f"port {port} of 127.0.0.1 is in use; choose another with {option}, or 0 for any"
        )


def test_a_database_without_a_data_set_is_refused(empty_url: str) -> None:
    """The sentence names the command that fills it."""
    line = refusal("--database-url", empty_url)
    assert line.startswith(empty_url)
    assert "chatbench seed --database-url" in line


def test_a_database_that_is_not_there_is_refused(empty_url: str) -> None:
    """The sentence names the database."""
    assert '"chatbench_nowhere" does not exist' in refusal(
        "--database-url", re.sub(r"/chatbench_test_\w+", "/chatbench_nowhere", empty_url)
    )


def test_an_open_host_with_the_default_key_is_refused(database: str) -> None:
    """A server that others can reach needs a key of its own."""
    assert "--login-key" in refusal("--database-url", database, "--host", "0.0.0.0")  # noqa: S104 - the case


def test_the_key_comes_from_the_environment(database: str, launch: Any) -> None:
    """A server with another key takes that one only."""
    server = launch(database, login_key="another")
    body = {"user_id": str(server.http.get("/v1/dataset").json()["conversations"][0]["member_ids"][0])}
    assert server.http.post("/v1/login", json={**body, "login_key": "chatbench"}).status_code == 401
    assert server.http.post("/v1/login", json={**body, "login_key": "another"}).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully(database: str, launch: Any, number: int) -> None:
    """Gateway connections are closed with 1001, the exit code is 0, and the log tells nothing else."""
    server = launch(database)
    gateway = server.user(80).connect()
    gateway.subscribe()
    assert server.stop(number) == 0
    with pytest.raises(ConnectionClosed) as caught:
        gateway.receive()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (CloseCode.GOING_AWAY, "the server stops")
    told = [event["event"] for event in server.events()]
    assert [name for name in told if name != "another_server"] == ["started", "draining", "stopped"]


def test_a_second_server_of_a_database_says_so(tiny_url: str, launch: Any) -> None:
    """In one line, and serves; the first one, and one that comes when the other is gone, say nothing."""
    first = launch(tiny_url)
    assert first.events("another_server") == []
    second = launch(tiny_url)
    (warning,) = second.events("another_server")  # all three write to one file
    assert (warning["level"], "stop one of the two" in warning["fields"]["hint"]) == ("warning", True)
    assert second.http.get("/readyz").status_code == 200
    first.stop()
    second.stop()
    third = launch(tiny_url)
    assert len(third.events("another_server")) == 1


def test_a_server_that_others_can_reach_says_so(database: str, launch: Any) -> None:
    """A warning names the host; one on loopback gives none."""
    server = launch(database, host="0.0.0.0", login_key="sesame", operator_key="sesame")  # noqa: S104 - the case
    (event,) = server.events("listening_beyond_loopback")
    assert (event["level"], event["fields"]["host"]) == ("warning", "0.0.0.0")  # noqa: S104 - the same
    started = server.events("started")[0]["fields"]
    assert started["settings"]["host"] == "0.0.0.0"  # noqa: S104 - the same


def test_neither_token_nor_key_is_logged(database: str, launch: Any) -> None:
    """Not at the start, and not when a client makes them part of what is quoted."""
    server = launch(database, login_key="open sesame")
    name = server.http.get("/v1/dataset").json()["conversations"][0]["member_ids"][0]
    answer = server.http.post("/v1/login", json={"user_id": name, "login_key": "open sesame"})
    token = answer.json()["access_token"]
    websocket = server.connect()
    websocket.send(json.dumps({"t": token}))
    assert server.wait_for_event("gateway_connection_closed")["fields"]["code"] == CloseCode.BAD_FRAME
    server.http.get("/v1/memberships", params={"token": token}, headers={"Authorization": f"Bearer {token}"})
    websocket = server.connect()
    websocket.send(json.dumps({"t": "open sesame"}))
    server.stop()
    assert len(server.events("gateway_connection_closed")) == 2
    for secret in (token, token.split(".")[2], "sesame"):
        assert secret not in server.log


def test_an_unexpected_failure_tells_nothing_internal(tiny_url: str, launch: Any) -> None:
    """The client learns that it failed; what lies behind is in the log alone."""

    async def hide_messages() -> None:
        connection = await asyncpg.connect(tiny_url)
        await connection.execute("ALTER TABLE chat_messages RENAME TO hidden")
        await connection.close()

    server = launch(tiny_url)
    user = server.user(0)
    conversation = server.group(user)
    asyncio.run(hide_messages())
    answer = user.get(f"/conversations/{conversation}/messages")
    assert (answer.status_code, answer.json()) == (
        500,
        {"code": "internal", "message": "the server failed; its log has the reason"},
    )
    (event,) = server.events("request_failed")
    assert 'relation "chat_messages" does not exist' in event["exception"]
    assert event["fields"] == {"method": "GET", "path": f"/v1/conversations/{conversation}/messages", "status": 500}
    assert user.get("/memberships").status_code == 200
