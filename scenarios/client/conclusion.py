"""The end of a load run where its run folder is kept: the record, the ledgers, and a word to whoever watches."""

import sys
from collections.abc import Sequence
from typing import Any

from scenarios.accounts import Account, judge_accounts
from scenarios.client.run_record import RunRecord
from scenarios.merging import merged_counts, merged_ledgers
from scenarios.run_records import CountRecord, LedgerTotals, ScenarioRecord, WorkerRecord


def conclude(
    record: RunRecord,
    *,
    scenario: str,
    options: dict[str, Any],
    accounts: Sequence[Account],
    ledgers: Sequence[LedgerTotals] = (),
    workers: Sequence[WorkerRecord] = (),
    reasons: Sequence[str] = (),
    warnings: Sequence[str] = (),
    counts: Sequence[CountRecord] = (),
    cut_short: bool,
) -> ScenarioRecord:
    """Judges the accounts of all processes, and whatever else is known, and writes what came out."""
    judgement = judge_accounts(accounts)
    totals = merged_ledgers([*ledgers, *(one for account in accounts for one in account.ledgers)])
    seen = [account.observation for account in accounts if account.observation]
    written = ScenarioRecord(
        name=scenario,
        options=options,
        started_second=record.second(),
        seconds=max((account.seconds for account in accounts), default=0),
        started=sum(one.started for one in seen),
        late=sum(one.late for one in seen),
        dropped=sum(one.dropped for one in seen),
        failed=sum(sum(account.failures.values()) for account in accounts),
        model="closed" if any(account.model == "closed" for account in accounts) else "open",
        workers=list(workers),
        reasons=[*reasons, *judgement.reasons],
        warnings=[*warnings, *judgement.warnings],
        counts=merged_counts([*counts, *(one for account in accounts for one in account.counts)]),
    )
    record.finish(written, totals, cut_short=cut_short)
    _tell(record, written, totals)
    return written


def _tell(record: RunRecord, written: ScenarioRecord, ledgers: Sequence[LedgerTotals]) -> None:
    """Expected beside observed, and the verdict, for whoever watches the terminal."""
    write = sys.stderr.write
    for totals in ledgers:
        labels = " ".join(f"{name}={value}" for name, value in totals.labels.items())
        write(
            f"chatbench: {written.name} {labels}: expected {totals.expected} delivered {totals.delivered} "
            f"missing {totals.missing} duplicate {totals.duplicate} reordered {totals.reordered} "
            f"late {totals.late} leaked {totals.leaked} superseded {totals.superseded}\n"
        )
    for worker in written.workers:
        same = ", one host and one clock" if worker.same_host else ""
        write(
            f"chatbench: worker {worker.name}: {worker.users} users, clock {worker.clock_offset_us:+.0f} µs "
            f"± {worker.clock_error_us:.0f} µs{same}\n"
        )
    for warning in written.warnings:
        write(f"chatbench: warning: {warning}\n")
    for reason in written.reasons:
        write(f"chatbench: INVALID: {reason}\n")
    verdict = "INVALID" if written.reasons else "VALID"
    write(f"chatbench: {written.name} {verdict}, {written.seconds:g} s measured, in {record.folder.path}\n")
