"""A strategy's indexes built and dropped while the chat goes on: CONCURRENTLY, one at a time, nothing half made left.

What is there is kept, what is missing is built, and what an interrupted build left is dropped first. An interrupted
build leaves an index that is `invalid`: every write maintains it and no read uses it.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from fixtures.database import connect
from fixtures.errors import InputError
from reference_server import logs
from reference_server.errors import ConflictError, UnavailableError
from reference_server.pool import CONNECTION_ERRORS
from reference_server.sole_work import Turn, sole_turn
from reference_server.statement_times import TimedStatement
from reference_server.statements import Strategy, shortened

_log = logging.getLogger(__name__)

_ABANDONED_WAIT_SECONDS = 5.0  # longer than a killed server's build takes to notice
_ABANDONED_POLL_SECONDS = 0.1
# A build ends soon after the server that ordered it died. Not on every platform: refused where it cannot be watched.
_NOTICE_DEATH = "SET client_connection_check_interval = '1s'"
# Set here, whatever the administrator's role has: builds wait for others, and as long as it takes.
_NO_TIMEOUTS = "SET statement_timeout = 0; SET lock_timeout = 0"

_COMMAND = re.compile(
    r'CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(IF\s+NOT\s+EXISTS\s+)?(?P<name>[a-z_][a-z0-9_]*|"[^"]+")\s+ON\s',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class IndexState:
    """One index that is there."""

    name: str
    is_valid: bool  # False: left by an interrupted build or drop, or being built
    bytes: int
    definition: str
    is_being_built: bool


@dataclass(frozen=True)
class BuildProgress:
    """How far PostgreSQL is with one build."""

    index: str | None  # None before it has a name
    phase: str  # PostgreSQL's words
    lockers_done: int  # transactions that had to end first
    lockers_total: int
    blocks_done: int
    blocks_total: int
    tuples_done: int
    tuples_total: int


@dataclass(frozen=True)
class Step:
    """One command on one index."""

    action: Literal["drop", "build"]
    index: str
    command: str


OnStep = Callable[[Step | None], None]


def nothing_told(_step: Step | None) -> None:
    """For callers that need not know."""


def index_commands(strategy: Strategy) -> dict[str, str]:
    """The strategy's commands by the name of their index; InputError when one is no concurrent build."""
    commands = {}
    for command in strategy.commands:
        match = _COMMAND.match(command)
        if match is None:
            raise InputError(
                f"index strategy {strategy.name!r} cannot be laid over a live system for {shortened(command)!r}; "
                "make it of CREATE INDEX CONCURRENTLY name ON … commands"
            )
        name = match["name"]
        commands[name[1:-1] if name.startswith('"') else name.lower()] = command
    return commands


def steps_to_apply(commands: Mapping[str, str], states: Mapping[str, IndexState]) -> list[Step]:
    """What makes every index of the commands be there and valid, and no more than that."""
    steps = []
    for name, command in commands.items():
        state = states.get(name)
        if state is None or not state.is_valid:
            if state is not None:
                steps.append(_drop_step(name))
            steps.append(Step("build", name, command))
    return steps


def steps_to_drop(commands: Mapping[str, str], states: Mapping[str, IndexState]) -> list[Step]:
    """What makes no index of the commands be there, last one first."""
    return [_drop_step(name) for name in reversed(list(commands)) if name in states]


def _drop_step(name: str) -> Step:
    return Step("drop", name, f'DROP INDEX CONCURRENTLY IF EXISTS public."{name}"')


