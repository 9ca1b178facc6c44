"""One arm of a comparison: a strategy's own database, and one session of the server's role in it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

import asyncpg

from fixtures.database import app_url, connect, redacted, settings_in_force
from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest, decode
from reference_server.statements import QUERIES_FOLDER, Statement, Strategy, read_statement
from scenarios.queries.catalog import IndexFacts, changed_columns, read_indexes, written_rows
from scenarios.queries.parameter_classes import (
    AXES,
    SQL_FOLDER,
    Case,
    Unit,
    axis_of,
    cases_in,
    claims,
    read_cases,
    units_of,
    value_text,
)
from scenarios.queries.plans import PlanSummary, summarise
from scenarios.queries.strategy_ddl import AppliedStrategy, apply

PlanMode = Literal["custom", "generic"]

# Pinned, because their choice depends on the machine and not on the strategy.
SESSION_SETTINGS = {"jit": "off", "max_parallel_workers_per_gather": "0"}


@dataclass(frozen=True)
class Executed:
    """What one execution gave."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    row_count: int  # returned or changed
    wrote: bool
    seconds: float  # of the execution alone


@dataclass(frozen=True)
class Explained:
    """One execution under EXPLAIN, by the plan that the prepared statement has."""

    document: str
    summary: PlanSummary
    plan_mode: PlanMode


