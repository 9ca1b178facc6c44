"""What the laboratory's measuring has come to, also when it ends early; how it is kept in the run folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fixtures.manifest import DatasetManifest
from scenarios.queries.findings import Findings
from scenarios.queries.request import LaboratoryOptions
from scenarios.queries.variants import Variant
from scenarios.queries.verdicts import CONFIDENCE, MARGIN_SHARE
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord
from scenarios.study import OPTION, SCENARIO, WRONG_RESULTS, Study

# Names in the record's options that a later sitting reads, too.
TEMPLATE, EXECUTIONS_PER_UNIT = "template", "executions_per_unit"
BLOCKS_FINISHED, POLICY_BLOCKS_FINISHED = "blocks_finished", "policy_blocks_finished"
CAUSES_FINISHED, ENDED_WITH, SITTINGS = "causes_finished", "ended_with", "sittings"


@dataclass
class Outcome:
    """What the measuring has come to."""

    started_second: int  # since the run's start
    findings: Findings = field(default_factory=Findings)
    endings: Findings = field(default_factory=Findings)  # why it stopped; void once it is continued
    details: dict[str, Any] = field(default_factory=dict)  # for the record's options
    study: Study = field(default_factory=Study)
    dataset: DatasetManifest | None = None
    settings: dict[str, str] = field(default_factory=dict)
    blocks_finished: int = 0
    policy_blocks_finished: int = 0
    causes_finished: bool = False  # and what else is looked into after the blocks
    sittings: list[int] = field(default_factory=lambda: [0])  # the blocks finished at the beginning of each
    seconds: float = 0.0
    cut_short: bool = False


def is_whole(options: LaboratoryOptions, recorded: dict[str, Any]) -> bool:
    """True when everything that was asked for has been measured, by a record's options."""
    return (
        recorded[BLOCKS_FINISHED] == options.blocks
        and (recorded[CAUSES_FINISHED] or not options.studies)
        and (recorded[POLICY_BLOCKS_FINISHED] == options.blocks or not options.policies)
    )


def save(folder: RunFolder, variants: Sequence[Variant], options: LaboratoryOptions, outcome: Outcome) -> None:
    """Puts the record into run.json, in the place of an earlier one, and what nobody else has recorded yet."""
    manifest = folder.read_manifest()
    record = _record(folder, variants, options, outcome)
    manifest.scenarios = [*(item for item in manifest.scenarios if item.name != SCENARIO), record]
    manifest.cut_short = manifest.cut_short or outcome.cut_short
    manifest.dataset = manifest.dataset or outcome.dataset
    manifest.postgres_settings = manifest.postgres_settings or outcome.settings
    folder.write_manifest(manifest)


def _record(
    folder: RunFolder, variants: Sequence[Variant], options: LaboratoryOptions, outcome: Outcome
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
            BLOCKS_FINISHED: outcome.blocks_finished,
            POLICY_BLOCKS_FINISHED: outcome.policy_blocks_finished,
            CAUSES_FINISHED: outcome.causes_finished,
            SITTINGS: outcome.sittings,
            ENDED_WITH: [*outcome.endings.reasons, *outcome.endings.warnings],
            "executions": options.executions,
            "statement_timeout_seconds": options.statement_timeout_seconds,
            OPTION: msgspec.to_builtins(outcome.study),
            "confidence": CONFIDENCE,
            "margin_share": MARGIN_SHARE,
            WRONG_RESULTS: [list(item) for item in sorted(outcome.findings.wrong)],
        },
        started_second=outcome.started_second,
        seconds=outcome.seconds,
        started=sum(len(line.latency_us) for line in folder.read_queries()),
        reasons=[*outcome.findings.reasons, *outcome.endings.reasons],
        warnings=[*outcome.findings.warnings, *outcome.endings.warnings],
    )
