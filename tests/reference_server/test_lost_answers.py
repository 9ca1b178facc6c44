"""The database commits, and its answer is lost: what was done is found out before anyone is told anything wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from fixtures.database import app_url
from fixtures.identifiers import user_id
from reference_server.changes import Changes
from reference_server.database_watch import DatabaseWatch
from reference_server.errors import NotFoundError, UnavailableError
from reference_server.frames import ConversationEvent, DeletedEvent, EditedEvent, MessageEvent, ReceiptEvent
from reference_server.groups import Groups
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

        chat = Chat(
            Sender(pool, rooms, publish, metrics),
            Changes(rooms, publish),
            Groups(pool, rooms, publish, lambda user, conversation: chat.gone.append((user, conversation))),
        )
        yield chat


@asynccontextmanager
async def lost_answer(monkeypatch: pytest.MonkeyPatch, method: str, statement: str) -> AsyncIterator[None]:
    """The next execution of a statement is committed, and the connection ends before its answer is read."""
    original = getattr(ActingConnection, method)

    async def losing(self: ActingConnection, name: str, *arguments: Any) -> Any:
        answer = await original(self, name, *arguments)
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
