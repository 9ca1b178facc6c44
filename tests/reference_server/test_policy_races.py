"""With SQL in hand and several sessions: waiting, seeing the past and borrowing triggers open nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from fixtures.database import app_url

SEND = "INSERT INTO chat_messages (conversation_id, sender_id, content, client_id) VALUES ($1, $2, 'x', $3)"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO chat_messages%'"
)


@pytest.fixture
def people(server: Any) -> list[Any]:
    """An owner, and three others."""
    return [server.user(index) for index in range(80, 84)]


@asynccontextmanager
async def session(url: str, user: UUID | None = None) -> AsyncIterator[asyncpg.Connection]:
    """A session of the app role that acts as a user; the administrator's without one."""
    connection = await asyncpg.connect(url if user is None else app_url(url))
    try:
        if user is not None:
            claims = json.dumps({"sub": str(user), "role": "authenticated"})
            await connection.execute("SELECT set_config('request.jwt.claims', $1, false)", claims)
        yield connection
    finally:
        await connection.close()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_a_send_that_waits_for_its_sender_s_removal_is_refused(
    server: Any, database: str, administrator_sql: Any, people: list[Any]
) -> None:
    """It began while they were in; when its turn comes, they are not."""
    owner, member, *_ = people
    group = server.group(owner, member)

    async def scenario() -> None:
        async with session(database, owner.id) as removing, session(database, member.id) as sending:
            transaction = removing.transaction()
            await transaction.start()
            await removing.execute("SELECT chatbench.remove_participant($1, $2)", group, member.id)
            send = asyncio.create_task(sending.execute(SEND, group, member.id, uuid4()))
            async with session(database) as administrator:
                while not await administrator.fetchval(WAITING):
                    await asyncio.sleep(0)
            await transaction.commit()
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await send

    run(scenario)
    assert administrator_sql("SELECT FROM chat_messages WHERE conversation_id = $1", group) == []


@pytest.mark.parametrize("act", ["SELECT chatbench.leave_group($1)", "SELECT chatbench.add_participant($1, $2)"])
def test_nobody_decides_by_the_past(server: Any, database: str, people: list[Any], act: str) -> None:
    """A transaction that sees a group as it was before a change of it cannot change it."""
    owner, second, member, stranger = people
    group = server.group(owner, second, member)
    for role in ("admin", "owner"):
        path = f"/conversations/{group}/participants/{second.id}/role"
        assert owner.request("PUT", path, role=role).status_code == 204

    async def scenario() -> None:
        async with session(database, second.id) as late, late.transaction(isolation="repeatable_read"):
            await late.fetch("SELECT FROM conversations")
            assert owner.request("POST", f"/conversations/{group}/leave").status_code == 204
            with pytest.raises(asyncpg.SerializationError):
                await late.execute(act, group, *([stranger.id] if "$2" in act else []))
            raise _UndoneError

    with pytest.raises(_UndoneError):
        run(scenario)


class _UndoneError(Exception):
    """Ends a transaction that has failed already."""


def test_a_trigger_of_one_s_own_moves_no_watermark_back(server: Any, database: str, people: list[Any]) -> None:
    """Inside it, the bounds hold as outside."""
    owner, member, *_ = people
    group = server.group(owner, member)
    owner.send(group)

    async def scenario() -> None:
        async with session(database, member.id) as mine:
            await mine.execute("CREATE TEMPORARY TABLE mine (wanted bigint)")
            await mine.execute(
                "CREATE FUNCTION pg_temp.move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "UPDATE public.conversation_participants SET last_read_seq = NEW.wanted "
                f"WHERE conversation_id = '{group}'; RETURN NEW; END $$"
            )
            await mine.execute(
                "CREATE TRIGGER moving BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.move()"
            )
            for wanted in (999, 0):
                await mine.execute("INSERT INTO mine VALUES ($1)", wanted)
                reached = await mine.fetchval(
                    "SELECT last_read_seq FROM conversation_participants WHERE conversation_id = $1 AND user_id = $2",
                    group,
                    member.id,
                )
                assert reached == 1

    run(scenario)


def test_a_foreign_conversation_and_none_are_refused_alike(server: Any, database: str, people: list[Any]) -> None:
    """A refusal does not tell whether there is something to be in."""
    owner, member, _, stranger = people
    group = server.group(owner, member)

    async def scenario() -> None:
        told = []
        async with session(database, stranger.id) as mine:
            for conversation in (group, uuid4()):
                with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
                    await mine.execute(SEND, conversation, stranger.id, uuid4())
                told.append(str(refused.value).replace(str(conversation), ""))
        assert told[0] == told[1]

    run(scenario)
