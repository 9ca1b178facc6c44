"""Custom plans against generic ones: what a prepared statement reads planned for its values and once for all."""

from collections.abc import Callable, Iterable, Sequence

import asyncpg

from scenarios.queries.arm import Arm, Explained
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Unit
from scenarios.study import PlanModes

Keep = Callable[[str, Unit, Explained], str]  # saves a plan of a strategy's unit; its file's name


async def compare_plan_modes(
    arms: Sequence[Arm], units: Iterable[Unit], keep: Keep, findings: Findings
) -> list[PlanModes]:
    """Every unit in every arm, explained in both modes; plans that differ are kept."""
    found = []
    for unit in units:
        for arm in arms:
            try:
                custom = await arm.explain(unit, 0, "custom")
                generic = await arm.explain(unit, 0, "generic")
            except asyncpg.PostgresError as error:
                findings.warning(
                    f"{unit.title} cannot be planned both ways under {arm.name}: {' '.join(str(error).split())}"
                )
                continue
            same_plan = custom.summary.plan_hash == generic.summary.plan_hash
            found.append(
                PlanModes(
                    statement=unit.statement.name,
                    parameter_class=unit.case.parameter_class,
                    strategy=arm.name,
                    custom_buffers=custom.summary.buffers_hit + custom.summary.buffers_read,
                    generic_buffers=generic.summary.buffers_hit + generic.summary.buffers_read,
                    custom_plan=None if same_plan else keep(arm.name, unit, custom),
                    generic_plan=None if same_plan else keep(arm.name, unit, generic),
                    same_plan=same_plan,
                )
            )
    return found
