"""The query laboratory: index strategies against each other, on the statements that the server really executes.

One database per strategy, cloned from one template, all alive at once; each statement visits them in turn, block
after block. Counters (buffers, WAL, HOT) are exact; times are confirmed over blocks.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from fixtures.errors import InputError
from fixtures.manifest import DatasetManifest
from fixtures.progress import Progress, silent
from fixtures.sizes import find_size
from reference_server.seed import ensure_template
from reference_server.statements import NOTHING, Statement, Strategy, find_strategy
from scenarios.queries.arm import Arm
from scenarios.queries.arms import open_arms
from scenarios.queries.blocks import LOST, Blocks
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import Unit, units_of, unknown_parameters
from scenarios.queries.policies import compare_policies, policies
from scenarios.queries.scale import climb_sizes
from scenarios.queries.studies import causes_of, index_costs, index_uses, study_before
from scenarios.queries.variants import Variant, questions, read_variant, server_variants, shipped_variants
from scenarios.queries.verdicts import CONFIDENCE, MARGIN_SHARE, Cell, judge
from scenarios.run_folder import RunFolder, ScenarioRecord
from scenarios.study import OPTION, Growth, Study

SCENARIO = "queries"
# Statements that are left out, and why.
UNMEASURED_STATEMENTS = {
    "set_claims": "prepares a session and reads no chat data",
    # Each execution needs a state that the one before has used up; the rows they touch are add_participant's.
    "remove_participant": "can be done once per participant",
    "set_role": "can be done once per participant",
    "leave_group": "can be done once per participant",
    "update_group": "writes one row by its key, as a send does",
    # On connections of their own and with other rights than a user's.
    **dict.fromkeys(
        (
            "backfill_connection",
            "change_migration",
            "finish_backfill",
            "get_migration",
            "list_unmigrated_connections",
            "pass_over_connection",
            "set_migration_pace",
            "set_rollout",
            "validate_users",
            "verify_migration",
        ),
        "asked by operators and by the migration's background work",
    ),
}


@dataclass(frozen=True, kw_only=True)
class LaboratoryOptions:
    """What to compare and how; recorded with the run."""

    strategies: tuple[str, ...] = ("none", "roadmap")  # names or .sql files; the first is the baseline
    statements: tuple[str, ...] | None = None  # names; None for every statement of the server
    questions: tuple[str, ...] = ()  # whose shipped variants are measured beside them
    statement_files: tuple[str, ...] = ()  # statements of one's own
    size: str = "small"
    seed: int = 1
    blocks: int = 6  # five give at best a 93.75 % interval of the median, by signs; six give 96.9 %
    executions: int = 40  # per statement, parameter class, strategy and block; slow ones get fewer
    statement_timeout_seconds: float = 10.0
    studies: bool = False  # walks, growth, plan modes and causes beside the blocks
    sizes: tuple[str, ...] = ()  # data sets over which the statements' growth is followed, by counters alone
    policies: bool = False  # forms of row-level security against each other, after the blocks


@dataclass(frozen=True)
class LaboratoryResult:
    """What a comparison found; the same figures are in the run folder."""

    record: ScenarioRecord
    baseline: str
    cells: tuple[Cell, ...]
    wrong: frozenset[tuple[str, str, str]]  # (statement, parameter class, strategy) that returned other rows
    cut_short: bool


@dataclass
class _Outcome:
    """What the measuring has come to, also when it ends early."""

    findings: Findings = field(default_factory=Findings)
    details: dict[str, Any] = field(default_factory=dict)  # for the record's options
    study: Study = field(default_factory=Study)
    dataset: DatasetManifest | None = None
    settings: dict[str, str] = field(default_factory=dict)
    blocks_finished: int = 0
    executions: int = 0
    seconds: float = 0.0
    cut_short: bool = False


def run_laboratory(
    options: LaboratoryOptions, cluster_url: str, folder: RunFolder, progress: Progress = silent
) -> LaboratoryResult:
    """The comparison that the options ask for, from a program without an event loop; see `compare`."""
    strategies = [find_strategy(name) for name in options.strategies]
    return asyncio.run(compare(cluster_url, folder, strategies, options, progress))


async def compare(
    cluster_url: str,
    folder: RunFolder,
    strategies: Sequence[Strategy],
    options: LaboratoryOptions,
    progress: Progress = silent,
) -> LaboratoryResult:
    """Compares strategies on the options' data set; InputError when nothing can be compared.

    `cluster_url` is an administrator's; the databases are made beside the one it names and dropped at the end.
    """
    variants = check_request(strategies, options)
    seeding = part_of(progress, 0.0, 0.3)
    template = await ensure_template(cluster_url, options.size, options.seed, NOTHING, progress=seeding)
    findings = Findings()
    growths: list[Growth] = []
    if options.sizes:
        growths = await climb_sizes(
            cluster_url,
            options.sizes,
            strategies,
            variants,
            seed=options.seed,
            statement_timeout_seconds=options.statement_timeout_seconds,
            findings=findings,
            progress=lambda step, _share: progress(step, 0.3),
        )
    return await compare_on_template(
        cluster_url,
        template,
        folder,
        strategies,
        options,
        known=Study(growths=tuple(growths)),
        findings=findings,
        progress=part_of(progress, 0.3, 1.0),
    )


async def compare_on_template(
    cluster_url: str,
    template: str,
    folder: RunFolder,
    strategies: Sequence[Strategy],
    options: LaboratoryOptions,
    *,
    known: Study | None = None,
    findings: Findings | None = None,
    progress: Progress = silent,
) -> LaboratoryResult:
    """Compares strategies on copies of a database that chatbench seeded; nobody may be connected to it.

    The lines go into the folder block by block. The record goes into its run.json at the end, which Ctrl-C only
    brings forward. What is known and found already goes into it, too.
    """
    variants = check_request(strategies, options)
    started_second = _seconds_since(folder.read_manifest().started_at)
    outcome = _Outcome(details={"template": template}, study=known or Study(), findings=findings or Findings())
    measuring = False
    try:
        async with open_arms(
            cluster_url,
            template,
            strategies,
            variants,
            other_copies=len(policies()) if options.policies else 0,
            findings=outcome.findings,
            statement_timeout_seconds=options.statement_timeout_seconds,
            progress=part_of(progress, 0.0, 0.1),
        ) as opened:
            arms, variants = opened.arms, opened.variants
            outcome.dataset, outcome.settings = await arms[0].dataset(), await arms[0].settings()
            outcome.details["template_bytes"] = opened.template_bytes
            outcome.details["baseline"] = arms[0].name
            outcome.details["strategies"] = {arm.name: arm.description() for arm in arms}
            units = await _units(arms, [variant.statement for variant in variants], outcome)
            measuring = True
            await _measure(arms, variants, units, folder, options, outcome, part_of(progress, 0.1, 0.8))
            if options.policies and outcome.blocks_finished == options.blocks:
                await _measure_policies(cluster_url, template, folder, options, outcome, part_of(progress, 0.8, 1.0))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, InputError) as error:
        if not measuring:
            raise
        outcome.findings.warning(f"the laboratory's databases could not be dropped ({error}); the next run does it")
    record = _record(variants, options, outcome, started_second)
    _save(folder, record, outcome)
    baseline = record.options["baseline"]
    return LaboratoryResult(
        record=record,
        baseline=baseline,
        cells=tuple(judge((line for line in folder.read_queries() if line.policy is None), baseline)),
        wrong=frozenset(outcome.findings.wrong),
        cut_short=outcome.cut_short,
    )


def measured_statements() -> dict[str, Variant]:
    """The server's statements that the laboratory compares, by name."""
    return {name: item for name, item in server_variants().items() if name not in UNMEASURED_STATEMENTS}


