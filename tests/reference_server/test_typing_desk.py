import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import generate_latest

from reference_server.errors import NotFoundError
from reference_server.frames import (
    ErrorEvent,
    PresenceUpdated,
    StartTyping,
    StopTyping,
    SubscribeTyping,
    TypingEvent,
    TypingState,
    Unsubscribed,
    UnsubscribeTyping,
    UpdatePresence,
)
from reference_server.hub import Hub
from reference_server.live_state import MemoryState
from reference_server.metrics import Metrics
from reference_server.presence import Presence, PresenceTiming
from reference_server.typing_desk import TypingDesk
from reference_server.typists import TypingTiming

# --- through a real server -----------------------------------------------------------------------------


def nothing_waits(gateway: Any) -> None:
    """Fails when anything but the answer to a question comes: whatever was sent before it would come first."""
    assert isinstance(gateway.ask(UpdatePresence(status="online")), PresenceUpdated)


@pytest.mark.parametrize("subprotocol", ["chat.v1.json", "chat.v1.msgpack"])
def test_typing_reaches_the_others_and_never_its_sender(server: Any, subprotocol: str) -> None:
    """Subscribed members hear it on each connection; the typist's own connections do not, whichever they are."""
    typist, reader = server.user(10), server.user(11)
    conversation = server.group(typist, reader)
    phone, desktop = typist.connect(subprotocol), typist.connect()
    gateways = [reader.connect(subprotocol), reader.connect()]
    for gateway in (phone, desktop, *gateways):
        state = gateway.ask(SubscribeTyping(conversation_id=conversation))
        assert state == TypingState(conversation_id=conversation, user_ids=())
    phone.send(StartTyping(conversation_id=conversation))
    for gateway in gateways:
        assert gateway.receive() == TypingEvent(conversation_id=conversation, user_id=typist.id, is_typing=True)
    phone.send(StopTyping(conversation_id=conversation))
    for gateway in gateways:
        assert gateway.receive() == TypingEvent(conversation_id=conversation, user_id=typist.id, is_typing=False)
    nothing_waits(phone)
    nothing_waits(desktop)


def test_who_subscribes_later_is_told_who_is_typing(server: Any) -> None:
    """The answer names the others who are typing now; after unsubscribing, nothing comes."""
    typist, reader = server.user(12), server.user(13)
    conversation = server.group(typist, reader)
    first, late, device = reader.connect(), reader.connect(), typist.connect()
    first.ask(SubscribeTyping(conversation_id=conversation))
    device.send(StartTyping(conversation_id=conversation))
    assert first.receive().is_typing
    assert late.ask(SubscribeTyping(conversation_id=conversation)).user_ids == (typist.id,)
    assert device.ask(SubscribeTyping(conversation_id=conversation)).user_ids == ()  # oneself excepted
    assert late.ask(UnsubscribeTyping(conversation_id=conversation)) == Unsubscribed(topic="typing")
    device.send(StopTyping(conversation_id=conversation))
    assert not first.receive().is_typing
    nothing_waits(late)


def test_typing_ends_by_itself(tight_server: Any) -> None:
    """Without a stop, and at once when the connection is lost."""
    typist, reader = tight_server.user(14), tight_server.user(15)
    conversation = tight_server.group(typist, reader)
    gateway, device = reader.connect(), typist.connect()
    gateway.ask(SubscribeTyping(conversation_id=conversation))
    device.send(StartTyping(conversation_id=conversation))
    assert [gateway.receive().is_typing for _ in range(2)] == [True, False]  # it has expired
    device.send(StartTyping(conversation_id=conversation))
    assert gateway.receive().is_typing
    device.websocket.socket.shutdown(socket.SHUT_RDWR)
    assert not gateway.receive().is_typing


