"""Counts and times every named statement, where connections execute it."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import asyncpg

from reference_server.injected_delay import InjectedDelay, pass_time
from reference_server.metrics import Metrics
from reference_server.statements import (
    live_state_statements,
    operation_statements,
    paging_statements,
    server_statements,
)

# Series of statements whose text is known only when they are executed: an index strategy's commands.
COMMANDS = ("index_build", "index_drop")


class TimedStatement(NamedTuple):
    """A statement's text with its series: looking those up by label costs more than counting in them."""

    text: str
    observe_seconds: Callable[[float], None]
    count_error: Callable[[], None]
    delay_seconds: float  # 0 but for the statement that the setting `injected_delay` names

    def saying(self, text: str) -> "TimedStatement":
        """The same series for this text: how a name of COMMANDS, which has none of its own, is executed."""
        return self._replace(text=text)

    async def execute(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """What `execute`, a connection's method, gives for the text and the arguments."""
        began = time.perf_counter()
        try:
            if self.delay_seconds:
                await pass_time(self.delay_seconds)
            return await execute(self.text, *arguments)
        except Exception:
            self.count_error()
            raise
        finally:
            self.observe_seconds(time.perf_counter() - began)


def timed_statements(metrics: Metrics, delay: InjectedDelay | None = None) -> dict[str, TimedStatement]:
    """Every named statement, whoever has the server execute it, and the COMMANDS.

    Named are the files below `sql/` that hold one statement. What opens, ends and sets up a session (`BEGIN`,
    `ROLLBACK`, `SET`) has no name.
    """
    statements = server_statements() | paging_statements() | live_state_statements() | operation_statements()
    texts = {name: statement.text for name, statement in statements.items()} | dict.fromkeys(COMMANDS, "")
    return {
        name: TimedStatement(
            text,
            metrics.statement_seconds.labels(name).observe,
            metrics.statement_errors.labels(name).inc,
            0.0 if delay is None else delay.of_statement(name),
        )
        for name, text in texts.items()
    }


class TimedConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """A connection that executes statements by their name. It is made of a class that has `statements`.

    Timing costs 1.7 µs per statement.
    """

    statements: dict[str, TimedStatement]

    async def fetch_rows(self, name: str, *arguments: Any) -> list[Any]:
        """All rows of the named statement."""
        rows: list[Any] = await self.statements[name].execute(self.fetch, *arguments)
        return rows

    async def fetch_row(self, name: str, *arguments: Any) -> Any:
        """Its first row; None when there is none."""
        return await self.statements[name].execute(self.fetchrow, *arguments)

    async def fetch_value(self, name: str, *arguments: Any) -> Any:
        """The first column of its first row; None when there is none."""
        return await self.statements[name].execute(self.fetchval, *arguments)
