"""A delay on purpose is where it was put, and nowhere unless it was."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import InputError
from reference_server.frames import MessageEvent
from reference_server.injected_delay import InjectedDelay, parse_injected_delay
from reference_server.settings import Settings, settings_record

SECONDS = 0.05
Launch = Callable[..., Any]


def test_each_kind_is_read_as_it_is_written() -> None:
    """Milliseconds become seconds; a share is everybody unless it is given."""
    assert parse_injected_delay(None) is None
    assert parse_injected_delay("statement:list_messages=0.5") == InjectedDelay("statement", "list_messages", 0.0005)
    assert parse_injected_delay("fan_out=2") == InjectedDelay("fan_out", "", 0.002)
    assert parse_injected_delay("requests:/v1/conversations=1@0.25") == InjectedDelay(
        "requests", "/v1/conversations", 0.001, 0.25
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no delay"),
        ("statement:list_messages", "is no delay"),
        ("statement:no_such_statement=1", "names no statement"),
        ("statement:list_messages=1@0.5", "leave out the name or the share"),
        ("fan_outside=1", "leave out the name or the share"),
        ("requests:=1", "names no path"),
        ("requests:/v1/conversations=1@1.5", "share above 0"),
        ("requests:/v1/conversations=1@.", "share above 0"),
        ("fan_out=0", "outside 0 to"),
        ("fan_out=99999", "outside 0 to"),
    ],
)
def test_what_is_no_delay_is_refused(text: str, sentence: str) -> None:
    """By a sentence that holds what was given."""
    with pytest.raises(InputError, match=sentence) as refused:
        Settings(database_url="postgresql://", injected_delay=text)
    assert repr(text) in str(refused.value)


@given(users=st.lists(st.uuids(), min_size=1), shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)))
def test_whoever_a_small_share_meets_a_large_one_meets_too(users: list[UUID], shares: tuple[float, float]) -> None:
    """The same users always; with a share of 1, all."""
    small, large = (InjectedDelay("requests", "/", 1, share) for share in sorted(shares))
    met = {user for user in users if small.meets(user)}
    assert met <= {user for user in users if large.meets(user)}
    assert all(InjectedDelay("requests", "/", 1).meets(user) for user in users)


def test_without_one_a_server_says_none() -> None:
    """In its record, where every run has it."""
    assert settings_record(Settings(database_url="postgresql://"))["injected_delay"] is None


def test_a_statement_takes_so_much_longer(database: str, launch: Launch) -> None:
    """That one, by the server's own clock, and it says so loudly."""
    server = launch(database, injected_delay=f"statement:list_conversations={SECONDS * 1000:g}")
    server.user(1).get("/conversations").raise_for_status()
    assert server.metric("chat_statement_seconds_sum", statement="list_conversations") >= SECONDS
    (warning,) = [event for event in server.events("delay_injected") if event["level"] == "warning"]
    assert "slow on purpose" in warning["fields"]["hint"]


def test_a_route_takes_so_much_longer_for_the_users_whom_it_meets(database: str, launch: Launch) -> None:
    """Not the statement behind it, and nobody loses an answer by it."""
    share = 0.5
    server = launch(database, injected_delay=f"requests:/v1/conversations={SECONDS * 1000:g}@{share}")
    delay = InjectedDelay("requests", "/v1/conversations", SECONDS, share)
    users = [server.user(number) for number in range(20)]
    met = sum(delay.meets(user.id) for user in users)
    assert 0 < met < len(users)
    for user in users:
        user.get("/conversations").raise_for_status()
    labels = {"method": "GET", "route": "/v1/conversations"}
    assert server.metric("chat_http_request_seconds_sum", **labels) >= met * SECONDS
    assert server.http.get("/v1/conversations").status_code == 401


def test_events_come_so_much_later_and_whole(database: str, launch: Launch) -> None:
    """The event loop is kept busy before each, and each comes in its order."""
    server = launch(database, injected_delay=f"fan_out={SECONDS * 1000:g}")
    sender, recipient = server.user(20), server.user(21)
    group = server.group(sender, recipient)
    gateway = recipient.connect()
    gateway.subscribe()
    for number in range(3):
        sender.send(group, str(number))
    events = [gateway.receive() for _ in range(3)]
    assert [event.content for event in events if isinstance(event, MessageEvent)] == ["0", "1", "2"]
    assert server.events("delay_injected")[0]["fields"]["injected_delay"] == "fan_out=50"
