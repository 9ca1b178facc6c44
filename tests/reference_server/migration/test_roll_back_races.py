"""sql/migration_copying.sql: going back while a connection is being copied, whichever of the two comes first."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

COMMAND = "SELECT phase FROM chatbench.change_migration($1)"
SEND_LEGACY = "INSERT INTO messages (connection_request_id, sender_id, content) VALUES ($1, $2, $3)"
COPYING = {  # whatever copies a connection: how it was before, and the statement
    "touch": ("accepted", "SELECT get_conversation_by_connection_id($1)"),
    "acceptance": ("pending", "UPDATE connection_requests SET status = 'accepted' WHERE id = $1"),
    "backfill": ("accepted", "SELECT conversation_id FROM chatbench.backfill_connection($1)"),
}


class Session:
    """A connection of its own, whose statement may wait while the test goes on."""

    def __init__(self, world: Any, connection: asyncpg.Connection) -> None:
        self._world = world
        self._connection = connection

    def do(self, statement: str, *arguments: Any) -> Any:
        """The first column of its first row, if there is one."""
        return self._world.run(self._connection.fetchval(statement, *arguments))

    def begin(self, statement: str, *arguments: Any) -> Callable[[], Any]:
        """Returns when the statement is over or waits for a lock; what it gives ends it, and says what `do` does."""

        async def start() -> asyncio.Future[Any]:
            begun = asyncio.ensure_future(self._connection.fetchval(statement, *arguments))
            watcher = await asyncpg.connect(self._world.url)
            waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
            async with asyncio.timeout(20):
                while not (begun.done() or await watcher.fetchval(waits, self._connection.get_server_pid())):
                    await asyncio.sleep(0.01)  # between two looks at what is waited for
            await watcher.close()
            return begun

        begun = self._world.run(start())
        return lambda: self._world.run(asyncio.wait_for(begun, 20))


@pytest.fixture
def session(world: Any) -> Iterator[Callable[..., Session]]:
    """Opens a connection: of the app role as a user, else of the administrator."""
    opened = []

    def open_one(user_id: UUID | None = None) -> Session:
        opening = asyncpg.connect(world.url) if user_id is None else world.app_connection(user_id)
        opened.append(world.run(opening))
        return Session(world, opened[-1])

    yield open_one
    for connection in opened:
        world.run(connection.close())


def open_pair(world: Any, session: Any, way: str) -> tuple[UUID, UUID, Session]:
    """A user who is asked and their connection, in a migration that runs; and the session that will have it copied."""
    status, _ = COPYING[way]
    _, other, connection = world.pair(messages=0 if status == "pending" else 30, status=status)
    world.command("start")
    return other, connection, session(None if way == "backfill" else other)


def assert_older_chat_stands_alone(world: Any, user: UUID, connection: UUID) -> None:
    """Neither the record nor the answer to its user nor a send speaks of a conversation."""
    assert world.value("SELECT phase FROM chatbench.migration_state") == "rolled_back"
    assert world.sql("SELECT FROM chatbench.migrated_connections WHERE is_current") == []
    assert world.as_user(user, COPYING["touch"][1], connection)[0][0] is None
    world.as_user(user, SEND_LEGACY, connection, user, "in the older chat alone")
    assert world.value("SELECT count(*) FROM chat_messages WHERE content = 'in the older chat alone'") == 0
    assert world.failed_checks() == set()


@pytest.mark.parametrize("command", ["abort", "roll_back"])
@pytest.mark.parametrize("way", COPYING)
def test_a_copy_under_way_is_taken_back(world: Any, session: Any, way: str, command: str) -> None:
    """Going back waits for it: it would not see what is not committed yet."""
    other, connection, copier = open_pair(world, session, way)
    holder, operator = session(), session()
    holder.do("BEGIN")
    holder.do("SELECT id FROM users WHERE id = $1 FOR UPDATE", other)  # whom a copy refers to
    copied = copier.begin(COPYING[way][1], connection)
    gone_back = operator.begin(COMMAND, command)
    holder.do("COMMIT")
    copied()
    assert gone_back() == "rolled_back"
    assert world.conversation(connection) is not None  # it had been copied
    assert_older_chat_stands_alone(world, other, connection)


@pytest.mark.parametrize("command", ["abort", "roll_back"])
@pytest.mark.parametrize("way", COPYING)
def test_who_comes_while_it_goes_back_copies_nothing(world: Any, session: Any, way: str, command: str) -> None:
    """They have seen it run, and look again when it is over."""
    other, connection, copier = open_pair(world, session, way)
    operator = session()
    operator.do("BEGIN")
    operator.do(COMMAND, command)
    copied = copier.begin(COPYING[way][1], connection)
    operator.do("COMMIT")
    assert copied() is None
    assert world.sql("SELECT FROM chatbench.migrated_connections") == []
    assert_older_chat_stands_alone(world, other, connection)


def test_a_backfill_that_has_read_ahead_rests_when_it_shall(world: Any) -> None:
    """What it was told to copy before the pause stays where it is, and is visited after it."""
    _, _, connection = world.pair(messages=3)
    world.command("start")
    world.command("pause")
    assert world.sql(COPYING["backfill"][1], connection) == []
    assert world.sql("SELECT FROM chatbench.migrated_connections") == []
    world.command("resume")
    ((conversation,),) = world.sql(COPYING["backfill"][1], connection)
    assert world.chat_rows(conversation) == world.legacy_rows(connection)


@pytest.mark.parametrize("way", ["touch", "acceptance"])
def test_who_lives_in_the_past_copies_nothing(world: Any, session: Any, way: str) -> None:
    """A transaction of REPEATABLE READ would see the migration run for ever."""
    _, connection, copier = open_pair(world, session, way)
    copier.do("BEGIN ISOLATION LEVEL REPEATABLE READ")
    copier.do("SELECT count(*) FROM connection_requests")
    world.command("roll_back")
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="READ COMMITTED"):
        copier.do(COPYING[way][1], connection)
    copier.do("ROLLBACK")
    assert world.sql("SELECT FROM chatbench.migrated_connections") == []
