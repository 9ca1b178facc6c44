"""What the laboratory looks into beside its blocks: before them what needs untouched data, after them the causes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from fixtures.progress import Progress
from scenarios.queries.arm import Arm, Explained
from scenarios.queries.blocks import MeasuredUnit
from scenarios.queries.builds import time_builds
from scenarios.queries.catalog import heap_only_blockers
from scenarios.queries.causes import Reason, hot_reasons, plan_reasons
from scenarios.queries.findings import Findings
from scenarios.queries.growth import climb
from scenarios.queries.parameter_classes import Unit
from scenarios.queries.plan_modes import compare_plan_modes
from scenarios.queries.plans import main_nodes, nodes
from scenarios.queries.variants import Variant
from scenarios.queries.walks import walk_all
from scenarios.run_folder import QueryLine, RunFolder
from scenarios.study import Cause, IndexCost, IndexUse, Study

# A share of heap-only updates below this is called lost: between nearly all and nearly none, which is what is seen.
HOT_LOST_BELOW = 0.5


async def study_before(
    arms: Sequence[Arm],
    variants: Sequence[Variant],
    units: Iterable[MeasuredUnit],
    folder: RunFolder,
    *,
    findings: Findings,
    progress: Progress,
) -> Study:
    """Walks, growth and plan modes, on data that nobody has written to; leaves nothing."""
    folder.plans.mkdir(exist_ok=True)

    def keep(strategy: str, unit: Unit, explained: Explained) -> str:
        name = f"{strategy}__{unit.statement.name}__{unit.case.parameter_class}__{explained.plan_mode}.json"
        (folder.plans / name).write_text(explained.document, encoding="utf-8")
        return name

    progress("walking through pages", 0.0)
    walks = await walk_all(arms, variants, findings)
    progress("climbing from small to large", 0.3)
    growths = await climb(arms, variants, findings)
    progress("comparing custom and generic plans", 0.6)
    modes = await compare_plan_modes(arms, [item.unit for item in units if not item.writes], keep, findings)
    return Study(walks=tuple(walks), growths=tuple(growths), plan_modes=tuple(modes))


async def causes_of(
    arms: Sequence[Arm], units: Sequence[MeasuredUnit], folder: RunFolder, *, block_count: int, findings: Findings
) -> tuple[Cause, ...]:
    """The causes of every cell, by its last plan and by what its writes changed."""
    latest = _latest(folder)
    found: list[Cause] = []
    for arm in arms:
        indexes = await arm.indexes()
        for measured in units:
            unit = measured.unit
            key = (arm.strategy.name, unit.statement.name, unit.case.parameter_class)
            if key not in latest:
                continue
            expected = arm.applied.new_indexes if unit.statement.name in arm.strategy.statements else ()
            reasons = plan_reasons(_root(folder, latest[key]), indexes, expected=expected)
            hot_share = latest[key].hot_share
            if hot_share is not None and hot_share < HOT_LOST_BELOW:
                reasons += await _hot(arm, unit, measured.spare_execution(block_count), findings)
            found += [
                Cause(strategy=key[0], statement=key[1], parameter_class=key[2], kind=item.kind, sentence=item.sentence)
                for item in reasons
            ]
    return tuple(found)


async def index_uses(arms: Sequence[Arm], folder: RunFolder) -> tuple[IndexUse, ...]:
    """Which statements each index of the strategies serves, over all parameter classes."""
    lines = _latest(folder).values()
    found = []
    for arm in arms:
        own = [(line.statement, _root(folder, line)) for line in lines if line.strategy == arm.strategy.name]
        tables = {index.name: index.table for index in await arm.indexes()}
        for name in arm.applied.new_indexes:
            users = {statement for statement, root in own if name in _values(main_nodes(root), "Index Name")}
            below = {statement for statement, root in own if name in _values(nodes(root), "Index Name")}
            readers = {
                statement for statement, root in own if tables[name] in _values(main_nodes(root), "Relation Name")
            }
            found.append(
                IndexUse(
                    strategy=arm.strategy.name,
                    name=name,
                    statements=tuple(sorted(users)),
                    sub_plan_statements=tuple(sorted(below - users)),
                    passed_over_by=tuple(sorted(readers - users)),
                )
            )
    return tuple(found)


def _latest(folder: RunFolder) -> dict[tuple[str, str, str], QueryLine]:
    """(strategy, statement, parameter class) → its last line under the server's own policies."""
    return {
        (line.strategy, line.statement, line.parameter_class): line
        for line in folder.read_queries()
        if line.policy is None
    }


def _root(folder: RunFolder, line: QueryLine) -> dict[str, Any]:
    root: dict[str, Any] = json.loads((folder.plans / line.plan).read_text(encoding="utf-8"))[0]["Plan"]
    return root


def _values(found: Iterable[Mapping[str, Any]], key: str) -> set[str]:
    return {node[key] for node in found if key in node}


async def index_costs(arms: Sequence[Arm], findings: Findings) -> tuple[IndexCost, ...]:
    """What the strategies' own indexes take up, fresh and now that writes have churned them, and their builds."""
    churned = {(arm.name, index.name): index.bytes for arm in arms for index in await arm.indexes()}
    times = await time_builds(arms, findings)
    found = []
    for arm in arms:
        for name in arm.applied.new_indexes:
            built = times.get((arm.name, name))
            found.append(
                IndexCost(
                    strategy=arm.name,
                    name=name,
                    fresh_bytes=arm.applied.index_bytes[name],
                    churned_bytes=churned.get((arm.name, name)),
                    build_ms=built.plain_ms if built else None,
                    concurrent_build_ms=built.concurrent_ms if built else None,
                    concurrent_sends=built.sends if built else None,
                )
            )
    return tuple(found)


async def _hot(arm: Arm, unit: Unit, execution: int, findings: Findings) -> list[Reason]:
    try:
        changed = await arm.changed_columns(unit, execution)
    except asyncpg.PostgresError as error:
        findings.warning(
            f"why {unit.title} is not heap-only under {arm.name} is not known: {' '.join(str(error).split())}"
        )
        return []
    return hot_reasons(heap_only_blockers(await arm.indexes(), changed))
