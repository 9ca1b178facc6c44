"""Whether statements give what is right, by a plain statement of the same question that no index has a part in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.queries.arm import Arm, Executed
from scenarios.queries.parameter_classes import Unit
from scenarios.queries.results import difference, is_ordered
from scenarios.queries.variants import Variant


@dataclass(frozen=True)
class Lie:
    """How some strategies' rows differ from the truth, alike."""

    strategies: tuple[str, ...]
    difference: str


async def lies(arm: Arm, variant: Variant, unit: Unit, results: Mapping[str, Executed]) -> list[Lie]:
    """Where the results, strategy by strategy, are not the truth; the arm's data is asked for it."""
    assert variant.truth is not None, "only a statement with a question has a truth"
    columns, expected = await arm.plain_rows(Unit(variant.truth, unit.case))
    ordered = is_ordered(variant.truth.text)
    found: dict[str, list[str]] = defaultdict(list)
    for strategy, executed in results.items():
        missing = [name for name in columns if name not in executed.columns]
        told = (
            f"the columns {', '.join(missing)} are missing"
            if missing
            else difference(expected, _projected(executed, columns), ordered=ordered)
        )
        if told:
            found[told].append(strategy)
    return [Lie(tuple(strategies), told) for told, strategies in found.items()]


def _projected(executed: Executed, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows with the truth's columns alone, in its order."""
    places = [executed.columns.index(name) for name in columns]
    return [tuple(row[place] for place in places) for row in executed.rows]
