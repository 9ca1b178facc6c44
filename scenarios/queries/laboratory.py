"""The query laboratory: index strategies against each other, on the statements that the server really executes.

One database per strategy, cloned from one template, all alive at once; each statement visits them in turn, block
after block. Counters (buffers, WAL, HOT) are exact; times are confirmed over blocks.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import uvloop

from fixtures.database import connect
from fixtures.errors import InputError
from fixtures.progress import Progress, part_of, silent
from reference_server.seed import ensure_template
from reference_server.statements import NOTHING, Statement, Strategy, named_strategy
from scenarios.place import open_cluster
from scenarios.queries.arm import Arm
from scenarios.queries.arms import copy_count, open_arms
from scenarios.queries.blocks import LOST, Blocks, MeasuredUnit
from scenarios.queries.cluster import check_disk_for_all
from scenarios.queries.designs import churned_sizes, fresh_sizes, store_at_once
from scenarios.queries.findings import Findings
from scenarios.queries.outcome import EXECUTIONS_PER_UNIT, TEMPLATE, Outcome, save
from scenarios.queries.parameter_classes import Unit, units_of, unknown_parameters
from scenarios.queries.policies import compare_policies, policies
from scenarios.queries.request import LaboratoryOptions, check_request
from scenarios.queries.scale import climb_sizes, shared_buffers_mib
from scenarios.queries.sittings import find_record, keep_files, taken_up
from scenarios.queries.studies import causes_of, index_costs, index_uses, study_before
from scenarios.queries.variants import Variant
from scenarios.queries.verdicts import FEWEST_BLOCKS, Cell, judge
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord
from scenarios.study import WRONG_RESULTS, Study


@dataclass(frozen=True)
class LaboratoryResult:
    """What a comparison found; the same figures are in the run folder."""

    record: ScenarioRecord
    baseline: str
    cells: tuple[Cell, ...]
    wrong: frozenset[tuple[str, str, str]]  # (statement, parameter class, strategy) that returned other rows
    cut_short: bool


@dataclass(frozen=True)
class Known:
    """What is known before a comparison begins: it goes into the comparison's record."""

    study: Study = field(default_factory=Study)
    findings: Findings = field(default_factory=Findings)


def run_laboratory(
    options: LaboratoryOptions,
    cluster_url: str,
    folder: RunFolder,
    progress: Progress = silent,
    known: Known | None = None,
) -> LaboratoryResult:
    """The comparison that the options ask for, from a program without an event loop; see `compare`."""
    options = keep_files(options, folder) if find_record(folder) is None else options
    strategies = [named_strategy(name) for name in options.strategies]
    # The server's own event loop: what it adds to a statement is what the server's users wait for, too.
    return uvloop.run(compare(cluster_url, folder, strategies, options, progress, known=known))


def run_growth(options: LaboratoryOptions, out: Path, database_url: str | None, progress: Progress = silent) -> Known:
    """How the statements' buffers grow over the options' sizes; InputError when all that is to be made will not fit.

    In the PostgreSQL of `open_cluster`, before the comparison: an embedded one has fewer shared buffers for this than
    the largest size needs.
    """
    with open_cluster(out, database_url, shared_buffers_mib=shared_buffers_mib(options.sizes)) as cluster_url:
        return uvloop.run(_grow(cluster_url, options, progress))


async def compare(
    cluster_url: str,
    folder: RunFolder,
    strategies: Sequence[Strategy],
    options: LaboratoryOptions,
    progress: Progress = silent,
    *,
    known: Known | None = None,
) -> LaboratoryResult:
    """Compares strategies on the options' data set; InputError when nothing can be compared.

    `cluster_url` is an administrator's; the databases are made beside the one it names and dropped at the end. In a
    folder where the laboratory has finished blocks already, only what is left is measured.
    """
    variants = check_request(strategies, options)
    await _check_disk(cluster_url, strategies, variants, options, sizes=())
    seeding = part_of(progress, 0.0, 0.3)
    template = await ensure_template(cluster_url, options.size, options.seed, NOTHING, progress=seeding)
    return await compare_on_template(
        cluster_url,
        template,
        folder,
        strategies,
        options,
        known=known,
        progress=part_of(progress, 0.3, 1.0),
    )


