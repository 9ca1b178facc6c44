from typing import Any

import asyncpg
import pytest

from reference_server.database_watch import DatabaseWatch


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    """The events so far: name and fields."""
    caplog.set_level("INFO", "reference_server")
    return lambda: [(record.message, record.__dict__["fields"]) for record in caplog.records]


def test_a_loss_and_a_return_are_told_once(told: Any) -> None:
    """However many statements fail and succeed in between."""
    now = [0.0]
    watch = DatabaseWatch(lambda: now[0])
    watch.answered()
    for _ in range(3):
        watch.failed(ConnectionResetError("gone"), 10)
    assert watch.is_lost
    now[0] = 2.5
    watch.answered()
    watch.answered()
    assert not watch.is_lost
    assert told() == [
        ("database_lost", {"reason": "ConnectionResetError: gone"}),
        ("database_back", {"lost_seconds": 2.5}),
    ]


def test_a_statement_that_takes_too_long_is_no_loss(told: Any) -> None:
    """The database ended it, so it answers."""
    watch = DatabaseWatch()
    watch.failed(asyncpg.QueryCanceledError("statement timeout"), 10)
    assert not watch.is_lost
    assert told() == []


def test_a_busy_pool_is_no_loss() -> None:
    """Waiting in vain for a connection is a loss only when nobody was answered meanwhile."""
    now = [0.0]
    watch = DatabaseWatch(lambda: now[0])
    now[0] = 9.0
    watch.failed(TimeoutError(), 10)
    assert not watch.is_lost
    now[0] = 10.0
    watch.failed(TimeoutError(), 10)
    assert watch.is_lost