def test_typing_is_for_members(server: Any) -> None:
    """Others are told that there is no such conversation, and so is who names one that does not exist."""
    member, stranger = server.user(16), server.user(17)
    conversation = server.group(member)
    gateway = stranger.connect()
    for command in (SubscribeTyping, StartTyping, StopTyping):
        for name in (conversation, uuid4()):
            error = gateway.ask(command(conversation_id=name))
            assert error == ErrorEvent(code="not_found", message=f"there is no conversation {name} for you")


def test_who_leaves_a_group_types_there_no_more(server: Any) -> None:
    """Their typing ends for the others, and neither events nor commands of that conversation are theirs."""
    owner, leaver, reader = (server.user(index) for index in (97, 98, 99))
    conversation = server.group(owner, leaver, reader)
    device, gateway, typist = leaver.connect(), reader.connect(), owner.connect()
    for one in (device, gateway):
        one.ask(SubscribeTyping(conversation_id=conversation))
    device.send(StartTyping(conversation_id=conversation))
    assert gateway.receive().is_typing
    assert leaver.post(f"/conversations/{conversation}/leave").is_success
    assert gateway.receive() == TypingEvent(conversation_id=conversation, user_id=leaver.id, is_typing=False)
    typist.send(StartTyping(conversation_id=conversation))
    assert gateway.receive() == TypingEvent(conversation_id=conversation, user_id=owner.id, is_typing=True)
    error = device.ask(StartTyping(conversation_id=conversation))
    assert isinstance(error, ErrorEvent)  # and nothing of the owner's typing before it
    assert error.code == "not_found"


def test_typing_subscriptions_are_bounded(tight_server: Any) -> None:
    """One too many is refused and the earlier ones stay; giving one up makes room, and the same one again is free."""
    user = tight_server.user(16)
    conversations = [tight_server.group(user) for _ in range(3)]
    gateway = user.connect()
    for conversation in (*conversations[:2], conversations[0]):
        assert isinstance(gateway.ask(SubscribeTyping(conversation_id=conversation)), TypingState)
    error = gateway.ask(SubscribeTyping(conversation_id=conversations[2]))
    assert (error.code, error.message) == ("too_many", "at most 2 typing subscriptions per connection")
    gateway.ask(UnsubscribeTyping(conversation_id=conversations[0]))
    assert isinstance(gateway.ask(SubscribeTyping(conversation_id=conversations[2])), TypingState)


def test_typing_is_counted(database: str, launch: Any) -> None:
    """Commands and what was told of them, by kind: two starts are one change."""
    server = launch(database)
    typist, reader = server.user(18), server.user(19)
    conversation = server.group(typist, reader)
    gateway, device = reader.connect(), typist.connect()
    gateway.ask(SubscribeTyping(conversation_id=conversation))
    for command in (StartTyping, StartTyping, StopTyping):
        device.send(command(conversation_id=conversation))
    gateway.receive()
    gateway.receive()
    counted = {kind: server.metric("chat_typing_total", kind=kind) for kind in ("start", "stop", "started", "ended")}
    assert counted == {"start": 2, "stop": 1, "started": 1, "ended": 1}
    assert server.metric("chat_gateway_events_total", kind="y") == 2


# --- membership, step by step --------------------------------------------------------------------------


class Connection:
    """What the desk needs of a connection."""

    subprotocol = "chat.v1.json"

    def __init__(self, user_id: UUID) -> None:
        self.user_id = user_id


ROOM, USER, OTHER = UUID(int=1), UUID(int=11), UUID(int=12)


