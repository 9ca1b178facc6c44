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
from scenarios.queries.causes import Reason, hot_reasons, plan_reasons, unfit
from scenarios.queries.findings import Findings
from scenarios.queries.growth import climb
from scenarios.queries.parameter_classes import Unit
from scenarios.queries.plan_modes import compare_plan_modes
from scenarios.queries.plans import main_nodes, nodes
from scenarios.queries.variants import Variant
from scenarios.queries.walks import walk_all
from scenarios.run_folder import RunFolder
from scenarios.run_records import QueryLine
from scenarios.study import Cause, IndexCost, IndexScan, IndexUse, Study

# A share of heap-only updates below this is called lost: between nearly all and nearly none, which is what is seen.
HOT_LOST_BELOW = 0.5

Key = tuple[str, str, str]  # strategy, statement, parameter class


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


async def index_uses(
    arms: Sequence[Arm], units: Iterable[MeasuredUnit], folder: RunFolder, findings: Findings
) -> tuple[IndexUse, ...]:
    """Which statements each index of the strategies serves, over all parameter classes, and what it saves them."""
    latest = _latest(folder)
    free = await _without_policies(arms, [item.unit for item in units if not item.writes], findings)
    roots = {key: _root(folder, line) for key, line in latest.items()}
    found = []
    for arm in arms:
        own = {key: root for key, root in roots.items() if key[0] == arm.strategy.name}
        indexes = await arm.indexes()
        for index in indexes:
            if index.name not in arm.applied.new_indexes:
                continue
            users = {key[1] for key, root in own.items() if index.name in _values(main_nodes(root), "Index Name")}
            below = {key[1] for key, root in own.items() if index.name in _values(nodes(root), "Index Name")}
            readers = {key[1] for key, root in own.items() if index.table in _values(main_nodes(root), "Relation Name")}
            passed_over = sorted(readers - users)
            causes = {
                statement: {
                    # A join's other side may speak of the column, too.
                    unfit(
                        [node for node in main_nodes(root) if node.get("Relation Name") == index.table], index, indexes
                    )
                    for key, root in own.items()
                    if key[1] == statement
                }
                for statement in passed_over
            }
            found.append(
                IndexUse(
                    strategy=arm.strategy.name,
                    name=index.name,
                    statements=tuple(sorted(users)),
                    sub_plan_statements=tuple(sorted(below - users)),
                    passed_over_by=tuple(passed_over),
                    scans=tuple(_scans(index.name, arm.strategy.name, free, roots, arms[0].strategy.name)),
                    unfit_for={name: why for name, (why, *more) in causes.items() if why is not None and not more},
                )
            )
    return tuple(found)


async def _without_policies(arms: Sequence[Arm], units: Sequence[Unit], findings: Findings) -> dict[Key, Any]:
    """Every read's plan as the administrator executes it, on vacuumed tables."""
    found = {}
    for arm in arms:
        await arm.settle()
        for unit in units:
            try:
                document = await arm.explain_without_policies(unit)
            except asyncpg.PostgresError as error:
                findings.warning(f"{unit.title} cannot be read without policies: {' '.join(str(error).split())}")
                continue
            found[arm.strategy.name, unit.statement.name, unit.case.parameter_class] = json.loads(document)[0]["Plan"]
    return found


def _scans(
    index: str, strategy: str, free: Mapping[Key, Any], bound: Mapping[Key, Any], baseline: str
) -> Iterable[IndexScan]:
    """Per statement that reads through an index, the class in which that saves most of the baseline's buffers."""
    scans: dict[str, list[IndexScan]] = {}
    for key, root in free.items():
        before = free.get((baseline, *key[1:]))
        if key[0] == strategy and before is not None and index in _values(main_nodes(root), "Index Name"):
            scan = IndexScan(
                statement=key[1],
                parameter_class=key[2],
                baseline_buffers=_buffers(before),
                buffers=_buffers(root),
                index_only=_index_only(root, index),
                index_only_with_policies=key in bound and _index_only(bound[key], index),
            )
            scans.setdefault(key[1], []).append(scan)
    for found in scans.values():
        yield min(found, key=lambda scan: scan.buffers / max(scan.baseline_buffers, 1))


def _of_table(root: Mapping[str, Any], table: str) -> list[Mapping[str, Any]]:
    """The steps that read a table themselves: a join's other side may speak of its columns, too."""
    return [node for node in main_nodes(root) if node.get("Relation Name") == table]


def _buffers(root: Mapping[str, Any]) -> int:
    count: int = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
    return count


def _index_only(root: Mapping[str, Any], index: str) -> bool:
    return any(node["Node Type"] == "Index Only Scan" and node.get("Index Name") == index for node in main_nodes(root))


def _latest(folder: RunFolder) -> dict[Key, QueryLine]:
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
