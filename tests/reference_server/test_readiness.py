"""Readiness differs from liveness: it turns with the database and with the server's stop."""

import asyncio
import os
import signal
from typing import Any

import pytest

from fixtures.identifiers import user_id
from reference_server.database_watch import DatabaseWatch
from reference_server.errors import DrainingError, UnavailableError
from reference_server.readiness import Readiness


class Probe:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self) -> None:
        """Answers, or fails."""
        self.asked += 1
        await self.may_answer.wait()
        if self.answer is not None:
            raise self.answer


async def checks(readiness: Readiness, count: int) -> list[BaseException | None]:
    """What so many who ask at once are told."""
    return await asyncio.gather(*(readiness.check() for _ in range(count)), return_exceptions=True)


def test_a_fresh_answer_to_anybody_is_enough() -> None:
    """Under load the database is not asked in addition."""

    async def main() -> None:
        now, probe = [0.0], Probe()
        watch = DatabaseWatch(lambda: now[0])
        readiness = Readiness(watch, probe, lambda: False)
        await readiness.check()
        assert probe.asked == 0
        now[0] = 1.0
        await readiness.check()
        assert probe.asked == 1

    asyncio.run(main())


def test_one_probe_serves_all_who_ask() -> None:
    """A crowd of probes is no load on the database, and all are told the same."""

    async def main() -> None:
        now, probe = [0.0], Probe()
        readiness = Readiness(DatabaseWatch(lambda: now[0]), probe, lambda: False)
        now[0] = 1.0
        probe.answer = UnavailableError("away")
        assert [str(told) for told in await checks(readiness, 100)] == ["away"] * 100
        assert probe.asked == 1

    asyncio.run(main())


def test_a_database_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes in bounded time; the probe is left to itself and asked no second time."""
    monkeypatch.setattr("reference_server.readiness.PROBE_SECONDS", 0.01)

    async def main() -> None:
        now, probe = [0.0], Probe()
        readiness = Readiness(DatabaseWatch(lambda: now[0]), probe, lambda: False)
        now[0] = 1.0
        probe.may_answer.clear()
        for _ in range(2):
            with pytest.raises(UnavailableError, match=r"has not answered for 0\.01 s"):
                await readiness.check()
        assert probe.asked == 1
        probe.may_answer.set()
        await readiness.check()

    asyncio.run(main())


def test_draining_comes_before_everything() -> None:
    """A server that stops is not ready, however well its database is."""

    async def main() -> None:
        readiness = Readiness(DatabaseWatch(), Probe(), lambda: True)
        with pytest.raises(DrainingError, match="draining"):
            await readiness.check()

    asyncio.run(main())


def test_a_lost_database_turns_readiness_and_is_logged_once(own_postgres: Any, launch: Any) -> None:
    """503 while it is away, whatever liveness says; the log tells the loss and the return, each once."""
    server = launch(own_postgres.url)
    ready = server.http.get("/readyz")
    assert (ready.status_code, ready.text) == (200, "ready")
    own_postgres.kill()
    user_answer = server.http.post("/v1/login", json={"user_id": str(user_id(1, 0)), "login_key": "chatbench"})
    assert user_answer.status_code == 503
    for _ in range(3):
        answer = server.http.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert server.http.get("/healthz").status_code == 200
    assert server.metric("chat_database_up") == 0
    own_postgres.start()
    assert server.http.get("/readyz").status_code == 200
    assert server.metric("chat_database_up") == 1
    told = [(event["event"], event["level"]) for event in server.events("database_lost", "database_back")]
    assert told == [("database_lost", "error"), ("database_back", "warning")]


def test_a_database_that_does_not_move_turns_readiness(own_postgres: Any, launch: Any) -> None:
    """Stopped in its tracks it neither answers nor hangs up; the server notices by its own clock."""
    server = launch(own_postgres.url, shutdown_seconds=1)
    main = own_postgres.main_process
    everyone = [main, *main.children(recursive=True)]
    server.http.get("/readyz")
    try:
        for process in everyone:
            os.kill(process.pid, signal.SIGSTOP)
        while (answer := server.http.get("/readyz")).status_code == 200:
            pass  # answered from what was fresh
        assert answer.json()["message"] == "the database has not answered for 1 s"
    finally:
        for process in everyone:
            os.kill(process.pid, signal.SIGCONT)
    while server.http.get("/readyz").status_code != 200:
        pass
