"""One statement under one strategy, explained: its plan for each kind of values, and why it costs what it costs."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from fixtures.errors import InputError
from fixtures.progress import Progress, silent
from reference_server.seed import ensure_template
from reference_server.statements import NOTHING, find_strategy
from scenarios.queries.arm import Arm
from scenarios.queries.arms import open_arms
from scenarios.queries.blocks import TRY_OUTS
from scenarios.queries.causes import plan_reasons
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Unit, units_of
from scenarios.queries.plan_text import plan_lines
from scenarios.queries.request import LaboratoryOptions, check_request


@dataclass(frozen=True)
class PlanText:
    """One plan, with the parameter classes that share it."""

    parameter_classes: tuple[str, ...]
    plan_mode: str  # of the last one
    lines: tuple[str, ...]
    reasons: tuple[str, ...]


def explain(cluster_url: str, options: LaboratoryOptions, progress: Progress = silent) -> list[PlanText]:
    """The plans of the options' one statement under their one strategy, in the order of the classes.

    InputError when the strategy or the statement is not there, or the statement fails.
    """
    return asyncio.run(_explain(cluster_url, options, progress))


async def _explain(cluster_url: str, options: LaboratoryOptions, progress: Progress) -> list[PlanText]:
    strategies = [find_strategy(name) for name in options.strategies]
    variants = check_request(strategies, options)
    template = await ensure_template(cluster_url, options.size, options.seed, NOTHING, progress=progress)
    findings = Findings()
    async with open_arms(
        cluster_url,
        template,
        strategies,
        variants,
        findings=findings,
        statement_timeout_seconds=options.statement_timeout_seconds,
        progress=progress,
    ) as opened:
        (arm,) = opened.arms
        cases = await arm.read_cases()
        units = [unit for variant in opened.variants for unit in units_of(variant.statement, cases)]
        if not units:
            told = "; ".join(findings.reasons) or "the data set has no values for its parameters; choose a larger size"
            raise InputError(f"{', '.join(variant.name for variant in variants)} cannot be explained: {told}")
        try:
            return await _plans(arm, units)
        except asyncpg.PostgresError as error:
            raise InputError(
                f"{units[0].statement.name} fails under {arm.name}: {' '.join(str(error).split())}; correct its file"
            ) from error


async def _plans(arm: Arm, units: Sequence[Unit]) -> list[PlanText]:
    """One entry per plan hash; counters are those of the class that costs most buffers."""
    indexes = await arm.indexes()
    grouped: dict[str, list[tuple[int, str, PlanText]]] = {}
    for unit in units:
        for execution in range(TRY_OUTS):
            await arm.try_out(unit, execution)
        explained = await arm.explain(unit, TRY_OUTS)
        root = json.loads(explained.document)[0]["Plan"]
        text = PlanText(
            parameter_classes=(),
            plan_mode=explained.plan_mode,
            lines=tuple(plan_lines(root)),
            reasons=tuple(reason.sentence for reason in plan_reasons(root, indexes, expected=arm.applied.new_indexes)),
        )
        summary = explained.summary
        buffers = summary.buffers_hit + summary.buffers_read
        grouped.setdefault(summary.plan_hash, []).append((buffers, unit.case.parameter_class, text))
    found = []
    for members in grouped.values():
        _, _, dearest = max(members, key=lambda member: member[0])
        classes = tuple(name for _, name, _ in members)
        found.append(PlanText(classes, dearest.plan_mode, dearest.lines, dearest.reasons))
    return found