async def compare_on_template(
    cluster_url: str,
    template: str,
    folder: RunFolder,
    strategies: Sequence[Strategy],
    options: LaboratoryOptions,
    *,
    known: Known | None = None,
    progress: Progress = silent,
) -> LaboratoryResult:
    """Compares strategies on copies of a database that chatbench seeded; nobody may be connected to it.

    The lines go into the folder block by block. The record goes into its run.json at the end, which Ctrl-C only
    brings forward. What is known and found already goes into it, too.
    """
    variants = check_request(strategies, options)
    known = known or Known()
    outcome = Outcome(
        started_second=_seconds_since(folder.read_manifest().started_at),
        findings=known.findings,
        details={TEMPLATE: template},
        study=known.study,
    )
    earlier = find_record(folder)
    measuring = False
    try:
        async with open_arms(
            cluster_url,
            template,
            strategies,
            variants,
            other_copies=_policy_copies(options),
            findings=outcome.findings,
            statement_timeout_seconds=options.statement_timeout_seconds,
            progress=part_of(progress, 0.0, 0.1),
        ) as opened:
            arms, variants = opened.arms, opened.variants
            outcome.dataset, outcome.settings = await arms[0].dataset(), await arms[0].settings()
            outcome.details["template_bytes"] = opened.template_bytes
            outcome.details["baseline"] = arms[0].name
            outcome.details["strategies"] = {arm.name: arm.description() for arm in arms}
            if earlier is not None:
                outcome = taken_up(folder, earlier, outcome)
            units = await _units(arms, [variant.statement for variant in variants], outcome)
            measuring = True
            await _measure(arms, variants, units, folder, options, outcome, part_of(progress, 0.1, 0.8))
            if options.policies and not outcome.cut_short and outcome.blocks_finished == options.blocks:
                await _measure_policies(
                    cluster_url, template, variants, folder, options, outcome, part_of(progress, 0.8, 1.0)
                )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, InputError) as error:
        if not measuring:
            raise
        outcome.endings.warning(f"the laboratory's databases could not be dropped ({error}); the next run does it")
    save(folder, variants, options, outcome)
    return result_in(folder)


def result_in(folder: RunFolder) -> LaboratoryResult:
    """What the laboratory has recorded in a run folder; there must be a record."""
    record = find_record(folder)
    assert record is not None, "the laboratory was at work in this folder"
    baseline = record.options["baseline"]
    return LaboratoryResult(
        record=record,
        baseline=baseline,
        cells=tuple(judge((line for line in folder.read_queries() if line.policy is None), baseline)),
        wrong=frozenset((item[0], item[1], item[2]) for item in record.options[WRONG_RESULTS]),
        cut_short=folder.read_manifest().cut_short,
    )


async def _grow(cluster_url: str, options: LaboratoryOptions, progress: Progress) -> Known:
    strategies = [named_strategy(name) for name in options.strategies]
    variants = check_request(strategies, options)
    await _check_disk(cluster_url, strategies, variants, options, sizes=options.sizes)
    findings = Findings()
    study = await climb_sizes(
        cluster_url,
        options.sizes,
        strategies,
        variants,
        seed=options.seed,
        statement_timeout_seconds=options.statement_timeout_seconds,
        findings=findings,
        progress=lambda step, _share: progress(step, 0.0),
    )
    return Known(study, findings)


async def _check_disk(
    cluster_url: str,
    strategies: Sequence[Strategy],
    variants: Sequence[Variant],
    options: LaboratoryOptions,
    *,
    sizes: Sequence[str],
) -> None:
    """InputError when data sets and copies of the comparison, and of growth over sizes before it, will not fit."""
    each = copy_count(strategies, variants)
    copies = [(size, each) for size in sizes] + [(options.size, each + _policy_copies(options))]
    async with connect(cluster_url) as connection:
        await check_disk_for_all(connection, cluster_url, copies, options.seed)


def _policy_copies(options: LaboratoryOptions) -> int:
    return len(policies()) if options.policies else 0


async def _units(arms: Sequence[Arm], statements: Sequence[Statement], outcome: Outcome) -> list[Unit]:
    """What to execute, with values from the data; statements without values go into the warnings."""
    cases = await arms[0].read_cases()
    units = []
    for statement in statements:
        found = units_of(statement, cases)
        if not found:
            unknown = unknown_parameters(statement, cases)
            outcome.findings.warning(
                f"statement {statement.name!r} is not measured: the laboratory has no values for "
                f"{', '.join(unknown) or 'its parameters together'} in this data set"
            )
        units += found
    return units


