"""Rate limits as clients meet them; `test_rate_limits.py` has the arithmetic."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from reference_server.frames import CloseCode, ErrorEvent, PresenceUpdated, UpdatePresence


def test_requests_beyond_the_limit_are_429(database: str, launch: Any) -> None:
    """With the time to wait, for this user alone, and counted."""
    server = launch(database, requests_per_second_max=0.01, rate_burst_seconds=200)
    user, other = server.user(60), server.user(61)
    assert [user.get("/memberships").status_code for _ in range(3)] == [200, 200, 429]
    answer = user.get("/memberships")
    assert answer.json()["code"] == "too_many_requests"
    assert answer.json()["message"].startswith("at most 0.01 requests per second; come again in ")
    assert 0 < int(answer.headers["Retry-After"]) <= 100
    assert other.get("/memberships").status_code == 200
    assert server.metric("chat_rate_limited_total", what="requests") == 2


def test_sends_beyond_the_limit_are_429_and_not_stored(database: str, launch: Any) -> None:
    """Other requests go on."""
    server = launch(database, sends_per_second_max=0.01, rate_burst_seconds=200)
    user = server.user(62)
    conversation = server.group(user)
    assert [user.post_message(conversation).status_code for _ in range(3)] == [201, 201, 429]
    page = user.get(f"/conversations/{conversation}/messages").json()
    assert len(page["messages"]) == 2


def test_commands_beyond_the_limit_are_errors_then_4429(database: str, launch: Any) -> None:
    """A refused command is not carried out; refusals have the same limit, and then the connection ends."""
    server = launch(database, commands_per_second_max=0.01, rate_burst_seconds=200)
    gateway = server.user(63).connect()
    told: list[Any] = []
    with pytest.raises(ConnectionClosed) as end:
        told.extend(gateway.ask(UpdatePresence(status="away")) for _ in range(20))
    assert [type(event) for event in told] == [PresenceUpdated] * 2 + [ErrorEvent] * 3
    assert {event.code for event in told[2:]} == {"too_many"}
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == CloseCode.RATE_LIMITED
    event = server.wait_for_event("gateway_connection_closed")
    assert (event["level"], event["fields"]["code"]) == ("warning", 4429)


def test_logins_beyond_the_limit_are_429(database: str, launch: Any) -> None:
    """From one address, whether they fail or not; who is logged in goes on."""
    server = launch(database, logins_per_second_max=0.01, rate_burst_seconds=200)
    user = server.user(64)
    body = {"user_id": str(user.id), "login_key": "guess"}
    answers = [server.http.post("/v1/login", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 429, 429]
    assert answers[1].json()["message"].startswith("at most 0.01 logins per second; come again in ")
    assert 0 < int(answers[1].headers["Retry-After"]) <= 100
    assert server.metric("chat_rate_limited_total", what="logins") == 2
    assert user.get("/memberships").status_code == 200


def test_limits_are_off_and_say_so(server: Any) -> None:
    """What a run records of its server's settings is a word that a reader understands."""
    names = [f"{what}_per_second_max" for what in ("requests", "sends", "commands", "logins")]
    assert {server.record["settings"][name] for name in names} == {"off"}
