"""Contract: what each process of a load run says of itself in the end, and the verdict on the run by it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from scenarios.generator_health import Judgement, Observation, judge, judge_figures
from scenarios.run_records import CountRecord, LedgerTotals


class Account(msgspec.Struct, kw_only=True):
    """One generator process's testimony."""

    worker: str
    seconds: float  # measured
    observation: Observation | None  # None: it ended before anything was measured
    failures: dict[str, int]  # problem → how often, of timed operations
    connect_failures: dict[str, int]  # users who were never there
    reconnect_failures: dict[str, int]
    closes: dict[str, int]  # gateway connections that ended unasked
    model: Literal["open", "closed"]
    reasons: list[str]
    warnings: list[str]
    ledgers: list[LedgerTotals]
    counts: list[CountRecord] = []

    @property
    def started(self) -> int:
        """Operations begun."""
        return self.observation.started if self.observation else 0


@dataclass(frozen=True)
class LostWorker:
    """A worker that ended before the run did."""

    name: str
    how: str  # and when
    users: int
    last_seconds: float  # how far into the measured time it was last heard of


def judge_lost(lost: Sequence[LostWorker], *, worker_count: int, user_count: int, seconds: float) -> Judgement:
    """What a run of so many workers, users and measured seconds is worth without those that it lost.

    What the others saw counts: they took their part of the load and kept their users' books until the end. INVALID is
    a run whose load was no longer the one that was asked for, or that nobody is left of.
    """
    reasons, warnings = [], []
    missing = 0.0  # users × seconds
    for worker in lost:
        without = max(0.0, seconds - worker.last_seconds)
        missing += worker.users * without
        warnings.append(
            f"worker {worker.name} of {worker_count} {worker.how}: {worker.users} of {user_count} users and 1/"
            f"{worker_count} of the arrivals were missing for {without:.1f} of {seconds:.1f} s, and what its users "
            "received is in no books; the other workers' count"
        )
    if len(lost) == worker_count:
        reasons.append(f"all {worker_count} workers were lost, and their books with them")
    share = 100 * missing / max(user_count * seconds, 1e-9)
    judgement = judge_figures({"lost_load_share_percent": share if lost else 0.0})
    return Judgement((*reasons, *judgement.reasons), (*warnings, *judgement.warnings))


def total(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Several processes' counts, added up."""
    added: Counter[str] = Counter()
    for one in counts:
        added.update(one)
    return added


def judge_accounts(accounts: Sequence[Account]) -> Judgement:
    """The judgement of a run by its processes' accounts: each one's health by itself, what was asked for altogether."""
    reasons, warnings = _said(accounts)
    started = sum(one.started for one in accounts)
    failures = total(one.failures for one in accounts)
    if accounts and not started and all(one.observation for one in accounts):
        reasons.append("no operation was started")
    elif failures and failures.total() == started:
        reasons.append(f"every operation failed: {most_common(failures)}")
    elif failures:
        warnings.append(f"{failures.total()} operations failed: {most_common(failures)}")
    if absent := total(one.connect_failures for one in accounts):
        reasons.append(f"{absent.total()} users could not connect: {most_common(absent)}")
    if again := total(one.reconnect_failures for one in accounts):
        warnings.append(f"{again.total()} attempts to reconnect failed: {most_common(again)}")
    if closes := total(one.closes for one in accounts):
        warnings.append(f"{closes.total()} gateway connections ended unasked: {most_common(closes)}")
    return Judgement(tuple(reasons), tuple(warnings))


def _said(accounts: Sequence[Account]) -> tuple[list[str], list[str]]:
    """What the processes say themselves and their health says of them, each with its worker's name if not all do."""
    reasons: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    for account in accounts:
        own_reasons = list(account.reasons)
        own_warnings = list(account.warnings)
        if account.observation is None:
            own_reasons.append("it ended before anything was measured")
        else:
            health = judge(account.observation)
            own_reasons += health.reasons
            own_warnings += health.warnings
        for sentence in own_reasons:
            reasons.setdefault(sentence, []).append(account.worker)
        for sentence in own_warnings:
            warnings.setdefault(sentence, []).append(account.worker)
    everyone = [account.worker for account in accounts]
    return _named(reasons, everyone), _named(warnings, everyone)


def _named(sentences: Mapping[str, list[str]], everyone: list[str]) -> list[str]:
    return [
        sentence if set(workers) == set(everyone) else f"worker {', '.join(dict.fromkeys(workers))}: {sentence}"
        for sentence, workers in sentences.items()
    ]


def most_common(problems: Counter[str]) -> str:
    """The problems that were met most, with how often."""
    return "; ".join(f"{problem} ({count} times)" for problem, count in problems.most_common(3))
