"""The database commits, and its answer is lost: what was done is found out before anyone is told anything wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from fixtures.database import app_url
from fixtures.identifiers import user_id
from reference_server.changes import Changes
from reference_server.database_watch import DatabaseWatch
from reference_server.errors import ConflictError, NotFoundError, UnavailableError
from reference_server.frames import (
    ConversationAddedEvent,
    ConversationEvent,
    DeletedEvent,
    EditedEvent,
    MessageEvent,
    ParticipantChangedEvent,
    ReceiptEvent,
)
from reference_server.groups import Groups
from reference_server.legacy import Legacy
from reference_server.metrics import Metrics
from reference_server.pool import ActingConnection, AppPool
from reference_server.rooms import Rooms
from reference_server.sending import Sender
from reference_server.statement_times import timed_statements

OWNER, MEMBER, OTHER = (user_id(1, index) for index in (110, 111, 112))


@dataclass
class Chat:
    """The parts that write, on a real database, and what they told to whom."""

    sender: Sender
    changes: Changes
    groups: Groups
    legacy: Legacy
    told: list[tuple[ConversationEvent, frozenset[UUID]]] = field(default_factory=list)
    gone: list[tuple[UUID, UUID]] = field(default_factory=list)

    async def group(self, *members: UUID) -> UUID:
        """A group of the owner's."""
        return (await self.groups.create_group_conversation(OWNER, "doubtful", members)).id

    async def send(self, user: UUID, conversation: UUID, client_id: UUID | None = None) -> int:
        """The seq of a new message."""
        return (await self.sender.send(user, conversation, "hello", client_id or uuid4()))[0].seq

    def heard(self, user: UUID) -> list[ConversationEvent]:
        """What a user was told."""
        return [event for event, members in self.told if user in members]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Chat]:
    """A chat without sockets."""
    metrics = Metrics()
    async with AppPool.open(
        app_url(url),
        size_min=1,
        size_max=2,
        timeout_seconds=30,
        statement_timeout_seconds=30,
        observe_wait=lambda _seconds: None,
        statements=timed_statements(metrics),
        watch=DatabaseWatch(),
    ) as pool:
        rooms = Rooms(pool, 1_000, lambda: None)
        chat: Chat

        def publish(event: ConversationEvent, members: Collection[UUID]) -> None:
            chat.told.append((event, frozenset(members)))

        sender = Sender(pool, rooms, publish, metrics)
        groups = Groups(pool, rooms, publish, lambda user, conversation: chat.gone.append((user, conversation)))
        legacy = Legacy(pool, sender, lambda _conversation: None, groups.tell_added, rooms.turns)
        chat = Chat(sender, Changes(rooms, publish), groups, legacy)
        yield chat


@asynccontextmanager
async def lost_answer(
    monkeypatch: pytest.MonkeyPatch, method: str, statement: str, *, is_heard: bool = True
) -> AsyncIterator[None]:
    """A statement is committed, if the database hears of it, and the connection ends before its answer is read."""
    original = getattr(ActingConnection, method)

    async def losing(self: ActingConnection, name: str, *arguments: Any) -> Any:
        answer = await original(self, name, *arguments) if is_heard or name != statement else None
        if name == statement:
            self.terminate()
            raise ConnectionResetError
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(ActingConnection, method, losing)
        with pytest.raises(UnavailableError):
            yield


