"""What a step of the state machine does, and to whom."""

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

USERS = 5

# How often what is done: guesses, such that many examples start, copy, go back and start again. One rule draws from
# here: of many rules Hypothesis leaves out half in each example, and little comes together.
WEIGHTS = {
    "ask": 2, "ask_with_sql": 1, "accept": 3, "decline": 1,
    "send_older": 8, "read_older": 4, "page_older": 2, "list_connections": 2,
    "create_direct": 2, "send_newer": 8, "send_newer_again": 1, "change": 4, "read_newer": 4,
    "page_newer": 2, "list_newer": 2, "go_away": 1, "come_back": 2,
    "create_group": 3, "add": 3, "remove": 2, "leave": 2, "set_role": 4, "rename": 1,
    "ask_for_conversation": 4, "send_as_routed": 4,
    "command_that_fits": 5, "command": 1, "roll_out": 2, "backfill": 6, "verify": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What a step is done to, and by whom."""

    place: int  # of a connection or a conversation among those that there are
    user: int
    other: int
    seq: int
    is_insider: bool  # it is done by one of those whom it concerns, not by just anyone
    is_first: bool  # by the first of them; in general, yes or no


@dataclass(frozen=True)
class Step:
    """One of the actions, and what it is done to."""

    action: str
    choice: Choice


def numbered(number: int) -> Step:
    """The step with a number: 0 does nothing; of the others each is as likely as its weight says.

    Scattered, where Hypothesis would rather draw small numbers, and from several the same ones again and again.
    """
    random = Random(number)
    (action,) = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
    user, other = random.randrange(USERS), random.randrange(USERS)
    insider, first = random.random() < 0.75, random.random() < 0.5
    choice = Choice(random.randrange(60), user, other, random.randint(1, 12), is_insider=insider, is_first=first)
    return Step("nothing" if number == 0 else action, choice)


# For failures to become short: a step is one number and depends on none before it, and 0 does nothing, so whatever a
# failure does not need is left out in one attempt. Most examples are as long as may be; shorter ones are tried then.
steps = st.integers(0, 1 << 32).map(numbered)
lengths = st.integers(0, 1 << 62)