def check_request(strategies: Sequence[Strategy], options: LaboratoryOptions) -> list[Variant]:
    """The statements to measure; InputError when the request makes no sense, before anything is made."""
    names = [strategy.name for strategy in strategies]
    if not names:
        raise InputError("no index strategy to compare; name at least one, such as none")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"index strategy {repeated[0]!r} is named twice; give each strategy once")
    if options.blocks < 1 or options.executions < 1:
        raise InputError(
            f"{options.blocks} blocks of {options.executions} executions measure nothing; ask for at least 1 of each"
        )
    if options.statement_timeout_seconds <= 0:
        raise InputError(f"a statement timeout of {options.statement_timeout_seconds:g} s ends every statement")
    for size in options.sizes:
        find_size(size)
    return _asked_statements(options)


def _asked_statements(options: LaboratoryOptions) -> list[Variant]:
    server = measured_statements()
    available = server | shipped_variants()
    asked = [*server] if options.statements is None else [*options.statements]
    unknown = [name for name in asked if name not in available]
    if unknown or not (asked or options.questions or options.statement_files):
        raise InputError(f"no statement named {(unknown or [''])[0]!r}; choose from {', '.join(available)}")
    for question in options.questions:
        if question not in questions():
            raise InputError(f"no question named {question!r}; choose from {', '.join(questions())}")
        asked += questions()[question]
    chosen = {name: available[name] for name in asked}
    for path in options.statement_files:
        own = read_variant(Path(path))
        if own.name in available or own.name in chosen:
            raise InputError(f"statement {own.name!r} of {path} is there already; give the file another name")
        chosen[own.name] = own
    return list(chosen.values())


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """The progress of a part of the work, which runs from one share of the whole to another."""
    return lambda step, share: progress(step, start + (end - start) * share)