def run(url: str, scenario: Callable[[Chat], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        async with opened(url) as chat:
            await scenario(chat)

    asyncio.run(all_of_it())


def test_who_was_removed_hears_nothing_more(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when nobody was told of the removal; everyone hears of it with the next message."""

    async def scenario(chat: Chat) -> None:
        group = await chat.group(MEMBER, OTHER)
        await chat.send(OWNER, group)
        async with lost_answer(monkeypatch, "fetch_value", "remove_participant"):
            await chat.groups.remove_participant(OWNER, group, MEMBER)
        assert (MEMBER, group) in chat.gone
        before = len(chat.heard(MEMBER))
        assert await chat.send(OWNER, group) == 2
        (last,) = chat.heard(MEMBER)[before:]
        assert (last.change, last.user_id) == ("removed", MEMBER)  # type: ignore[union-attr]
        assert isinstance(chat.heard(OTHER)[-1], MessageEvent)
        with pytest.raises(NotFoundError):
            await chat.send(MEMBER, group)

    run(database, scenario)


def test_who_was_added_hears_and_sends(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the change is tried again, or they come first."""

    async def scenario(chat: Chat) -> None:
        for retried in (True, False):
            group = await chat.group(OTHER)
            await chat.send(OWNER, group)
            async with lost_answer(monkeypatch, "fetch_row", "add_participant"):
                await chat.groups.add_participant(OWNER, group, MEMBER)
            if retried:
                await chat.groups.add_participant(OWNER, group, MEMBER)
            assert await chat.send(MEMBER, group) == 2
            kinds = [type(event).__name__ for event in chat.heard(MEMBER) if event.conversation_id == group]
            assert kinds == ["ConversationAddedEvent", "MessageEvent"]

    run(database, scenario)


def test_changes_come_behind_their_message(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message whose answer was lost is told before its edit, its receipt and its deletion."""

    async def scenario(chat: Chat) -> None:
        group = await chat.group(MEMBER)
        await chat.send(OWNER, group)
        for change in ("edit", "read", "delete"):
            client_id = uuid4()
            async with lost_answer(monkeypatch, "fetch_row", "send_message"):
                await chat.send(OWNER, group, client_id)
            seq = sum(isinstance(event, MessageEvent) for event in chat.heard(MEMBER)) + 1
            if change == "edit":
                await chat.changes.edit(OWNER, group, seq, "better")
            elif change == "read":
                await chat.changes.mark_read(MEMBER, group, seq)
            else:
                await chat.changes.delete(OWNER, group, seq)
            assert await chat.send(OWNER, group, client_id) == seq
        heard = [event for event in chat.heard(MEMBER) if event.conversation_id == group][1:]
        assert [(type(event), event.seq) for event in heard] == [  # type: ignore[union-attr]
            (MessageEvent, 1),
            (MessageEvent, 2),
            (EditedEvent, 2),
            (MessageEvent, 3),
            (ReceiptEvent, 3),
            (MessageEvent, 4),
            (DeletedEvent, 4),
        ]

    run(database, scenario)


def test_a_deletion_that_is_tried_again_is_told(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes on showing what is gone."""

    async def scenario(chat: Chat) -> None:
        group = await chat.group(MEMBER)
        await chat.send(OWNER, group)
        async with lost_answer(monkeypatch, "fetch_row", "delete_message"):
            await chat.changes.delete(OWNER, group, 1)
        await chat.changes.delete(OWNER, group, 1)
        assert chat.heard(MEMBER)[-1] == DeletedEvent(conversation_id=group, seq=1)

    run(database, scenario)


@pytest.mark.parametrize("retried", [True, False])
def test_a_role_whose_answer_was_lost_is_told(database: str, monkeypatch: pytest.MonkeyPatch, retried: bool) -> None:
    """Once: with the retry, which finds nothing to change, or with whatever comes first."""

    async def scenario(chat: Chat) -> None:
        group = await chat.group(MEMBER, OTHER)
        await chat.send(OWNER, group)
        async with lost_answer(monkeypatch, "fetch_row", "set_role"):
            await chat.groups.set_role(OWNER, group, MEMBER, "admin")
        before = len(chat.heard(OTHER))
        if retried:
            await chat.groups.set_role(OWNER, group, MEMBER, "admin")
        await chat.send(MEMBER, group)
        changed, message = chat.heard(OTHER)[before:]
        assert changed == ParticipantChangedEvent(conversation_id=group, user_id=MEMBER, change="role", role="admin")
        assert isinstance(message, MessageEvent)

    run(database, scenario)


@pytest.mark.parametrize("retried", [True, False])
def test_a_receipt_whose_answer_was_lost_is_told(database: str, monkeypatch: pytest.MonkeyPatch, retried: bool) -> None:
    """Once, and the same way."""

    async def scenario(chat: Chat) -> None:
        group = await chat.group(MEMBER, OTHER)
        seq = await chat.send(OWNER, group)
        async with lost_answer(monkeypatch, "fetch_row", "mark_read"):
            await chat.changes.mark_read(MEMBER, group, seq)
        before = len(chat.heard(OTHER))
        if retried:
            assert (await chat.changes.mark_read(MEMBER, group, seq)).last_read_seq == seq
        await chat.send(OWNER, group)
        receipt, message = chat.heard(OTHER)[before:]
        assert receipt == ReceiptEvent(conversation_id=group, user_id=MEMBER, seq=seq)
        assert isinstance(message, MessageEvent)

    run(database, scenario)


def test_a_change_that_never_was_is_not_told(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection was lost before the database heard of it."""

    async def scenario(chat: Chat) -> None:
        group = await chat.group(MEMBER, OTHER)
        seq = await chat.send(OWNER, group)
        before = len(chat.heard(OTHER))
        async with lost_answer(monkeypatch, "fetch_row", "set_role", is_heard=False):
            await chat.groups.set_role(OWNER, group, MEMBER, "admin")
        async with lost_answer(monkeypatch, "fetch_row", "mark_read", is_heard=False):
            await chat.changes.mark_read(MEMBER, group, seq)
        await chat.send(OWNER, group)
        (message,) = chat.heard(OTHER)[before:]
        assert isinstance(message, MessageEvent)

    run(database, scenario)


@pytest.mark.parametrize("retried_by", [0, 1])
@pytest.mark.parametrize("is_heard", [True, False])
def test_a_direct_conversation_is_told_to_both(
    tiny_url: str, monkeypatch: pytest.MonkeyPatch, retried_by: int, is_heard: bool
) -> None:
    """Once: when either of the two opens it again, whether it had been made or not."""

    async def scenario(chat: Chat) -> None:
        pair = await strangers(tiny_url)
        async with lost_answer(monkeypatch, "fetch_row", "create_direct_conversation", is_heard=is_heard):
            await chat.groups.create_direct_conversation(*pair)
        assert chat.told == []
        opened_again = [await chat.groups.create_direct_conversation(*pair[:: 1 - 2 * retried_by]) for _ in range(2)]
        (conversation, is_new), again = opened_again
        assert (is_new, again) == (True, (conversation, False))
        told_as_new(chat, conversation.id, pair)

    run(tiny_url, scenario)


@pytest.mark.parametrize("lost", ["answer_legacy_connection", "get_legacy_connection", "get_conversation"])
def test_the_conversation_of_an_acceptance_is_told_to_both(
    tiny_url: str, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Once: when it is tried again, which is a conflict as the connection has been accepted."""

    async def scenario(chat: Chat) -> None:
        pair = await strangers(tiny_url)
        await execute(tiny_url, "SELECT FROM chatbench.change_migration('start')")
        connection = await chat.legacy.connect(*pair)
        async with lost_answer(monkeypatch, "fetch_row", lost):
            await chat.legacy.answer(pair[1], connection.id, accepted=True)
        assert chat.told == []
        for _ in range(2):
            with pytest.raises(ConflictError, match="not waiting"):
                await chat.legacy.answer(pair[1], connection.id, accepted=True)
        conversation = await chat.legacy.conversation_id(pair[0], connection.id)
        assert conversation is not None
        told_as_new(chat, conversation, pair)

    run(tiny_url, scenario)


def test_a_conversation_that_was_there_is_not_told_as_new(tiny_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to an acceptance was lost, and the two had one before."""

    async def scenario(chat: Chat) -> None:
        pair = await strangers(tiny_url)
        await execute(tiny_url, "SELECT FROM chatbench.change_migration('start')")
        known, _ = await chat.groups.create_direct_conversation(*pair)
        connection = await chat.legacy.connect(*pair)
        async with lost_answer(monkeypatch, "fetch_row", "answer_legacy_connection"):
            await chat.legacy.answer(pair[1], connection.id, accepted=True)
        with pytest.raises(ConflictError):
            await chat.legacy.answer(pair[1], connection.id, accepted=True)
        told_as_new(chat, known.id, pair)  # by its making alone

    run(tiny_url, scenario)


def told_as_new(chat: Chat, conversation_id: UUID, pair: tuple[UUID, UUID]) -> None:
    """Nothing has been told but that these two have this conversation, once."""
    ((added, members),) = chat.told
    assert isinstance(added, ConversationAddedEvent)
    assert (added.conversation_id, added.role, members) == (conversation_id, "member", frozenset(pair))


async def strangers(url: str) -> tuple[UUID, UUID]:
    """Two new users."""
    statement = "INSERT INTO users (display_name) VALUES ('one'), ('other') RETURNING id"
    one, other = await execute(url, statement)
    return one["id"], other["id"]


async def execute(url: str, statement: str) -> list[Any]:
    """What a statement of the administrator's gives."""
    connection = await asyncpg.connect(url)
    try:
        rows: list[Any] = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()
