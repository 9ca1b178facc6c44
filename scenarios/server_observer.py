"""Observes a chat server and its database beside the load: one line per second, and one per statement at the end.

Runs in a thread of the process that started the load generator, so that observing costs the generator nothing. It
asks the database over a connection to another database of the same cluster: its own statements are not counted.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import asyncpg
import psutil

from fixtures.database import connect, is_local
from fixtures.errors import InputError
from reference_server.statements import Statement, read_statement
from scenarios.process_usage import ProcessUsage, Usage
from scenarios.run_folder import RunFolder
from scenarios.run_records import ServerSecond, StatementTotal, part_name
from scenarios.server_metrics import EVERY_SECOND, STATEMENTS, Samples, scrape
from scenarios.workload import Row

WORKLOAD = {
    "period_seconds": Row(1, "s", "by definition: the run folder's resolution"),
    "activity_seconds": Row(0.1, "s", "guess: ten looks per second at who waits; one takes 0.5 ms of a backend"),
    "begin_poll_seconds": Row(0.05, "s", "guess: how late the measured time's beginning may be noticed"),
}
_SQL_FOLDER = Path(__file__).parent / "sql"
DATABASE_COUNTERS = read_statement(_SQL_FOLDER / "database_counters.sql")
_DATABASE_ACTIVITY = read_statement(_SQL_FOLDER / "database_activity.sql")
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


@dataclass(frozen=True)
class Subject:
    """Whom to observe; what is None is not observed."""

    http_url: str
    process_id: int | None = None  # of the chat server, on this machine
    cluster_url: str | None = None  # an administrator's, of another database in the same cluster
    database: str | None = None  # the chat server's


class ServerObserver:
    """Appends to the run folder's server.jsonl while the `with` block lasts, from the scenario's measured time on."""

    def __init__(
        self, subject: Subject, folder: RunFolder, scenario: str, *, arm: str | None = None, block: int | None = None
    ) -> None:
        self._subject = subject
        self._folder = folder
        self._of: dict[str, Any] = {"scenario": scenario, "arm": arm}
        self._part = part_name(scenario, arm, block)
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server observer", daemon=True)

    def __enter__(self) -> "ServerObserver":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._observe())
        except Exception as error:  # noqa: BLE001 - told by the thread that waits for this one
            self._failure = error

    async def _observe(self) -> None:
        async with _database(self._subject) as database:
            if not await self._measured_time_begins():
                return
            began = datetime.fromisoformat(self._folder.read_manifest().started_at)
            statements = await self._scrape(STATEMENTS)
            seconds = _Seconds(self._subject, await self._scrape(EVERY_SECOND))
            await seconds.look(database)
            try:
                while not self._stop.is_set():
                    await self._sample_activity(seconds, database)
                    await seconds.look(database)
                    seconds.scraped(await self._scrape(EVERY_SECOND))
                    second = int((datetime.now(UTC) - began).total_seconds()) - 1
                    self._folder.append_server([seconds.line(max(0, second), self._of)])
            finally:
                self._folder.append_server(list(self._totals(statements, await self._scrape(STATEMENTS))))

    async def _measured_time_begins(self) -> bool:
        """Waits until the scenario has entered its record; False when it ends without."""
        while not self._stop.is_set():
            if any(record.part == self._part for record in self._folder.read_manifest().scenarios):
                return True
            await asyncio.sleep(float(WORKLOAD["begin_poll_seconds"].value))
        return False

    async def _sample_activity(self, seconds: "_Seconds", database: "_Database | None") -> None:
        end = time.monotonic() + float(WORKLOAD["period_seconds"].value)
        while not self._stop.is_set() and time.monotonic() < end:
            await asyncio.sleep(min(float(WORKLOAD["activity_seconds"].value), max(0.0, end - time.monotonic())))
            if database is not None:
                await seconds.sample(database)

    async def _scrape(self, names: tuple[str, ...]) -> Samples | None:
        return await asyncio.to_thread(scrape, self._subject.http_url, names)

    def _totals(self, before: Samples | None, after: Samples | None) -> list[StatementTotal]:
        if before is None or after is None:
            return []
        sums, counts = (after.by_label(name) for name in STATEMENTS)
        sums_before, counts_before = (before.by_label(name) for name in STATEMENTS)
        return [
            StatementTotal(
                **self._of,
                statement=name,
                calls=int(count - counts_before.get(name, 0)),
                seconds=sums[name] - sums_before.get(name, 0),
            )
            for name, count in counts.items()
            if count > counts_before.get(name, 0)
        ]


@dataclass
class _Database:
    """The database's own account of itself."""

    connection: asyncpg.Connection
    name: str
    is_local: bool

    async def fetch(self, statement: Statement) -> list[Any]:
        """The rows of one of our statements; none when the database does not answer."""
        try:
            rows: list[Any] = await self.connection.fetch(statement.text, self.name)
        except _LOST:
            return []
        return rows