class IndexBuilds:
    """The index work on one database; each piece has connections of its own."""

    def __init__(self, url: str, statements: Mapping[str, TimedStatement]) -> None:
        self._url = url
        self._statements = statements

    async def apply(self, strategy: Strategy, on_step: OnStep = nothing_told) -> list[Step]:
        """Builds what is missing of the strategy's indexes; the steps that were taken.

        `on_step` hears None when the work is ours to begin, then every step before it is taken. Cancelled, it leaves
        no invalid index. ConflictError while somebody else builds or when a build fails, UnavailableError when the
        database ends it; then the next `apply` clears up.
        """
        return await self._work(strategy, steps_to_apply, on_step)

    async def drop(self, strategy: Strategy, on_step: OnStep = nothing_told) -> list[Step]:
        """Drops the strategy's indexes, also other strategies' of the same names; otherwise as `apply`."""
        return await self._work(strategy, steps_to_drop, on_step)

    async def states(self, names: list[str]) -> dict[str, IndexState]:
        """Those of the named indexes that are there."""
        async with _connected(self._url) as connection:
            return await self._states(connection, names)

    async def progress(self) -> list[BuildProgress]:
        """How far every index build of the database is, whoever ordered it."""
        async with _connected(self._url) as connection:
            return [BuildProgress(*row) for row in await self._statements["index_progress"].execute(connection.fetch)]

    async def _work(
        self,
        strategy: Strategy,
        plan: Callable[[Mapping[str, str], Mapping[str, IndexState]], list[Step]],
        on_step: OnStep,
    ) -> list[Step]:
        commands = index_commands(strategy)
        try:
            async with (
                _building(self._url) as connection,
                sole_turn(self._url, self._statements["take_index_turn"], "chatbench index turn") as turn,
            ):
                if turn is None:
                    raise ConflictError("another index build of this database is under way; try again when it is done")
                states = await self._states_at_rest(connection, list(commands))
                on_step(None)
                steps = plan(commands, states)
                for step in steps:
                    _require_turn(turn)
                    on_step(step)
                    await self._take(connection, step)
                return steps
        except InputError as error:  # the database was good enough for the server to start
            raise ConflictError(str(error)) from error
        except CONNECTION_ERRORS as error:
            raise UnavailableError(
                f"the database ended the work on index strategy {strategy.name!r}; "
                "try again, and what is half made goes"
            ) from error
        except asyncpg.PostgresError as error:
            raise ConflictError(f"index strategy {strategy.name!r} fails: {' '.join(str(error).split())}") from error

    async def _states_at_rest(self, connection: asyncpg.Connection, names: list[str]) -> dict[str, IndexState]:
        """The indexes that are there, once none of them is being built.

        A killed server's build outlives its turn a little.
        ConflictError when one goes on being built: by hand, since whoever has the turn is us.
        """
        deadline = asyncio.get_running_loop().time() + _ABANDONED_WAIT_SECONDS
        while True:
            states = await self._states(connection, names)
            building = [state.name for state in states.values() if state.is_being_built]
            if not building:
                return states
            if asyncio.get_running_loop().time() > deadline:
                raise ConflictError(f"somebody else is building {building[0]}; try again when it is done")
            await asyncio.sleep(_ABANDONED_POLL_SECONDS)

    async def _take(self, connection: asyncpg.Connection, step: Step) -> None:
        try:
            await self._execute(connection, step)
        except BaseException:
            # Also when cancelled: asyncpg has told PostgreSQL, and the next command waits until it has heard.
            if step.action == "build":
                clearing = asyncio.ensure_future(self._clear_up(connection, step.index))
                await asyncio.shield(clearing)
            raise

    async def _clear_up(self, connection: asyncpg.Connection, name: str) -> None:
        with contextlib.suppress(*CONNECTION_ERRORS, asyncpg.PostgresError):  # then the next apply does it
            states = await self._states(connection, [name])
            if name in states and not states[name].is_valid:
                await self._execute(connection, _drop_step(name))
                logs.event(_log, logging.INFO, "index_cleaned_up", index=name)

    async def _execute(self, connection: asyncpg.Connection, step: Step) -> None:
        await self._statements[f"index_{step.action}"].saying(step.command).execute(connection.execute)

    async def _states(self, connection: asyncpg.Connection, names: list[str]) -> dict[str, IndexState]:
        rows: list[Any] = await self._statements["index_states"].execute(connection.fetch, names)
        return {row["name"]: IndexState(*row) for row in rows}


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """An administrator's connection; UnavailableError when there is none to be had."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(connect(url))
        except InputError as error:  # the URL was good when the server started
            raise UnavailableError("the database does not answer; try again") from error
        yield connection


@asynccontextmanager
async def _building(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that changes indexes, outside transactions as CONCURRENTLY needs."""
    async with _connected(url) as connection:
        await connection.execute(_NO_TIMEOUTS)
        with contextlib.suppress(asyncpg.InvalidParameterValueError):
            await connection.execute(_NOTICE_DEATH)
        yield connection


def _require_turn(turn: Turn) -> None:
    if not turn.is_held:
        raise UnavailableError("the database ended the right to change indexes; try again for what is left")
