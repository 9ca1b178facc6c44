"""Who receives what: users' connections, the watchers of a user's presence, and those of a conversation's typing.

Pure; it holds no socket.

A message goes to every subscribed connection of every member. Looking up a thousand members per message would
cost as much as writing to them, so the answer is kept until any subscription changes.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID


class Receiver(Hashable, Protocol):
    """What the hub must know of a connection."""

    @property
    def user_id(self) -> UUID:
        """Whose connection it is."""

    @property
    def subprotocol(self) -> str:
        """How its events are encoded."""


R = TypeVar("R", bound=Receiver)

# Connections by subprotocol: an event is encoded once for each.
Route = tuple[tuple[str, list[R]], ...]


class Hub(Generic[R]):
    """Subscriptions of connections to messages, presence and typing."""

    def __init__(self, routes_max: int = 10_000) -> None:
        self._routes_max = routes_max
        self._subscribers: dict[UUID, dict[R, None]] = {}  # user → connections that want messages
        self._watchers: dict[UUID, dict[R, None]] = {}  # user → connections that want their presence
        self._watched: dict[R, set[UUID]] = {}  # connection → users
        self._typing_watchers: dict[UUID, dict[R, None]] = {}  # conversation → connections that want its typing
        self._typing_watched: dict[R, set[UUID]] = {}  # connection → conversations
        # Conversation → (the members it was made for, its route); valid until a subscription changes.
        self._routes: dict[UUID, tuple[Collection[UUID], Route[R]]] = {}

    # --- messages -------------------------------------------------------------------------------------

    def subscribe_messages(self, connection: R) -> None:
        """From now on, messages to the connection's user go to it. Twice is once."""
        self._subscribers.setdefault(connection.user_id, {})[connection] = None
        self._routes.clear()

    def unsubscribe_messages(self, connection: R) -> None:
        """From now on, no messages go to the connection."""
        _discard(self._subscribers, connection.user_id, connection)
        self._routes.clear()

    def route(self, conversation_id: UUID, members: Collection[UUID]) -> Route[R]:
        """The connections that a message to these members goes to."""
        known = self._routes.get(conversation_id)
        if known is not None and known[0] is members:
            return known[1]
        subscribers = self._subscribers
        route = _by_subprotocol(
            connection for member in members if member in subscribers for connection in subscribers[member]
        )
        if len(self._routes) >= self._routes_max:
            self._routes.clear()
        self._routes[conversation_id] = (members, route)
        return route

    # --- presence -------------------------------------------------------------------------------------

    def watch(self, connection: R, user_ids: Iterable[UUID]) -> tuple[UUID, ...]:
        """From now on, the connection hears of these users' presence, as well as of earlier ones'; who is new."""
        watched = self._watched.setdefault(connection, set())
        unwatched = tuple(user_id for user_id in user_ids if user_id not in watched)
        for user_id in unwatched:
            watched.add(user_id)
            self._watchers.setdefault(user_id, {})[connection] = None
        return unwatched

    def unwatch(self, connection: R, user_ids: Iterable[UUID]) -> None:
        """From now on, the connection does not hear of these users' presence."""
        watched = self._watched.get(connection, set())
        for user_id in user_ids:
            watched.discard(user_id)
            _discard(self._watchers, user_id, connection)

    def watched_count(self, connection: R, and_also: Sequence[UUID] = ()) -> int:
        """How many users the connection watches, or would watch with these."""
        return len(self._watched.get(connection, set()).union(and_also))

    def watchers(self, user_id: UUID) -> Route[R]:
        """The connections that hear of this user's presence."""
        return _by_subprotocol(self._watchers.get(user_id, ()))

    # --- typing ---------------------------------------------------------------------------------------

    def watch_typing(self, connection: R, conversation_id: UUID) -> None:
        """From now on, the connection hears who else is typing in the conversation. Twice is once."""
        self._typing_watched.setdefault(connection, set()).add(conversation_id)
        self._typing_watchers.setdefault(conversation_id, {})[connection] = None

    def unwatch_typing(self, connection: R, conversation_id: UUID) -> None:
        """From now on, the connection does not hear of it."""
        watched = self._typing_watched.get(connection)
        if watched is not None:
            watched.discard(conversation_id)
            if not watched:
                del self._typing_watched[connection]
        _discard(self._typing_watchers, conversation_id, connection)

    def unsubscribe_typing_of(self, user_id: UUID, conversation_id: UUID) -> None:
        """From now on, no connection of the user hears of the conversation's typing."""
        for connection in tuple(self._typing_watchers.get(conversation_id, ())):
            if connection.user_id == user_id:
                self.unwatch_typing(connection, conversation_id)

    def watches_typing(self, connection: R, conversation_id: UUID) -> bool:
        """Whether the connection hears of the conversation's typing."""
        return conversation_id in self._typing_watched.get(connection, ())

    def typing_watched_count(self, connection: R) -> int:
        """Of how many conversations the connection hears."""
        return len(self._typing_watched.get(connection, ()))

    def typing_watchers(self, conversation_id: UUID, typist_id: UUID) -> Route[R]:
        """The connections that hear of a typist in a conversation: never the typist's own."""
        watchers = self._typing_watchers.get(conversation_id, ())
        return _by_subprotocol(connection for connection in watchers if connection.user_id != typist_id)

    # --- leaving --------------------------------------------------------------------------------------

    def detach(self, connection: R) -> None:
        """Ends all subscriptions of a connection."""
        self.unsubscribe_messages(connection)
        self.unwatch(connection, tuple(self._watched.get(connection, ())))
        self._watched.pop(connection, None)
        for conversation_id in tuple(self._typing_watched.get(connection, ())):
            self.unwatch_typing(connection, conversation_id)

    @property
    def is_empty(self) -> bool:
        """True when nothing is subscribed to anything: no connection has left a trace."""
        return not any((self._subscribers, self._watchers, self._watched, self._typing_watchers, self._typing_watched))


def _by_subprotocol(connections: Iterable[R]) -> Route[R]:
    found: dict[str, list[R]] = {}
    for connection in connections:
        found.setdefault(connection.subprotocol, []).append(connection)
    return tuple(found.items())


def _discard(index: dict[UUID, dict[R, None]], key: UUID, connection: R) -> None:
    """Removes a connection, and its key with the last one: no user leaves a trace."""
    entry = index.get(key)
    if entry is not None:
        entry.pop(connection, None)
        if not entry:
            del index[key]
