"""Who does what."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from scenarios.behaviour import Behaviour, UserClass

CLASSES = (
    UserClass("quiet", 0.5, 0.5, ("look",)),
    UserClass("loud", 0.3, 4, ("look", "say")),
    UserClass("rare", 0.2, 1, ("look",)),
)
BEHAVIOUR = Behaviour({"look": 9, "say": 1, "sing": 0}, CLASSES)


@given(st.integers(3, 5000))
def test_every_user_has_one_class(user_count: int) -> None:
    """Classes follow each other without gap, none is empty, and shares are kept to a user or two."""
    members = BEHAVIOUR.members(user_count)
    assert [number for numbers in members.values() for number in numbers] == list(range(user_count))
    for one in CLASSES:
        assert len(members[one.name]) >= 1
        assert abs(len(members[one.name]) - one.share * user_count) <= 2


def test_shares_are_those_of_the_weights() -> None:
    """An action of weight 0 is none; who may do an action shares it by number and activity."""
    assert set(BEHAVIOUR.weights) == {"look", "say"}
    assert BEHAVIOUR.action_share("say") == 0.1
    assert BEHAVIOUR.class_shares("say", 10) == {"loud": 1}
    # 5 × 0.5, 3 × 4 and 2 × 1 of 16.5
    assert BEHAVIOUR.class_shares("look", 10) == pytest.approx(
        {"quiet": 2.5 / 16.5, "loud": 12 / 16.5, "rare": 2 / 16.5}
    )


def test_draws_follow_the_shares() -> None:
    """20 000 draws of one seed fit the expected counts, action by class; nobody does what their class does not."""
    random = Random(3)
    members = BEHAVIOUR.members(10)
    seen: Counter[tuple[str, str]] = Counter()
    for _ in range(20_000):
        action, number = BEHAVIOUR.draw(random, 10)
        seen[action, next(name for name, numbers in members.items() if number in numbers)] += 1
    expected = {
        (action, name): 20_000 * BEHAVIOUR.action_share(action) * share
        for action in BEHAVIOUR.weights
        for name, share in BEHAVIOUR.class_shares(action, 10).items()
    }
    assert set(seen) == set(expected)
    assert chisquare([seen[key] for key in expected], list(expected.values())).pvalue > 0.001