async def _measure(  # noqa: PLR0917 - one call, every name spelled there
    arms: Sequence[Arm],
    variants: Sequence[Variant],
    units: Sequence[Unit],
    folder: RunFolder,
    options: LaboratoryOptions,
    outcome: Outcome,
    progress: Progress,
) -> None:
    """Blocks until all are done, Ctrl-C, or the server's end; finished blocks are on disk in any case."""
    blocks = Blocks(arms, folder, outcome.findings, count=options.blocks, seed=options.seed, variants=variants)
    blocks.know_plans(line for line in folder.read_queries() if line.policy is None)
    try:
        fresh = await fresh_sizes(arms[0])  # before anything is tried out: what is taken back leaves dead rows
        measured = await blocks.try_out(units, options.executions, part_of(progress, 0.0, 0.1))
        outcome.details["on_one_core"] = blocks.on_one_core
        if outcome.blocks_finished:
            measured = _as_before(measured, outcome.details[EXECUTIONS_PER_UNIT])
            for block in range(outcome.blocks_finished if not outcome.causes_finished else 0):
                await blocks.write_again(block, measured, part_of(progress, 0.1, 0.3))
        elif options.studies:
            study = await study_before(
                arms, variants, measured, folder, findings=outcome.findings, progress=part_of(progress, 0.1, 0.3)
            )
            outcome.study = msgspec.structs.replace(
                study,
                growths=(*outcome.study.growths, *study.growths),
                scales=outcome.study.scales,
                design_sizes=fresh,
            )
        started = time.monotonic() - outcome.seconds  # the warm-up is over
        for block in range(outcome.blocks_finished, options.blocks):
            await blocks.run(block, measured, part_of(progress, 0.3, 0.8 if options.studies else 1.0))
            outcome.blocks_finished += 1
            outcome.details[EXECUTIONS_PER_UNIT] = {item.unit.title: item.executions for item in measured}
            outcome.seconds = time.monotonic() - started
            save(folder, variants, options, outcome)
        if options.studies and not outcome.causes_finished:
            await _study_after(arms, variants, measured, folder, options, outcome, part_of(progress, 0.8, 1.0))
    except asyncio.CancelledError:
        _note_interrupt(outcome)
    except LOST as error:
        outcome.endings.reason(f"PostgreSQL was lost in block {outcome.blocks_finished + 1} ({error}); see its log")
    _note_end(folder, options, outcome)


async def _study_after(  # noqa: PLR0917 - one call, every name spelled there
    arms: Sequence[Arm],
    variants: Sequence[Variant],
    measured: Sequence[MeasuredUnit],
    folder: RunFolder,
    options: LaboratoryOptions,
    outcome: Outcome,
    progress: Progress,
) -> None:
    """Causes and costs, once all blocks have written."""
    progress("looking for causes", 0.0)
    causes = await causes_of(arms, measured, folder, block_count=options.blocks, findings=outcome.findings)
    progress("looking for what indexes are used for", 0.1)
    uses = await index_uses(arms, measured, folder, outcome.findings)
    progress("building indexes again", 0.3)
    costs = await index_costs(arms, outcome.findings)
    progress("storing by several sessions", 0.9)
    outcome.study = msgspec.structs.replace(
        outcome.study,
        causes=causes,
        index_uses=uses,
        index_costs=costs,
        design_sizes=await churned_sizes(arms[0], outcome.study.design_sizes),
        storing=await store_at_once(arms[0], variants, outcome.findings),
    )
    outcome.causes_finished = True
    progress("dropping the copies", 1.0)


def _note_end(folder: RunFolder, options: LaboratoryOptions, outcome: Outcome) -> None:
    """What a reader has to know of how far the measuring got."""
    if not any(line.policy is None for line in folder.read_queries()):
        outcome.endings.reason("nothing was measured: no block was finished")
    elif outcome.blocks_finished < options.blocks:
        outcome.endings.warning(
            f"ended after {outcome.blocks_finished} of {options.blocks} blocks; `chatbench indexes --resume` goes on"
        )
    if 0 < outcome.blocks_finished < FEWEST_BLOCKS:
        outcome.endings.warning(
            f"a quick look, of fewer than {FEWEST_BLOCKS} blocks: its counters are exact, but its times have no bounds "
            f"and cannot tell strategies apart; for that, ask for --blocks {FEWEST_BLOCKS} or more"
        )


def _as_before(measured: Sequence[MeasuredUnit], executions: Mapping[str, int]) -> list[MeasuredUnit]:
    """The units that earlier sittings ended with, as often as then: executions are numbered through all blocks."""
    return [replace(item, executions=executions[item.unit.title]) for item in measured if item.unit.title in executions]


async def _measure_policies(  # noqa: PLR0917 - one call, every name spelled there
    cluster_url: str,
    template: str,
    variants: Sequence[Variant],
    folder: RunFolder,
    options: LaboratoryOptions,
    outcome: Outcome,
    progress: Progress,
) -> None:
    """The forms of row-level security, until Ctrl-C or the server's end; finished blocks are on disk in any case."""

    def block_finished() -> None:
        outcome.policy_blocks_finished += 1
        save(folder, variants, options, outcome)

    try:
        await compare_policies(
            cluster_url,
            template,
            folder,
            block_count=options.blocks,
            finished=outcome.policy_blocks_finished,
            seed=options.seed,
            findings=outcome.findings,
            block_finished=block_finished,
            progress=progress,
        )
    except asyncio.CancelledError:
        _note_interrupt(outcome)
    except LOST as error:
        outcome.endings.reason(f"PostgreSQL was lost while policies were compared ({error}); see its log")


def _note_interrupt(outcome: Outcome) -> None:
    task = asyncio.current_task()
    assert task is not None, "coroutines run in tasks"
    task.uncancel()  # what was measured is to be written and reported now
    outcome.cut_short = True


def _seconds_since(time_text: str) -> int:
    return max(0, round((datetime.now(UTC) - datetime.fromisoformat(time_text)).total_seconds()))
