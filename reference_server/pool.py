"""The pool of database connections, each acting as one user at a time.

Row-level security reads the user from the connection's claims. They are set in one place, `AppPool.as_user`, and a
connection remembers whom it acts for, so that the same user's next statement need not set them again; of those at rest,
a user gets the one that acted for them last.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from reference_server.database_watch import DatabaseWatch
from reference_server.errors import UnavailableError
from reference_server.statement_times import TimedConnection, TimedStatement
from reference_server.tokens import claims_text

# What asyncpg raises when the server is gone, going or full.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a statement met the database's farewell
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)


_ENDED_WHILE_RESTING = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


class ActingConnection(TimedConnection):
    """A connection that knows which user its claims name."""

    acting_for: UUID | None = None

    async def act_as(self, user_id: UUID) -> None:
        """Sets the claims, unless they name this user already."""
        if self.acting_for != user_id:
            self.acting_for = None  # until it is certain
            await self.fetch_value("set_claims", claims_text(user_id))
            self.acting_for = user_id


async def _leave_session(connection: ActingConnection) -> None:
    """Instead of asyncpg's RESET ALL, which costs a round trip: claims stay, and act_as replaces them."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")
        connection.acting_for = None  # claims set inside are rolled back with it


def _is_open(connection: ActingConnection) -> bool:
    """False also for one that asyncpg has taken back by itself, because the database ended it while it rested."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False


class AppPool:
    """Connections that row-level security binds."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        timeout_seconds: float,
        observe_wait: Callable[[float], None],
        watch: DatabaseWatch,
    ) -> None:
        self._pool = pool
        self._watch = watch
        self._timeout_seconds = timeout_seconds
        self._observe_wait = observe_wait
        # Connections at rest, last used first. asyncpg's own acquire and release cost a task and two shields, 60 µs
        # of a page of messages; they are gone through when somebody waits or something went wrong.
        # Each with the user whom it acts for, which one that the database has ended would not tell any more.
        self._resting: list[tuple[UUID | None, ActingConnection]] = []
        self._waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        size_min: int,
        size_max: int,
        timeout_seconds: float,
        statement_timeout_seconds: float,
        observe_wait: Callable[[float], None],
        statements: dict[str, TimedStatement],
        watch: DatabaseWatch,
    ) -> AsyncIterator["AppPool"]:
        """A pool that is closed in the end, after its connections have come back."""
        pool = await asyncpg.create_pool(
            url,
            min_size=size_min,
            max_size=size_max,
            timeout=timeout_seconds,
            connection_class=type("NamingConnection", (ActingConnection,), {"statements": statements}),
            reset=_leave_session,
            max_inactive_connection_lifetime=0,  # idle ones are kept: opening costs a hundred statements
            max_cached_statement_lifetime=0,  # a prepared statement stays prepared
            # Kept by the server: a timer of our own around every statement costs 5 % of a page of messages.
            server_settings={
                "application_name": "chatbench",
                "statement_timeout": str(int(statement_timeout_seconds * 1000)),
            },
        )
        app_pool = cls(pool, timeout_seconds, observe_wait, watch)
        try:
            yield app_pool
        finally:
            try:
                await app_pool._rest_no_more()
                await asyncio.wait_for(pool.close(), timeout_seconds)
            except CONNECTION_ERRORS:
                pool.terminate()  # the server is gone, there is nobody to say goodbye to

    @property
    def resting(self) -> int:
        """Open connections that nobody uses."""
        return len(self._resting) + int(self._pool.get_idle_size())

    @property
    def busy(self) -> int:
        """Connections in use."""
        return int(self._pool.get_size()) - self.resting

    @property
    def waiting(self) -> int:
        """Who waits for a connection."""
        return self._waiting

    def as_user(self, user_id: UUID) -> "_AsUser":
        """A connection on which every statement sees and does what this user may.

        UnavailableError when the database does not answer, while connecting or in the block.
        """
        return _AsUser(self, user_id)

    def terminate(self) -> None:
        """Ends all connections, whatever they are doing."""
        self._pool.terminate()

    async def take(self, user_id: UUID) -> ActingConnection:
        """A connection that acts as the user: one at rest that still works, or one of asyncpg's pool."""
        while self._resting:
            _, connection = self._resting.pop(self._place_for(user_id))
            if _is_open(connection):
                try:
                    await connection.act_as(user_id)
                except _ENDED_WHILE_RESTING:
                    pass  # only now is it seen: the database's farewell was on its way
                except BaseException:
                    await self._pool.release(connection)
                    raise
                else:
                    self._observe_wait(0.0)
                    return connection
            await self._pool.release(connection)
        began = time.perf_counter()
        self._waiting += 1
        try:
            acquired: ActingConnection = await self._pool.acquire(timeout=self._timeout_seconds)
        finally:
            self._waiting -= 1
        self._observe_wait(time.perf_counter() - began)
        try:
            await acquired.act_as(user_id)
        except BaseException:
            await self._pool.release(acquired)
            raise
        return acquired

    def _place_for(self, user_id: UUID) -> int:
        """Of the resting connection that acts for the user already, which saves a round trip; else of the last one."""
        for place in range(len(self._resting) - 1, -1, -1):
            if self._resting[place][0] == user_id:
                return place
        return -1

    async def give_back(self, connection: ActingConnection, *, is_clean: bool) -> None:
        """Lets it rest when it may be used as it is and nobody waits for it, else lets asyncpg's pool have it."""
        if is_clean:
            self._watch.answered()
        if is_clean and not self._waiting and not connection.is_in_transaction():
            # One that the database has ended meanwhile is found out when taken.
            self._resting.append((connection.acting_for, connection))
        else:
            await self._pool.release(connection)

    def unavailable(self, error: BaseException) -> UnavailableError | None:
        """What users are told when this error means that the database does not answer."""
        # asyncpg's InterfaceError for an argument of the wrong type is a ValueError.
        if not isinstance(error, CONNECTION_ERRORS) or isinstance(error, ValueError):
            return None
        self._watch.failed(error, self._timeout_seconds)
        return UnavailableError("the database does not answer; try again")

    async def _rest_no_more(self) -> None:
        """Gives every resting connection back, so that the pool can close."""
        while self._resting:
            await self._pool.release(self._resting.pop()[1])


class _AsUser:
    """One block of `AppPool.as_user`. A class: a generator's context manager costs four times as much."""

    __slots__ = ("_connection", "_pool", "_user_id")

    def __init__(self, pool: AppPool, user_id: UUID) -> None:
        self._pool = pool
        self._user_id = user_id

    async def __aenter__(self) -> ActingConnection:
        try:
            self._connection = await self._pool.take(self._user_id)
        except CONNECTION_ERRORS as error:
            self._raise_unavailable(error)
            raise
        return self._connection

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self._pool.give_back(self._connection, is_clean=error is None)
        except CONNECTION_ERRORS as failure:
            self._raise_unavailable(failure)
            raise
        if error is not None:
            self._raise_unavailable(error)

    def _raise_unavailable(self, error: BaseException) -> None:
        unavailable = self._pool.unavailable(error)
        if unavailable is not None:
            raise unavailable from error
