"""Random worlds, written by the administrator: what each user sees of each table is what a few lines of Python say."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

USERS = 4
people = st.integers(0, USERS - 1)


@dataclass(frozen=True)
class Group:
    """Who is in, who has left, and how much was said."""

    members: frozenset[int]
    left: frozenset[int]
    messages: int
    typists: frozenset[int]
    expired: frozenset[int]  # of the typists


@dataclass(frozen=True)
class Pair:
    """Two people: their connection in the older schema, and their conversation when they have one."""

    one: int
    other: int
    status: str
    legacy_messages: int
    has_conversation: bool
    messages: int
    is_migrated: bool  # the connection is known to have become the conversation


groups = st.builds(
    lambda members, left, messages, typists, expired: Group(members - left, left, messages, typists, expired),
    st.frozensets(people, min_size=1),
    st.frozensets(people),
    st.integers(0, 3),
    st.frozensets(people),
    st.frozensets(people),
).filter(lambda group: bool(group.members))
pairs = st.builds(
    Pair,
    one=people,
    other=people,
    status=st.sampled_from(["pending", "accepted", "declined"]),
    legacy_messages=st.integers(0, 2),
    has_conversation=st.booleans(),
    messages=st.integers(0, 2),
    is_migrated=st.booleans(),
).filter(lambda pair: pair.one != pair.other)
worlds = st.tuples(
    st.lists(groups, max_size=4),
    st.lists(pairs, max_size=4, unique_by=lambda pair: frozenset((pair.one, pair.other))),
)


class Written:
    """A world in the database, and what each user is to see of it: table → keys, by user."""

    def __init__(self, sql: Any) -> None:
        self._sql = sql
        self.users = [
            self._new("INSERT INTO users (display_name) VALUES ($1) RETURNING id", f"oracle {number}")
            for number in range(USERS)
        ]
        self.all: dict[str, set[Any]] = {}
        self.seen: dict[str, list[set[Any]]] = {}
        for user in self.users:
            self.note("users", user, frozenset(range(USERS)))

    def _new(self, statement: str, *values: Any) -> Any:
        return self._sql(statement, *values)[0][0]

    def note(self, table: str, key: Any, watchers: frozenset[int]) -> None:
        """A row that these users are to see, and nobody else."""
        self.all.setdefault(table, set()).add(key)
        for user in range(USERS):
            seen = self.seen.setdefault(table, [set() for _ in range(USERS)])[user]
            if user in watchers:
                seen.add(key)

    def group(self, group: Group) -> None:
        """Writes a group: what is in it is for who is in it now."""
        made = self._new("INSERT INTO conversations (type, name) VALUES ('group', 'oracle') RETURNING id")
        self.note("conversations", made, group.members)
        for user in group.members | group.left:
            self._participant(made, user, "group", has_left=user in group.left)
            watchers = group.members if user in group.members else frozenset()  # who has left is not listed either
            self.note("conversation_participants", (made, self.users[user]), watchers)
        self._messages(made, min(group.members), group.messages, group.members)
        for user in group.typists:
            # Nobody is typing any more where it has expired; one's own row is there to be written again.
            is_over = user in group.expired
            until = "now() - interval '1 second'" if is_over else "now() + interval '1 hour'"
            self._sql(f"INSERT INTO typing_indicators VALUES ($1, $2, {until})", made, self.users[user])
            watchers = group.members & {user} if is_over else group.members
            self.note("typing_indicators", (made, self.users[user]), watchers)

    def pair(self, pair: Pair) -> None:
        """Writes a connection and a conversation: both are for the two."""
        both = frozenset((pair.one, pair.other))
        one, other = self.users[pair.one], self.users[pair.other]
        request = self._new(
            "INSERT INTO connection_requests (sender_id, receiver_id, status) VALUES ($1, $2, $3) RETURNING id",
            one,
            other,
            pair.status,
        )
        self.note("connection_requests", request, both)
        for _ in range(pair.legacy_messages):
            message = self._new(
                "INSERT INTO messages (connection_request_id, sender_id, content) VALUES ($1, $2, 'x') RETURNING id",
                request,
                one,
            )
            self.note("messages", message, both)
        if pair.has_conversation:
            made = self._new(
                "INSERT INTO conversations (type, participant1_id, participant2_id) "
                "VALUES ('direct', least($1::uuid, $2), greatest($1::uuid, $2)) RETURNING id",
                one,
                other,
            )
            self.note("conversations", made, both)
            for user in both:
                self._participant(made, user, "direct", has_left=False)
                self.note("conversation_participants", (made, self.users[user]), both)
            self._messages(made, pair.one, pair.messages, both)
            if pair.is_migrated:
                self._sql("INSERT INTO chatbench.migrated_connections VALUES ($1, $2, true, false)", request, made)
                self.note("chatbench.migrated_connections", request, both)

    def presence(self) -> None:
        """Writes everyone's presence, which everyone sees."""
        for user in self.users:
            self._sql("INSERT INTO user_presence VALUES ($1, 'online', 1, now())", user)
            self.note("user_presence", user, frozenset(range(USERS)))

    def _participant(self, conversation: UUID, user: int, kind: str, *, has_left: bool) -> None:
        self._sql(
            "INSERT INTO conversation_participants (conversation_id, user_id, conversation_type, left_at) "
            "VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END)",
            conversation,
            self.users[user],
            kind,
            has_left,
        )

    def _messages(self, conversation: UUID, sender: int, count: int, watchers: frozenset[int]) -> None:
        for _ in range(count):
            message = self._new(
                "INSERT INTO chat_messages (conversation_id, sender_id, content, client_id) "
                "VALUES ($1, $2, 'x', $3) RETURNING id",
                conversation,
                self.users[sender],
                uuid4(),
            )
            self.note("chat_messages", message, watchers)