@asynccontextmanager
async def _database(subject: Subject) -> AsyncIterator[_Database | None]:
    if subject.cluster_url is None or subject.database is None:
        yield None
        return
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(connect(subject.cluster_url))
        except InputError:
            yield None  # such as too many connections: the load goes on, and its lines say that this was not observed
            return
        yield _Database(connection, subject.database, is_local(subject.cluster_url))


@dataclass
class _Seconds:
    """The counters of the look before, and what has been seen since."""

    subject: Subject
    metrics: Samples | None  # of the last scrape that was answered
    _server: ProcessUsage = field(default_factory=ProcessUsage)
    _backends: ProcessUsage = field(default_factory=ProcessUsage)
    _looked: float = field(default_factory=time.monotonic)
    _counters: dict[str, int] = field(default_factory=dict)
    _waits: Counter[str] = field(default_factory=Counter)
    _active: int = 0
    _samples: int = 0
    _pids: tuple[int, ...] = ()
    _figures: dict[str, Any] = field(default_factory=dict)  # of the second that is being put together

    async def sample(self, database: _Database) -> None:
        """One look at who works and who waits."""
        rows = await database.fetch(_DATABASE_ACTIVITY)
        if rows:
            self._pids = tuple(row["pid"] for row in rows)
            self._samples += 1
            active = [row for row in rows if row["is_active"]]
            self._active += len(active)
            self._waits.update(f"{row['wait_event_type']}: {row['wait_event']}" for row in active if row["wait_event"])

    async def look(self, database: _Database | None) -> None:
        """Everything that is read once per second, as differences to the look before."""
        now = time.monotonic()
        figures: dict[str, Any] = {"seconds": now - self._looked, "host_cpu_percent": psutil.cpu_percent()}
        self._looked = now
        if self.subject.process_id is not None:
            figures |= _named("server", self._server.look([self.subject.process_id]))
        if database is not None:
            if not self._pids:
                await self.sample(database)
            if database.is_local:
                figures |= _named("database", self._backends.look(self._pids, name="postgres"))
            rows = await database.fetch(DATABASE_COUNTERS)
            counters = dict(rows[0]) if rows else {}
            figures |= {name: counters[name] - self._counters[name] for name in counters.keys() & self._counters.keys()}
            self._counters = counters
        if self._samples:
            locks = sum(count for wait, count in self._waits.items() if wait.startswith("Lock: "))
            figures["active"] = self._active / self._samples
            figures["lock_waiting"] = locks / self._samples
            figures["waits"] = {wait: count / self._samples for wait, count in self._waits.most_common()}
        self._figures = figures
        self._waits, self._active, self._samples = Counter(), 0, 0

    def scraped(self, metrics: Samples | None) -> None:
        """What the server said of itself; nothing when it did not answer in time."""
        if metrics is None:
            return
        lag = metrics.total("chat_event_loop_lag_seconds")
        self._figures["loop_lag_ms"] = None if lag is None else lag * 1000
        self._figures["pool_waiting"] = metrics.total("chat_pool_waiting")
        before, self.metrics = self.metrics, metrics
        waits, seconds = _grown(before, metrics, EVERY_SECOND[1]), _grown(before, metrics, EVERY_SECOND[0])
        self._figures["pool_waits"] = waits
        self._figures["pool_wait_ms_sum"] = None if seconds is None else seconds * 1000

    def line(self, second: int, of: dict[str, Any]) -> ServerSecond:
        """The second that was just looked at; `of` says whose."""
        return ServerSecond(second=second, **of, **self._figures)


def _named(prefix: str, usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {f"{prefix}_cpu_percent": usage.cpu_percent, f"{prefix}_memory_bytes": usage.memory_bytes}


def _grown(before: Samples | None, after: Samples, name: str) -> float | None:
    first, last = before.total(name) if before is not None else None, after.total(name)
    return None if first is None or last is None else last - first
