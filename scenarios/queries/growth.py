"""How a statement's buffers grow: with the conversations of a user, with the depth of a page."""

import math
from collections.abc import Sequence
from dataclasses import replace

import asyncpg
from scipy.stats import linregress

from scenarios.queries.arm import Arm
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Unit, axis_of, knows
from scenarios.queries.variants import Variant
from scenarios.study import FEWEST_RUNGS, Growth, Order, Rung, comparable

# Which axis is climbed by which SQL file, and what its sizes count.
LADDERS = {
    "user_classes": ("user_ladder", "conversations of the user"),
    "inbox_classes": ("user_ladder", "conversations of the user"),
    "page_classes": ("depth_ladder", "messages before the page"),
}
WORKLOAD = {
    "page_limit": 10,  # guess: small enough that most users fill a page, and only full pages can be compared
}
# Buffers ~ size^exponent by least squares. Below this a cost is called flat: ten times the size is less than twice
# the buffers, as where rows happen to share their pages less.
FLAT_EXPONENT = 0.3


async def climb(arms: Sequence[Arm], variants: Sequence[Variant], findings: Findings) -> list[Growth]:
    """The growth of every reading statement that has a ladder, in every arm."""
    growths = []
    cases = {name: await arms[0].cases_in(name) for name in {name for name, _ in LADDERS.values()}}
    for variant in variants:
        ladder = LADDERS.get(axis_of(variant.statement).name)
        if ladder is None or variant.statement.writes:
            continue
        steps = [case for case in cases[ladder[0]] if knows(case, variant.statement)]
        units = [Unit(variant.statement, replace(case, values={**case.values, **WORKLOAD})) for case in steps]
        if not units:
            continue  # it needs more than a place on the ladder
        for arm in arms:
            try:
                rungs = tuple([await _rung(arm, unit) for unit in units])
            except asyncpg.PostgresError as error:
                findings.warning(
                    f"the growth of {variant.name} under {arm.name} is not known: {' '.join(str(error).split())}"
                )
                continue
            growths.append(
                Growth(
                    question=variant.question,
                    statement=variant.name,
                    strategy=arm.name,
                    along=ladder[1],
                    order=order_of(rungs),
                    rungs=rungs,
                )
            )
    return growths


def order_of(rungs: Sequence[Rung]) -> Order:
    """The order that fits: flat or falling, or whichever of a + b·log n and a + b·n misses the counts by less.

    Only comparable rungs count; too few of them are of no order.
    """
    points = comparable(rungs)
    if len({rung.size for rung in points}) < FEWEST_RUNGS:
        return "unknown"
    sizes = [float(rung.size) for rung in points]
    buffers = [float(rung.buffers) for rung in points]
    logarithms = [math.log1p(size) for size in sizes]
    exponent = linregress(logarithms, [math.log1p(count) for count in buffers]).slope
    if abs(exponent) < FLAT_EXPONENT:
        return "flat"
    if exponent < 0:
        return "falling"
    return "logarithmic" if linregress(logarithms, buffers).rvalue > linregress(sizes, buffers).rvalue else "linear"


async def _rung(arm: Arm, unit: Unit) -> Rung:
    explained = await arm.explain(unit, 0)
    return Rung(
        size=int(unit.case.parameter_class),
        rows=explained.summary.rows,
        buffers=explained.summary.buffers_hit + explained.summary.buffers_read,
    )