# Table → its key, and whether that is a pair.
KEYS = {
    "users": "id",
    "conversations": "id",
    "conversation_participants": "conversation_id, user_id",
    "chat_messages": "id",
    "typing_indicators": "conversation_id, user_id",
    "user_presence": "user_id",
    "connection_requests": "id",
    "messages": "id",
    "chatbench.migrated_connections": "connection_request_id",
}
# What users may read beside that: it says the same to everyone, or, the memberships, only serves the policies above.
OTHERWISE = {"chatbench.dataset", "chatbench.group_rules", "chatbench.migration_state", "chatbench.my_memberships"}
READABLE = """
SELECT CASE nspname WHEN 'public' THEN relname ELSE nspname || '.' || relname END
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relpersistence <> 't'
   AND nspname NOT IN ('pg_catalog', 'information_schema')
   AND has_any_column_privilege('authenticated', c.oid, 'SELECT')
"""
PUBLIC = {"users", "user_presence"}


def test_no_table_is_left_out(administrator_sql: Any) -> None:
    """Whatever the app role may read is compared below, or named as what is not to be."""
    assert {row[0] for row in administrator_sql(READABLE)} == KEYS.keys() | OTHERWISE


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds)
def test_every_user_sees_exactly_their_own_of_every_table(
    server: Any, administrator_sql: Any, user_sql: Any, world: tuple[list[Group], list[Pair]]
) -> None:
    """No row more and no row less, whichever way it is asked for; a stranger sees who there is and is present."""
    written = Written(administrator_sql)
    for group in world[0]:
        written.group(group)
    for pair in world[1]:
        written.pair(pair)
    written.presence()
    for table, key in KEYS.items():
        everything = written.all.get(table, set())
        for number, user in enumerate([*written.users, uuid4()]):
            rows = user_sql(user, f"SELECT {key} FROM {table}")
            found = {tuple(row) if "," in key else row[0] for row in rows} & everything
            is_stranger = number == USERS
            expected = (everything if table in PUBLIC else set()) if is_stranger else None
            seen = written.seen.get(table, [set() for _ in range(USERS)])
            assert found == (expected if expected is not None else seen[number]), (table, number)
