"""The same statements under the same strategies on data sets of several sizes: how each one's buffers grow."""

from collections.abc import Sequence

import asyncpg

from fixtures.progress import Progress
from fixtures.sizes import find_size
from reference_server.seed import ensure_template
from reference_server.statements import NOTHING, Strategy
from scenarios.queries.arm import Arm
from scenarios.queries.arms import open_arms
from scenarios.queries.blocks import TRY_OUTS
from scenarios.queries.findings import Findings
from scenarios.queries.growth import order_of
from scenarios.queries.parameter_classes import units_of
from scenarios.queries.variants import Variant
from scenarios.study import Growth, Rung, Scale, Study

ALONG = "messages in the data set"
# Loading a data set writes about as much WAL as the database takes up: a quarter of both together is half of it.
SHARED_BUFFERS_SHARE = 0.25

Key = tuple[str | None, str, str, str]  # question, statement, parameter class, strategy


def shared_buffers_mib(sizes: Sequence[str]) -> int:
    """The shared buffers that growth is followed with: the largest data set does not fit, one ten times smaller does.

    At least 1 MiB.
    """
    largest = max(find_size(size).disk_bytes for size in sizes)
    return max(1, round(SHARED_BUFFERS_SHARE * largest / 2**20))


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
) -> Study:
    """The growth of every reading statement with the data set, by exact counters; leaves no copy behind.

    Each size is seeded when it is not there yet. A warning says when even the largest fits into shared_buffers.
    """
    found: dict[Key, list[Rung]] = {}
    scales: list[Scale] = []
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
            scale = Scale(
                size=size,
                messages=(await opened.arms[0].dataset()).rows["chat_messages"],
                database_bytes=opened.template_bytes,
                shared_buffers_bytes=await opened.arms[0].shared_buffers_bytes(),
            )
            scales.append(scale)
            await _rungs(opened.arms, opened.variants, scale, found, findings, progress)
    if not any(scale.exceeds_shared_buffers for scale in scales):
        memory = f"{scales[0].shared_buffers_bytes >> 20} MiB"
        findings.warning(
            f"every data set of {', '.join(sizes)} fits into shared_buffers, {memory}: "
            "what has to be read from outside was not seen; ask for a larger size, or give that PostgreSQL less"
        )
    growths = [
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
    return Study(growths=tuple(growths), scales=tuple(scales))


async def _rungs(  # noqa: PLR0917 - one call, every name spelled there
    arms: Sequence[Arm],
    variants: Sequence[Variant],
    scale: Scale,
    found: dict[Key, list[Rung]],
    findings: Findings,
    progress: Progress,
) -> None:
    """Every reading statement, warm, one execution after the other: each finds what all of them left in memory."""
    cases = await arms[0].read_cases()
    reads = [variant for variant in variants if not variant.statement.writes]
    asked = [(variant, unit, arm) for variant in reads for unit in units_of(variant.statement, cases) for arm in arms]
    settled = []
    for number, (variant, unit, arm) in enumerate(asked):
        progress(f"trying out {unit.title} at size {scale.size}", number / len(asked))
        try:
            for execution in range(TRY_OUTS):
                await arm.try_out(unit, execution)
            settled.append((variant, unit, arm))
        except asyncpg.PostgresError as error:
            findings.warning(f"{unit.title} fails under {arm.name} at {scale.messages} messages: {error}")
    for number, (variant, unit, arm) in enumerate(settled):
        progress(f"explaining {unit.title} at size {scale.size}", number / len(settled))
        summary = (await arm.explain(unit, TRY_OUTS)).summary
        key = (variant.question, variant.name, unit.case.parameter_class, arm.name)
        found.setdefault(key, []).append(
            Rung(
                size=scale.messages,
                rows=summary.rows,
                buffers=summary.buffers_hit + summary.buffers_read,
                buffers_read=summary.buffers_read,
            )
        )
