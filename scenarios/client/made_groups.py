"""Groups that a load run makes for itself, before anything is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID, uuid4

from fixtures.errors import InputError
from scenarios.client.run_session import RunSession


@dataclass(frozen=True)
class MadeGroup:
    """One conversation of the run's own users."""

    conversation_id: UUID
    members: tuple[int, ...]  # numbers of the run's users; the first one made it and has written all there is
    last_seq: int  # of its opening messages

    @cached_property
    def member_set(self) -> frozenset[int]:
        """The same numbers, to ask whether one is there."""
        return frozenset(self.members)

    @property
    def size(self) -> int:
        """How many members it has."""
        return len(self.members)


def make_group(session: RunSession, name: str, members: Sequence[int], opening_messages: int) -> MadeGroup:
    """A new group of the run's users with some messages, unmeasured; InputError when the server refuses."""
    ids = [session.user_id(number) for number in members]
    token = session.login(ids[0])
    made = session.chat.create_group_conversation(token, f"{name} {session.token}", ids[1:])
    conversation_id = UUID(made.id)
    last_seq = made.last_seq
    for _ in range(opening_messages):
        last_seq = write_opening(session, token, conversation_id)
    return MadeGroup(conversation_id, tuple(members), last_seq)


def make_groups(
    session: RunSession, name: str, sizes: Sequence[int], user_count: int, opening_messages: int
) -> list[MadeGroup]:
    """A group of each size, its members drawn from the run's first `user_count` users; errors as of `make_group`."""
    users = range(user_count)
    return [
        make_group(session, f"{name} {size}", session.random.sample(users, size), opening_messages) for size in sizes
    ]


def own_senders(session: RunSession, group: MadeGroup) -> tuple[int, ...]:
    """Who sends in a group from this process: the members who are its users, or all where none is, logged in."""
    # Own users' tokens are here anyway.
    own = tuple(number for number in group.members if session.is_own(number))
    if not own:
        for number in group.members:
            session.login(session.user_id(number))
    return own or group.members


def make_direct(session: RunSession, one: int, other: int) -> MadeGroup:
    """The direct conversation of two of the run's users; InputError when the server refuses."""
    made = session.chat.create_direct_conversation(session.login(session.user_id(one)), session.user_id(other))
    return MadeGroup(UUID(made.id), (one, other), made.last_seq)


def write_opening(session: RunSession, token: str, conversation_id: UUID) -> int:
    """The seq of a message that is there before anything is measured; InputError when the server refuses it."""
    response = session.chat.send_message(token, conversation_id, "hello everyone", uuid4())
    message = session.chat.parse_message(response)
    if message is None:
        raise InputError(f"{session.options.host} refused a message to {conversation_id}: {response.problem()}")
    return message.seq


def usable_sizes(session: RunSession, asked: tuple[int, ...], outsiders: int = 0) -> tuple[int, ...]:
    """The group sizes that the run's users allow when `outsiders` of them stay out of all groups.

    The ones left out are told, and none at all is an InputError.
    """
    user_count = session.options.user_count
    available = user_count - outsiders
    usable = tuple(size for size in asked if 2 <= size <= available)
    if not usable:
        raise InputError(
            f"no group of {','.join(map(str, asked))} fits {user_count} users of whom {outsiders} stay outside; "
            "use more --users or smaller --group-sizes"
        )
    if usable != asked:
        left_out = ", ".join(str(size) for size in asked if size not in usable)
        session.warnings.append(f"group sizes left out: {left_out}; {available} users are there to be members")
    return usable
