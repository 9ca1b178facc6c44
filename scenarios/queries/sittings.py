"""Measuring in more than one sitting: a run of the laboratory that was ended continues where it stopped.

Everything that is finished stands in the run folder: the record says how many blocks, queries.jsonl has their lines,
sql/ the files that were given. What was begun and not finished is measured anew.
"""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from fixtures.errors import InputError
from scenarios.provenance import current_commit, host_fingerprint, versions
from scenarios.queries import outcome as recorded
from scenarios.queries.findings import Findings
from scenarios.queries.outcome import Outcome, is_whole
from scenarios.queries.request import LaboratoryOptions
from scenarios.queries.variants import read_variant
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord
from scenarios.study import SCENARIO, WRONG_RESULTS, study_of

_ANEW = "start it anew, without --resume"


def keep_files(options: LaboratoryOptions, folder: RunFolder) -> LaboratoryOptions:
    """The options with the copies of one's own .sql files that the run folder keeps."""
    for path in map(Path, options.statement_files):
        setup = read_variant(path).setup
        if setup is not None and setup.parent != path.resolve().parent:
            raise InputError(f"the set-up {setup.name} of {path} lies elsewhere; put it beside the statement")
        for file in (path, setup) if setup is not None else (path,):
            _copy(file, _kept(folder, "statements", file))
    for name in options.strategies:
        if name.endswith(".sql"):
            _copy(Path(name), _kept(folder, "strategies", Path(name)))
    return _with_kept_files(options, folder)


def unfinished_options(folder: RunFolder) -> LaboratoryOptions:
    """What a run was asked for that has something left to measure.

    InputError when it has not, is of another kind, or was measured by another chatbench or on another machine.
    """
    manifest = folder.read_manifest()
    record = find_record(folder)
    if manifest.title != SCENARIO:
        raise InputError(
            f"{folder.path} is a run of {manifest.title!r}, and only one of `chatbench indexes` can be continued"
        )
    if record is None:
        raise InputError(f"{folder.path} holds no finished block to continue from; {_ANEW}")
    try:
        options = msgspec.convert(manifest.options["laboratory"], LaboratoryOptions)
        whole = is_whole(options, record.options)
    except (KeyError, msgspec.ValidationError) as error:
        raise InputError(f"{folder.path} was made by a chatbench that could not continue runs; {_ANEW}") from error
    if whole:
        raise InputError(f"{folder.path} has all of its {options.blocks} blocks; there is nothing to continue")
    for what, then, now in (
        ("commit of chatbench", manifest.commit, current_commit()),
        ("set of packages", manifest.versions, versions()),
        ("machine", manifest.host, host_fingerprint()),
    ):
        if then != now:
            raise InputError(
                f"{folder.path} was measured with a different {what} ({_difference(then, now)}): "
                f"its blocks would not be comparable; {_ANEW}"
            )
    return _with_kept_files(options, folder)


def find_record(folder: RunFolder) -> ScenarioRecord | None:
    """What earlier sittings have recorded; None when this is the first."""
    return next((item for item in folder.read_manifest().scenarios if item.name == SCENARIO), None)


def taken_up(folder: RunFolder, record: ScenarioRecord, outcome: Outcome) -> Outcome:
    """The outcome of earlier sittings, to be added to; the run counts as going on from now.

    InputError, and the folder stays as it is, when data or server are not what they were.
    """
    manifest, known = folder.read_manifest(), record.options
    for what, then, now in (
        ("data set", known[recorded.TEMPLATE], outcome.details[recorded.TEMPLATE]),
        ("PostgreSQL", manifest.postgres_settings, outcome.settings),
    ):
        if then != now:
            raise InputError(
                f"{folder.path} was measured with a different {what} ({_difference(then, now)}): "
                f"its blocks would not be comparable; {_ANEW}"
            )
    finished, policies_finished = known[recorded.BLOCKS_FINISHED], known[recorded.POLICY_BLOCKS_FINISHED]
    # A block that was written and not recorded is measured again: it must not count twice.
    folder.replace_queries([
        line for line in folder.read_queries() if line.block < (finished if line.policy is None else policies_finished)
    ])  # fmt: skip
    manifest.finished_at, manifest.verdict, manifest.reasons, manifest.cut_short = None, "INVALID", [], False
    folder.write_manifest(manifest)
    ended = set(known[recorded.ENDED_WITH])
    findings = Findings(
        reasons=[sentence for sentence in record.reasons if sentence not in ended],
        warnings=[sentence for sentence in record.warnings if sentence not in ended],
        wrong={(item[0], item[1], item[2]) for item in known[WRONG_RESULTS]},
    )
    findings.add(outcome.findings)
    findings.warning(f"measured in more than one sitting: continued after {finished} finished blocks")
    return replace(
        outcome,
        started_second=record.started_second,
        findings=findings,
        details={**known, **outcome.details},
        study=study_of(known),
        blocks_finished=finished,
        policy_blocks_finished=policies_finished,
        causes_finished=known[recorded.CAUSES_FINISHED],
        sittings=[*known[recorded.SITTINGS], finished],
        seconds=record.seconds,
    )


def _kept(folder: RunFolder, kind: str, file: Path) -> Path:
    return folder.path / "sql" / kind / file.name


def _copy(file: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    except OSError as error:
        raise InputError(
            f"cannot keep a copy of {file} in {target.parent}: {error.strerror}; "
            "make room or choose another folder with --out"
        ) from error


def _with_kept_files(options: LaboratoryOptions, folder: RunFolder) -> LaboratoryOptions:
    def kept(kind: str, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(str(_kept(folder, kind, Path(name))) if name.endswith(".sql") else name for name in names)

    return replace(
        options,
        strategies=kept("strategies", options.strategies),
        statement_files=kept("statements", options.statement_files),
    )


def _difference(then: Any, now: Any) -> str:
    """The first value that changed: `fsync: on then, off now`."""
    if isinstance(then, dict) and isinstance(now, dict):
        name = next(name for name in {**then, **now} if then.get(name) != now.get(name))
        return f"{name}: {then.get(name)} then, {now.get(name)} now"
    return f"{then} then, {now} now"