class Arm:
    """A strategy laid over its own copy of the data, open for executions."""

    def __init__(
        self,
        strategy: Strategy,
        applied: AppliedStrategy,
        admin: asyncpg.Connection,
        session: asyncpg.Connection,
        policy: str | None = None,
        *,
        other_session: Callable[[], Awaitable[asyncpg.Connection]],
    ) -> None:
        self.strategy = strategy
        self.applied = applied
        self.policy = policy  # a form of row-level security in the place of the server's own
        self._admin = admin
        self._session = session
        self._other_session = other_session
        self._acting_as: UUID | None = None
        # One prepared statement for all parameter classes, as in the server's pool: they share a plan's fate.
        self._prepared: dict[str, asyncpg.prepared_stmt.PreparedStatement] = {}

    @property
    def name(self) -> str:
        """The strategy's name, with the policy's if there is one."""
        return self.strategy.name if self.policy is None else f"{self.strategy.name}+{self.policy}"

    async def server_process(self) -> tuple[int, str]:
        """The id of the server's process for this arm's session, and the database that it serves."""
        return self._session.get_server_pid(), await self._session.fetchval(_CURRENT_DATABASE.text)

    def description(self) -> dict[str, Any]:
        """What was built, for the run's record."""
        return {"purpose": self.strategy.purpose, **asdict(self.applied)}

    @asynccontextmanager
    async def taken_back(self, caller_id: UUID) -> AsyncIterator[None]:
        """A transaction as a caller, whose writes are gone at its end."""
        await self._act_as(caller_id)
        transaction = self._session.transaction()
        await transaction.start()
        try:
            yield
        finally:
            await transaction.rollback()

    async def try_out(self, unit: Unit, execution: int) -> Executed:
        """Executes once and takes it back; asyncpg.PostgresError when the statement fails."""
        await self._prepare(unit.statement)
        async with self.taken_back(unit.case.caller_id):
            return await self.within(unit, execution)

    async def within(self, unit: Unit, execution: int = 0) -> Executed:
        """Executes once in the transaction that is open, as its caller."""
        prepared = await self._prepare(unit.statement)
        arguments = unit.arguments(execution)
        started = time.perf_counter()
        rows = await prepared.fetch(*arguments)
        seconds = time.perf_counter() - started
        return Executed(
            columns=tuple(attribute.name for attribute in prepared.get_attributes()),
            rows=tuple(tuple(row) for row in rows),
            row_count=affected_rows(prepared.get_statusmsg()),
            wrote=await self._session.fetchval(_TRANSACTION_WRITES.text),
            seconds=seconds,
        )

    async def plain_rows(self, unit: Unit) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Columns and rows of a statement that every row is read for: no index and no policy has a part in it."""
        async with self._admin.transaction():
            await self._admin.execute(_PLAIN_SCANS.text)
            prepared = await self._admin.prepare(unit.statement.text)
            rows = await prepared.fetch(*unit.arguments(0))
            return tuple(attribute.name for attribute in prepared.get_attributes()), [tuple(row) for row in rows]

    async def execute(self, unit: Unit, execution: int) -> tuple[float, int]:
        """The client-side latency of one execution in µs, whose writes stay, and its rows."""
        prepared = await self._prepare(unit.statement)
        await self._act_as(unit.case.caller_id)
        arguments = unit.arguments(execution)
        started = time.perf_counter_ns()
        await prepared.fetch(*arguments)
        latency_us = (time.perf_counter_ns() - started) / 1000
        return latency_us, affected_rows(prepared.get_statusmsg())

    async def explain(self, unit: Unit, execution: int, plan_mode: PlanMode | None = None) -> Explained:
        """Executes once under EXPLAIN and takes it back; the plan mode is the session's own choice unless given."""
        prepared = await self._prepare(unit.statement)
        name = prepared.get_name()
        # EXECUTE of the driver's own prepared statement: its cached plan, and no other, is what gets explained.
        command = await self._session.fetchval(
            _EXPLAIN_COMMAND.text, name, [value_text(value) for value in unit.arguments(execution)]
        )
        async with self.taken_back(unit.case.caller_id):
            if plan_mode is not None:
                await self._session.fetchval(_FORCE_PLAN_MODE.text, plan_mode)
            generic_before = await self._session.fetchval(_PLAN_COUNTS.text, name)
            document = await self._session.fetchval(command)
            generic_after = await self._session.fetchval(_PLAN_COUNTS.text, name)
        return Explained(
            document=document,
            summary=summarise(document),
            plan_mode="generic" if generic_after > generic_before else "custom",
        )

    async def cases_in(self, name: str) -> list[Case]:
        """The cases that one of the laboratory's SQL files chooses from this arm's data."""
        return await cases_in(self._admin, name)

    async def first_unit(self, statement: Statement) -> Unit:
        """A statement with the first class of its axis; all axes are not read, which takes seconds on large data."""
        axis = axis_of(statement).name
        return units_of(statement, {**{other.name: [] for other in AXES}, axis: await self.cases_in(axis)})[0]

    async def read_cases(self) -> dict[str, list[Case]]:
        """The parameter classes that this arm's data gives, the same in every arm."""
        return await read_cases(self._admin)

    async def indexes(self) -> list[IndexFacts]:
        """What the catalog says of this arm's indexes, their size now included."""
        return await read_indexes(self._admin)

    async def changed_columns(self, unit: Unit, execution: int) -> dict[str, set[str]]:
        """Table → the columns that one execution changes in rows that are there; taken back.

        By the administrator in the caller's name: who leaves a group does not see the row that says so.
        """
        async with self._as_administrator(unit) as prepared:
            await prepared.fetch(*unit.arguments(execution))
            rows = await written_rows(self._admin)
        return await changed_columns(rows, self._admin)

    async def dataset(self) -> DatasetManifest:
        """What the data says of itself, the same in every arm."""
        return decode(await self._admin.fetchval(_DATASET.text))

    async def shared_buffers_bytes(self) -> int:
        """The server's shared_buffers."""
        size: int = await self._admin.fetchval(_SHARED_BUFFERS_BYTES.text)
        return size

    async def settings(self) -> dict[str, str]:
        """The server's settings that differ from PostgreSQL's own."""
        return await settings_in_force(self._admin)

    async def update_counts(self) -> dict[str, tuple[int, int]]:
        """Table → its updates so far in this arm, and how many of them were HOT."""
        await self._session.execute(_FLUSH_STATISTICS.text)
        rows = await self._admin.fetch(_UPDATE_COUNTS.text)
        return {row["name"]: (row["updates"], row["hot_updates"]) for row in rows}

    async def settle(self) -> None:
        """Vacuums what earlier blocks have written, so that every block begins alike."""
        await self._admin.execute("VACUUM")

    async def explain_without_policies(self, unit: Unit) -> str:
        """One execution under EXPLAIN by the administrator, whom no policy binds, taken back; its document."""
        async with self._as_administrator(unit) as prepared:
            values = [value_text(value) for value in unit.arguments(0)]
            command = await self._admin.fetchval(_EXPLAIN_COMMAND.text, prepared.get_name(), values)
            document: str = await self._admin.fetchval(command)
        return document

    async def plan_for_all_values(self, unit: Unit) -> str:
        """The generic plan of a unit's statement by the administrator: no policy is in it, and nothing is executed."""
        prepared = await self._admin.prepare(unit.statement.text)
        values = [value_text(value) for value in unit.arguments(0)]
        async with self._admin.transaction():
            await self._admin.fetchval(_FORCE_PLAN_MODE.text, "generic")
            command = await self._admin.fetchval(_EXPLAIN_UNEXECUTED_COMMAND.text, prepared.get_name(), values)
            document: str = await self._admin.fetchval(command)
        return document

    async def table_columns(self) -> dict[str, list[str]]:
        """Table → its columns."""
        return {row["table_name"]: row["columns"] for row in await self._admin.fetch(_TABLE_COLUMNS.text)}

    async def fetch_as_administrator(self, text: str) -> list[asyncpg.Record]:
        """The rows of one of the laboratory's own statements without parameters, or of a command that one has made."""
        rows: list[asyncpg.Record] = await self._admin.fetch(text)
        return rows

    @asynccontextmanager
    async def other_session(self) -> AsyncIterator[asyncpg.Connection]:
        """One more session like this arm's own, which beside it acts as nobody yet."""
        session = await self._other_session()
        try:
            yield session
        finally:
            await session.close()

    async def run_ddl(self, command: str) -> None:
        """Runs one command of a strategy as the administrator."""
        await self._admin.execute(command)

    async def drop_index(self, name: str) -> None:
        """Drops an index that a strategy has made."""
        await self._admin.execute(await self._admin.fetchval(_DROP_INDEX_COMMAND.text, name))

    async def checkpoint(self) -> None:
        """Writes everything out, for the whole cluster: no checkpoint falls into the block that follows."""
        await self._admin.execute("CHECKPOINT")

    @asynccontextmanager
    async def _as_administrator(self, unit: Unit) -> AsyncIterator[asyncpg.prepared_stmt.PreparedStatement]:
        """A unit's statement in a transaction of the administrator, whom no policy binds; taken back."""
        prepared = await self._admin.prepare(unit.statement.text)
        transaction = self._admin.transaction()
        await transaction.start()
        try:
            await self._admin.fetchval(_SET_CLAIMS.text, claims(unit.case.caller_id))
            yield prepared
        finally:
            await transaction.rollback()

    async def _prepare(self, statement: Statement) -> asyncpg.prepared_stmt.PreparedStatement:
        if statement.name not in self._prepared:
            self._prepared[statement.name] = await self._session.prepare(statement.text)
        return self._prepared[statement.name]

    async def _act_as(self, user_id: UUID) -> None:
        if user_id != self._acting_as:
            await self._session.fetchval(_SET_CLAIMS.text, claims(user_id))
            self._acting_as = user_id


