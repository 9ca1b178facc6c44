import asyncio
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fixtures.database import database_name
from fixtures.identifiers import user_id
from fixtures.postgres import EmbeddedPostgres
from scenarios.local_target import LocalTarget, Target
from scenarios.provenance import new_manifest
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord, ServerLine, ServerSecond, StatementTotal
from scenarios.server_metrics import parse_samples
from scenarios.server_observer import ServerObserver, Subject

PATIENCE_SECONDS = 60


@pytest.fixture
def target(tiny_url: str, tmp_path: Path) -> Iterator[Target]:
    with LocalTarget(tiny_url, "chatbench", tmp_path / "server.log") as running:
        yield running


@pytest.fixture
def subject(target: Target, postgres: EmbeddedPostgres, tiny_url: str) -> Subject:
    return Subject(target.http_url, target.process_id, postgres.url("postgres"), database_name(tiny_url))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write_manifest(new_manifest(run_id="run", title="fanout", seed=1, options={}))
    return folder


def begin(folder: RunFolder) -> None:
    """What a generator does when its measured time begins."""
    manifest = folder.read_manifest()
    manifest.scenarios = [ScenarioRecord(name="fanout", options={}, started_second=0, seconds=0)]
    folder.write_manifest(manifest)


def seconds_of(folder: RunFolder) -> list[ServerSecond]:
    return [line for line in folder.read_server() if isinstance(line, ServerSecond)]


def wait_for(folder: RunFolder, shown: Callable[[list[ServerSecond]], bool], meanwhile: Callable[[], object]) -> None:
    """Goes on until the observer has written what is expected."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not shown(seconds_of(folder)):
        assert time.monotonic() < deadline, list(folder.read_server())
        meanwhile()


def call(target: Target, path: str, token: str | None = None, **body: object) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(f"{target.http_url}/v1{path}", data, headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def test_load_shows_in_every_figure(subject: Subject, target: Target, folder: RunFolder) -> None:
    """CPU, memory, pool, WAL, buffers and commits of a server that stores messages; its statements by name."""
    token = call(target, "/login", user_id=str(user_id(1, 3)), login_key="chatbench")["access_token"]
    others = [str(user_id(1, number)) for number in (4, 5)]
    group = call(target, "/conversations/group", token, name="x", user_ids=others)["conversation"]["id"]
    sent = 0

    def send() -> None:
        nonlocal sent
        client_id = f"00000000-0000-0000-0000-{sent:012d}"
        call(target, f"/conversations/{group}/messages", token, content="hello", client_id=client_id)
        sent += 1

    with ServerObserver(subject, folder, "fanout"):
        begin(folder)
        wait_for(folder, lambda lines: any(line.pool_waits for line in lines), send)  # its first look is taken
        counted = sent
        for _ in range(20):
            send()
        wait_for(folder, lambda lines: sum(line.commits or 0 for line in lines) >= 20 and len(lines) >= 3, send)
    lines = seconds_of(folder)
    assert sum(line.pool_waits or 0 for line in lines) >= 20
    assert sum(line.wal_bytes or 0 for line in lines) > 20 * 100
    assert sum(line.buffers_hit or 0 for line in lines) > 0
    assert max(line.server_cpu_percent or 0 for line in lines) > 0
    assert max(line.database_cpu_percent or 0 for line in lines) > 0
    for line in lines:
        assert line.scenario == "fanout"
        assert line.server_memory_bytes is not None
        assert line.server_memory_bytes > 10 * 2**20
        assert line.database_memory_bytes is not None
        assert line.host_cpu_percent is not None
        assert line.pool_wait_ms_sum is None or line.pool_wait_ms_sum >= 0
        assert line.seconds > 0
    totals = {line.statement: line for line in folder.read_server() if isinstance(line, StatementTotal)}
    assert sent - counted <= totals["send_message"].calls <= sent
    assert totals["send_message"].seconds > 0
    assert "list_conversations" not in totals


def test_a_lock_that_is_waited_for_is_seen(subject: Subject, folder: RunFolder, tiny_url: str) -> None:
    """A backend that waits for another's row lock counts, under the event's own name."""

    async def blocked() -> None:
        holder, waiter = await asyncpg.connect(tiny_url), await asyncpg.connect(tiny_url)
        lock = "SELECT pg_advisory_lock(77)"
        await holder.execute(lock)
        waiting = asyncio.create_task(waiter.execute(lock))
        await asyncio.to_thread(
            wait_for, folder, lambda lines: any((line.lock_waiting or 0) > 0.5 for line in lines), lambda: None
        )
        await holder.execute("SELECT pg_advisory_unlock(77)")
        await waiting
        await holder.close()
        await waiter.close()

    with ServerObserver(subject, folder, "fanout"):
        begin(folder)
        asyncio.run(blocked())
    assert any(line.waits.get("Lock: advisory", 0) > 0.5 for line in seconds_of(folder))


def test_nothing_is_written_before_the_measured_time(subject: Subject, folder: RunFolder) -> None:
    """A generator that ends without measuring leaves no line."""
    with ServerObserver(subject, folder, "fanout"):
        pass
    assert list(folder.read_server()) == []


def test_a_server_that_does_not_answer_costs_its_own_figures_only(folder: RunFolder) -> None:
    """What cannot be observed is None; the rest is there."""
    with ServerObserver(Subject("http://127.0.0.1:1", os.getpid()), folder, "fanout"):
        begin(folder)
        wait_for(folder, lambda lines: len(lines) >= 2, lambda: None)
    lines: list[ServerLine] = list(folder.read_server())
    for line in lines:
        assert isinstance(line, ServerSecond)
        assert line.server_cpu_percent is not None
        assert (line.pool_waits, line.wal_bytes, line.database_cpu_percent, line.active) == (None, None, None, None)


def test_a_database_that_refuses_costs_its_own_figures_only(folder: RunFolder) -> None:
    """The load goes on unobserved there; nothing is raised."""
    refusing = Subject("http://127.0.0.1:1", os.getpid(), "postgresql://me@127.0.0.1:1/postgres", "chat")
    with ServerObserver(refusing, folder, "fanout"):
        begin(folder)
        wait_for(folder, lambda lines: len(lines) >= 1, lambda: None)
    line = seconds_of(folder)[0]
    assert line.server_cpu_percent is not None
    assert (line.commits, line.active) == (None, None)


def test_samples_are_read_by_name_and_first_label() -> None:
    """Other series, comments and further labels are passed over."""
    text = (
        "# HELP a_total x\n# TYPE a_total counter\n"
        'a_total{kind="x",more="z"} 2.0\na_total{kind="y"} 3e0\nb 0.5\nc{le="1"} 9\n'
    )
    samples = parse_samples(text, ("a_total", "b"))
    assert samples.by_label("a_total") == {"x": 2.0, "y": 3.0}
    assert (samples.total("a_total"), samples.total("b"), samples.total("c")) == (5.0, 0.5, None)