class Office:
    """A desk with members that can be changed, and everything it tells."""

    def __init__(self) -> None:
        self.members = {USER, OTHER}
        self.questions = 0
        self.while_asked: Callable[[], None] = lambda: None
        self.told: list[tuple[UUID, bool]] = []
        self.hub: Hub[Any] = Hub()
        self.metrics = Metrics()
        self.desk = TypingDesk(
            TypingTiming(expiry_seconds=60, throttle_seconds=0.0),
            self.hub,
            lambda event: self.told.append((event.user_id, event.is_typing)),
            self.is_member,
            self.metrics,
            subscriptions_max=10,
        )
        timing = PresenceTiming(grace_seconds=1, coalescing_seconds=1, expiry_seconds=1)
        self.state = MemoryState(Presence(timing), self.desk.typists)

    async def is_member(self, user_id: UUID, conversation_id: UUID) -> bool:
        """The database's answer, after which something may happen before it arrives."""
        assert conversation_id == ROOM
        self.questions += 1
        answer = user_id in self.members
        self.while_asked()
        return answer

    def remove(self, user_id: UUID) -> None:
        """The user is in the conversation no more."""
        self.members.discard(user_id)
        self.desk.leave(user_id, ROOM)

    def subscribe(self, connection: Any) -> Awaitable[TypingState]:
        """Subscribes a connection."""
        return self.desk.subscribe(connection, ROOM, self.state)


def in_office(work: Callable[[Office, Any], Awaitable[None]]) -> None:
    """Runs a test's steps with an office and a connection of USER."""

    async def run() -> None:
        office = Office()
        try:
            await work(office, Connection(USER))
        finally:
            office.desk.close()

    asyncio.run(run())


def test_membership_is_asked_once_per_subscription() -> None:
    """While a subscription lasts, or typing does, starts cost no query."""

    async def work(office: Office, connection: Any) -> None:
        await office.subscribe(connection)
        for _ in range(3):
            await office.desk.start(connection, ROOM)
        await office.desk.stop(connection, ROOM)
        assert office.questions == 1
        office.desk.unsubscribe(connection, ROOM)
        for _ in range(3):
            await office.desk.start(connection, ROOM)
        assert office.questions == 2

    in_office(work)


def test_leaving_ends_typing_and_subscriptions() -> None:
    """Of that user, on every connection; what was remembered of their membership is gone."""

    async def work(office: Office, connection: Any) -> None:
        second, others = Connection(USER), Connection(OTHER)
        for one in (connection, second, others):
            await office.subscribe(one)
        await office.desk.start(connection, ROOM)
        office.remove(USER)
        assert office.told == [(USER, True), (USER, False)]
        watchers = office.hub.typing_watchers(ROOM, UUID(int=0))
        assert [one for _, found in watchers for one in found] == [others]
        with pytest.raises(NotFoundError):
            await office.desk.start(connection, ROOM)

    in_office(work)


def test_a_membership_that_ends_while_it_is_asked_about_lets_nobody_in() -> None:
    """The database said yes, and then the user was removed: asked again, it says no."""

    async def work(office: Office, connection: Any) -> None:
        office.while_asked = lambda: office.remove(USER)
        with pytest.raises(NotFoundError):
            await office.subscribe(connection)
        assert office.hub.is_empty
        office.members.add(USER)
        with pytest.raises(NotFoundError):
            await office.desk.start(connection, ROOM)
        assert office.told == []

    in_office(work)


def test_an_answer_that_an_event_overtook_is_asked_for_again() -> None:
    """What the subscriber is told first is who was typing when the events begin."""

    async def work(office: Office, connection: Any) -> None:
        typist: Any = Connection(OTHER)
        state = office.state

        class Overtaken:
            """A store that answers late, once."""

            async def typists(self, caller_id: UUID, conversation_id: UUID) -> tuple[UUID, ...]:
                answer = await state.typists(caller_id, conversation_id)
                if not office.told:
                    await office.desk.start(typist, ROOM)
                return answer

            presence = state.presence

        answered = await office.desk.subscribe(connection, ROOM, Overtaken())
        assert answered.user_ids == (OTHER,)

    in_office(work)


def test_the_metrics_have_the_kinds() -> None:
    """Started and ended are counted by delivery, commands here."""

    async def work(office: Office, connection: Any) -> None:
        await office.desk.start(connection, ROOM)
        text = generate_latest(office.metrics.registry).decode()
        assert 'chat_typing_total{kind="start"} 1.0' in text

    in_office(work)
