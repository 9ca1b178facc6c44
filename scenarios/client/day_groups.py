"""Where the users of an ordinary day write: a room for everyone, teams, and pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.client.made_groups import MadeGroup, make_direct, make_group
from scenarios.client.run_session import RunSession


@dataclass(frozen=True)
class DayGroups:
    """The conversations of the run's own users."""

    room: MadeGroup
    teams: list[MadeGroup]
    pairs: list[MadeGroup]


def make_day_groups(
    session: RunSession, *, colleagues: Sequence[int], team_size: int, chatters: Sequence[int], partner_count: int
) -> DayGroups:
    """Makes the room of all users, deals `colleagues` into teams, and pairs each chatter with some others.

    One who would be a team alone joins the one before. InputError when the server refuses.
    """
    everyone = range(session.options.user_count)
    room = make_group(session, "everyone", everyone, 1)
    shuffled = session.random.sample(colleagues, len(colleagues))
    teams = [shuffled[start : start + team_size] for start in range(0, len(shuffled), team_size)]
    if len(teams[-1]) == 1 and len(teams) > 1:
        teams[-2] += teams.pop()
    pairs: set[tuple[int, int]] = set()
    for one in chatters:
        others = [number for number in everyone if number != one]
        for other in session.random.sample(others, min(len(others), partner_count)):
            pairs.add((min(one, other), max(one, other)))
    return DayGroups(
        room,
        [make_group(session, f"team {number}", team, 1) for number, team in enumerate(teams)],
        [make_direct(session, one, other) for one, other in sorted(pairs)],
    )
