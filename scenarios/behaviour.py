"""Contract: who does what: user classes, and the mix of actions that they share. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class UserClass:
    """People who behave alike."""

    name: str
    share: float  # of all users
    activity: float  # how often one of them is the one who acts, relative to the other classes
    actions: tuple[str, ...]  # what they do


class Behaviour:
    """Draws actions by their weights, and for each the class whose member does it."""

    def __init__(self, weights: Mapping[str, float], classes: Sequence[UserClass]) -> None:
        self.weights = {action: weight for action, weight in weights.items() if weight > 0}
        self.classes = tuple(classes)
        assert abs(sum(one.share for one in classes) - 1) < 1e-9, "shares are of all users"
        for action in self.weights:
            assert any(action in one.actions for one in classes), f"nobody does {action}"

    def members(self, user_count: int) -> dict[str, range]:
        """The users of each class by number: as many as its share says, and at least one while there are enough."""
        assert user_count >= len(self.classes)
        counts = [max(1, round(one.share * user_count)) for one in self.classes]
        counts[counts.index(max(counts))] += user_count - sum(counts)
        bounds = [sum(counts[:number]) for number in range(len(counts) + 1)]
        return {one.name: range(bounds[n], bounds[n + 1]) for n, one in enumerate(self.classes)}

    def action_share(self, action: str) -> float:
        """The share of all actions that are this one."""
        return self.weights[action] / sum(self.weights.values())

    def class_shares(self, action: str, user_count: int) -> dict[str, float]:
        """How an action is shared by the classes: by their numbers of users and how active these are."""
        members = self.members(user_count)
        parts = {one.name: len(members[one.name]) * one.activity for one in self.classes if action in one.actions}
        return {name: part / sum(parts.values()) for name, part in parts.items()}

    def draw(self, random: Random, user_count: int) -> tuple[str, int]:
        """The next action and the number of the user who does it."""
        action = random.choices(list(self.weights), list(self.weights.values()))[0]
        shares = self.class_shares(action, user_count)
        actor = random.choices(list(shares), list(shares.values()))[0]
        return action, random.choice(self.members(user_count)[actor])