@asynccontextmanager
async def open_arm(
    url: str, strategy: Strategy, statement_timeout_seconds: float, policy: Statement | None = None
) -> AsyncIterator[Arm]:
    """Lays a strategy, and a policy if there is one, over the database of an administrator's URL and opens it.

    InputError when the DDL fails.
    """
    async with connect(url) as admin:
        if not await admin.fetchval(_HAS_DATASET.text):
            raise InputError(
                f"{redacted(url)} is a copy of a database that holds no chatbench data set; "
                "fill one with: chatbench seed"
            )
        applied = await apply(admin, strategy)
        if policy is not None:
            await admin.execute(policy.text)
        await admin.execute(_AUTOVACUUM_OFF.text)
        # The statistics are the template's own, copied into every arm: each arm's own random sample would give
        # the planner other estimates, and their difference would be taken for the strategy's.
        await admin.execute("VACUUM (FREEZE, ANALYZE)" if applied.needs_statistics else "VACUUM (FREEZE)")

        async def new_session() -> asyncpg.Connection:
            return await asyncpg.connect(
                app_url(url),
                server_settings={
                    "application_name": "chatbench laboratory",
                    "statement_timeout": f"{round(statement_timeout_seconds * 1000)}ms",
                    **SESSION_SETTINGS,
                },
            )

        session = await new_session()
        policy_name = policy.name if policy is not None else None
        try:
            yield Arm(strategy, applied, admin, session, policy_name, other_session=new_session)
        finally:
            await session.close()


def affected_rows(status: str) -> int:
    """The rows of a command's status, such as `SELECT 50` or `INSERT 0 1`; 0 when it counts none."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def _own(name: str) -> Statement:
    return read_statement(SQL_FOLDER / f"{name}.sql")


_SET_CLAIMS = read_statement(QUERIES_FOLDER / "set_claims.sql")
_AUTOVACUUM_OFF = _own("autovacuum_off")
_CURRENT_DATABASE = _own("current_database")
_DATASET = _own("dataset")
_DROP_INDEX_COMMAND = _own("drop_index_command")
_EXPLAIN_COMMAND = _own("explain_command")
_EXPLAIN_UNEXECUTED_COMMAND = _own("explain_unexecuted_command")
_FLUSH_STATISTICS = _own("flush_statistics")
_FORCE_PLAN_MODE = _own("force_plan_mode")
_HAS_DATASET = _own("has_dataset")
_PLAIN_SCANS = _own("plain_scans")
_PLAN_COUNTS = _own("plan_counts")
_SHARED_BUFFERS_BYTES = _own("shared_buffers_bytes")
_TABLE_COLUMNS = _own("table_columns")
_TRANSACTION_WRITES = _own("transaction_writes")
_UPDATE_COUNTS = _own("update_counts")
