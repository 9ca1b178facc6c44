from dataclasses import dataclass
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from reference_server.hub import Hub

USERS = [UUID(int=number) for number in range(4)]


@dataclass(frozen=True)
class Connection:
    """A connection to the hub: it needs no more."""

    user_id: UUID
    subprotocol: str
    number: int


CONNECTIONS = [Connection(USERS[number % 4], "j" if number % 3 else "m", number) for number in range(8)]
connections = st.sampled_from(CONNECTIONS)
user_lists = st.lists(st.sampled_from(USERS), max_size=3)
members = st.frozensets(st.sampled_from(USERS))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), connections),
        st.tuples(st.just("unsubscribe"), connections),
        st.tuples(st.just("watch"), connections, user_lists),
        st.tuples(st.just("unwatch"), connections, user_lists),
        st.tuples(st.just("detach"), connections),
        st.tuples(st.just("route"), st.sampled_from(USERS), members),
    ),
    max_size=40,
)


def flat(route: tuple[tuple[str, list[Connection]], ...]) -> list[Connection]:
    """The connections of a route, each under its own subprotocol."""
    assert all(connection.subprotocol == name for name, found in route for connection in found)
    return sorted((connection for _, found in route for connection in found), key=lambda one: one.number)


@given(steps)
def test_events_reach_exactly_the_subscribed(actions: list[tuple[object, ...]]) -> None:
    """Whatever is subscribed, watched and left, routes name each entitled connection once, and no other."""
    hub: Hub[Connection] = Hub(routes_max=2)
    subscribed: set[Connection] = set()
    watching: set[tuple[Connection, UUID]] = set()
    for action in actions:
        match action:
            case ("subscribe", Connection() as one):
                hub.subscribe_messages(one)
                subscribed.add(one)
            case ("unsubscribe", Connection() as one):
                hub.unsubscribe_messages(one)
                subscribed.discard(one)
            case ("watch", Connection() as one, list(users)):
                assert hub.watched_count(one, users) == len({u for c, u in watching if c == one} | set(users))
                assert set(hub.watch(one, users)) == set(users) - {u for c, u in watching if c == one}
                watching |= {(one, user) for user in users}
            case ("unwatch", Connection() as one, list(users)):
                hub.unwatch(one, users)
                watching -= {(one, user) for user in users}
            case ("detach", Connection() as one):
                hub.detach(one)
                subscribed.discard(one)
                watching = {pair for pair in watching if pair[0] != one}
            case ("route", UUID() as conversation, frozenset() as people):
                expected = sorted((one for one in subscribed if one.user_id in people), key=lambda one: one.number)
                assert flat(hub.route(conversation, people)) == expected
                assert flat(hub.route(conversation, people)) == expected
        for user in USERS:
            expected = sorted((one for one, watched in watching if watched == user), key=lambda one: one.number)
            assert flat(hub.watchers(user)) == expected
    for one in CONNECTIONS:
        hub.detach(one)
    assert hub.is_empty


typing_steps = st.lists(
    st.one_of(
        st.tuples(st.just("watch"), connections, st.sampled_from(USERS)),
        st.tuples(st.just("unwatch"), connections, st.sampled_from(USERS)),
        st.tuples(st.just("leave"), st.sampled_from(USERS), st.sampled_from(USERS)),
        st.tuples(st.just("detach"), connections),
    ),
    max_size=40,
)


@given(typing_steps)
def test_typing_reaches_watchers_and_never_the_typist(actions: list[tuple[object, ...]]) -> None:
    """Whatever is watched and left, a typist's event goes to each watching connection of others, and no other."""
    hub: Hub[Connection] = Hub()
    watching: set[tuple[Connection, UUID]] = set()  # connection and conversation; the same ids serve for both
    for action in actions:
        match action:
            case ("watch", Connection() as one, UUID() as conversation):
                hub.watch_typing(one, conversation)
                watching.add((one, conversation))
            case ("unwatch", Connection() as one, UUID() as conversation):
                hub.unwatch_typing(one, conversation)
                watching.discard((one, conversation))
            case ("leave", UUID() as user, UUID() as conversation):
                hub.unsubscribe_typing_of(user, conversation)
                watching -= {(one, conversation) for one in CONNECTIONS if one.user_id == user}
            case ("detach", Connection() as one):
                hub.detach(one)
                watching = {pair for pair in watching if pair[0] != one}
        check_typing(hub, watching)
    for one in CONNECTIONS:
        hub.detach(one)
    assert hub.is_empty


def check_typing(hub: Hub[Connection], watching: set[tuple[Connection, UUID]]) -> None:
    for conversation in USERS:
        for typist in USERS:
            others = [one for one in CONNECTIONS if one.user_id != typist and (one, conversation) in watching]
            assert flat(hub.typing_watchers(conversation, typist)) == others
        assert all(hub.watches_typing(one, conversation) is ((one, conversation) in watching) for one in CONNECTIONS)
    for one in CONNECTIONS:
        assert hub.typing_watched_count(one) == len([pair for pair in watching if pair[0] == one])
