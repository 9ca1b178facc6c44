"""The same statements under the same strategies on data sets of several sizes: how each one's buffers grow."""

from collections.abc import Sequence

import asyncpg

from fixtures.progress import Progress
from reference_server.seed import ensure_template
from reference_server.statements import NOTHING, Strategy
from scenarios.queries.arm import Arm
from scenarios.queries.arms import open_arms
from scenarios.queries.blocks import TRY_OUTS
from scenarios.queries.findings import Findings
from scenarios.queries.growth import order_of
from scenarios.queries.parameter_classes import Unit, units_of
from scenarios.queries.variants import Variant
from scenarios.study import Growth, Rung

ALONG = "messages in the data set"

Key = tuple[str | None, str, str, str]  # question, statement, parameter class, strategy


async def climb_sizes(
    cluster_url: str,
    sizes: Sequence[str],
    strategies: Sequence[Strategy],
    variants: Sequence[Variant],
    *,
    seed: int,
    statement_timeout_seconds: float,
    findings: Findings,
    progress: Progress,
) -> list[Growth]:
    """The growth of every reading statement with the data set, by exact counters; leaves no copy behind.

    Each size is seeded when it is not there yet. A warning says when even the largest fits into shared_buffers.
    """
    found: dict[Key, list[Rung]] = {}
    fits = True
    for size in dict.fromkeys(sizes):
        template = await ensure_template(cluster_url, size, seed, NOTHING, progress=progress)
        async with open_arms(
            cluster_url,
            template,
            strategies,
            variants,
            findings=findings,
            statement_timeout_seconds=statement_timeout_seconds,
            progress=progress,
        ) as opened:
            dataset = await opened.arms[0].dataset()
            fits = fits and opened.template_bytes <= await opened.arms[0].shared_buffers_bytes()
            for variant in opened.variants:
                progress(f"explaining {variant.name} at size {size}", 0.5)
                if not variant.statement.writes:
                    await _rungs(opened.arms, variant, dataset.rows["chat_messages"], found, findings)
    if fits:
        findings.warning(
            f"every data set of {', '.join(sizes)} fits into shared_buffers: what reading from disk costs was not seen"
        )
    return [
        Growth(
            question=question,
            statement=statement,
            parameter_class=parameter_class,
            strategy=strategy,
            along=ALONG,
            order=order_of(rungs),
            rungs=tuple(rungs),
        )
        for (question, statement, parameter_class, strategy), rungs in found.items()
    ]


async def _rungs(
    arms: Sequence[Arm], variant: Variant, size: int, found: dict[Key, list[Rung]], findings: Findings
) -> None:
    cases = await arms[0].read_cases()
    for unit in units_of(variant.statement, cases):
        for arm in arms:
            try:
                rung = await _rung(arm, unit, size)
            except asyncpg.PostgresError as error:
                findings.warning(f"{unit.title} fails under {arm.name} at {size} messages: {error}")
                continue
            key = (variant.question, variant.name, unit.case.parameter_class, arm.name)
            found.setdefault(key, []).append(rung)


async def _rung(arm: Arm, unit: Unit, size: int) -> Rung:
    for execution in range(TRY_OUTS):
        await arm.try_out(unit, execution)
    summary = (await arm.explain(unit, TRY_OUTS)).summary
    return Rung(size=size, rows=summary.rows, buffers=summary.buffers_hit + summary.buffers_read)