async def _units(arms: Sequence[Arm], statements: Sequence[Statement], outcome: _Outcome) -> list[Unit]:
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
    outcome: _Outcome,
    progress: Progress,
) -> None:
    """Blocks until all are done, Ctrl-C, or the server's end; finished blocks are on disk in any case."""
    blocks = Blocks(arms, folder, outcome.findings, count=options.blocks, seed=options.seed, variants=variants)
    started = time.monotonic()
    try:
        measured = await blocks.try_out(units, options.executions, part_of(progress, 0.0, 0.1))
        outcome.details["executions_per_unit"] = {item.unit.title: item.executions for item in measured}
        if options.studies:
            study = await study_before(
                arms, variants, measured, folder, findings=outcome.findings, progress=part_of(progress, 0.1, 0.3)
            )
            outcome.study = msgspec.structs.replace(study, growths=(*outcome.study.growths, *study.growths))
        started = time.monotonic()  # the warm-up is over
        for block in range(options.blocks):
            outcome.executions += await blocks.run(block, measured, part_of(progress, 0.3, 1.0))
            outcome.blocks_finished += 1
        if options.studies:
            causes = await causes_of(arms, measured, folder, block_count=options.blocks, findings=outcome.findings)
            outcome.study = msgspec.structs.replace(
                outcome.study,
                causes=causes,
                index_uses=await index_uses(arms, folder),
                index_costs=await index_costs(arms, outcome.findings),
            )
    except asyncio.CancelledError:
        _note_interrupt(outcome)
    except LOST as error:
        outcome.findings.reason(f"PostgreSQL was lost in block {outcome.blocks_finished + 1} ({error}); see its log")
    outcome.seconds = time.monotonic() - started
    if not outcome.executions:
        outcome.findings.reason("nothing was measured: no block was finished")
    elif outcome.blocks_finished < options.blocks:
        outcome.findings.warning(f"ended after {outcome.blocks_finished} of {options.blocks} blocks")


async def _measure_policies(  # noqa: PLR0917 - one call, every name spelled there
    cluster_url: str,
    template: str,
    folder: RunFolder,
    options: LaboratoryOptions,
    outcome: _Outcome,
    progress: Progress,
) -> None:
    """The forms of row-level security, until Ctrl-C or the server's end; finished blocks are on disk in any case."""
    try:
        outcome.executions += await compare_policies(
            cluster_url,
            template,
            folder,
            block_count=options.blocks,
            seed=options.seed,
            findings=outcome.findings,
            progress=progress,
        )
    except asyncio.CancelledError:
        _note_interrupt(outcome)
    except LOST as error:
        outcome.findings.reason(f"PostgreSQL was lost while policies were compared ({error}); see its log")


def _note_interrupt(outcome: _Outcome) -> None:
    task = asyncio.current_task()
    assert task is not None, "coroutines run in tasks"
    task.uncancel()  # what was measured is to be written and reported now
    outcome.cut_short = True


def _record(
    variants: Sequence[Variant], options: LaboratoryOptions, outcome: _Outcome, started_second: int
) -> ScenarioRecord:
    return ScenarioRecord(
        name=SCENARIO,
        options={
            **outcome.details,
            "size": options.size,
            "seed": options.seed,
            "statements": {variant.name: variant.statement.purpose for variant in variants},
            "questions": {variant.name: variant.question for variant in variants if variant.question is not None},
            "blocks": options.blocks,
            "blocks_finished": outcome.blocks_finished,
            "executions": options.executions,
            "statement_timeout_seconds": options.statement_timeout_seconds,
            OPTION: msgspec.to_builtins(outcome.study),
            "confidence": CONFIDENCE,
            "margin_share": MARGIN_SHARE,
            "wrong_results": [list(item) for item in sorted(outcome.findings.wrong)],
        },
        started_second=started_second,
        seconds=outcome.seconds,
        started=outcome.executions,
        reasons=outcome.findings.reasons,
        warnings=outcome.findings.warnings,
    )


def _save(folder: RunFolder, record: ScenarioRecord, outcome: _Outcome) -> None:
    """Puts the record into run.json, in the place of an earlier one, and what nobody else has recorded yet."""
    manifest = folder.read_manifest()
    manifest.scenarios = [*(item for item in manifest.scenarios if item.name != record.name), record]
    manifest.cut_short = manifest.cut_short or outcome.cut_short
    manifest.dataset = manifest.dataset or outcome.dataset
    manifest.postgres_settings = manifest.postgres_settings or outcome.settings
    folder.write_manifest(manifest)


def _seconds_since(time_text: str) -> int:
    return max(0, round((datetime.now(UTC) - datetime.fromisoformat(time_text)).total_seconds()))
