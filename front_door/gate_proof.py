"""How `chatbench doctor --gate` measures the gate's trials and shows what they come to."""

from pathlib import Path
from typing import Any

import typer

from fixtures.errors import InputError
from front_door.endings import print_json, progress_bar, whole_imports


def measure_proof(
    file: Path,
    pairs: dict[str, Any],
    out: Path,
    database_url: str | None,
    *,
    is_full: bool,
    minutes: float | None,
) -> None:
    """Measures the trials that the file lacks, and adds them to it; `pairs` says how: rounds, round_seconds, rate."""
    with whole_imports():
        from reports.gate.duet import judge_duet, needs_confirmation, read_duet
        from reports.gate.trial_reading import trial_record
        from scenarios.ab import BLOCKS, AbOptions
        from scenarios.gate_trials import Session, measure_trials
        from scenarios.trial_records import FULL, QUICK

    given = "".join(f" --{name.replace('_', '-')} {value:.12g}" for name, value in pairs.items())
    session = Session(
        file=file,
        command=f"chatbench doctor --gate{' --full' if is_full else ''}{given}",
        record_of=trial_record,
        needs_confirmation=lambda run: needs_confirmation(judge_duet(read_duet(run), BLOCKS)),
        seconds=None if minutes is None else minutes * 60,
    )
    options = AbOptions(**pairs, out=out, database_url=database_url)
    with progress_bar() as progress:
        measure_trials(options, FULL if is_full else QUICK, session, progress)


def show_proof(file: Path, *, document: Path | None, as_json: bool) -> None:
    """Prints what the gate's trials in a file show, and writes it into a document; exit code 1 when an aim is missed.

    InputError for a file without trials, or a document without a place for them.
    """
    with whole_imports():
        from reports.gate import proof_document
        from reports.gate.proof import prove
        from scenarios.ab import BLOCKS, CONFIRMING_BLOCKS
        from scenarios.gate_trials import TRIALS
        from scenarios.trial_records import read_records

    records = read_records(file)
    if not records:
        raise InputError(f"{file} holds no trial of the gate; measure with: chatbench doctor --gate")
    proof = prove(records, TRIALS, BLOCKS, CONFIRMING_BLOCKS)
    section = proof_document.markdown(proof)
    if document is not None:
        written = proof_document.with_section(document.read_text(encoding="utf-8"), section)
        if written is None:
            raise InputError(
                f"{document} has no place for it; put {proof_document.BEGIN} and {proof_document.END} there"
            )
        document.write_text(written, encoding="utf-8")
    if as_json:
        print_json(proof_document.document(proof))
    else:
        print(section)  # noqa: T201 - standard output is for results
    if not proof.is_met:
        raise typer.Exit(1)
