"""Contract: what the trials of the gate came to on one machine, one line each; sessions add up in one file.

A line holds every round that counted, so decisions can be drawn and documents checked without the run folders.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fixtures.errors import InputError, RunInvalidError

FORMAT_VERSION = 1
EFFECTS = (0.10, 0.20)  # of the median: what a slow-down is to come to
EFFECT_TOLERANCE = 0.2  # of the effect: one that came to 8 to 12 % counts as one of 10 %


class Trial(msgspec.Struct, frozen=True):
    """What a duet is to show."""

    name: str  # A/A, or what was slow
    effect: float = 0.0  # of the operation's median, that was meant
    metric: str = ""  # that has to show it
    is_calibration: bool = False  # too short to decide: it finds the delay that has the effect


@dataclass(frozen=True)
class Amount:
    """How many real decisions there are to be, earlier sessions included."""

    identical: int
    slowed: int  # of each slow-down and effect

    def of(self, trial: Trial) -> int:
        """Those of one trial."""
        return self.slowed if trial.effect else self.identical


QUICK = Amount(identical=1, slowed=1)
FULL = Amount(identical=20, slowed=10)


class StoredCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How often a stored baseline called identical code different."""

    pairs: int  # of a stored and a new block
    comparisons: int  # pairs × operations
    mean_failures: int  # comparisons that the rule of means fails
    mean_failed_pairs: int  # pairs of which at least one operation fails: what a CI run shows
    rank_differences: int  # comparisons that the rank test calls different
    rank_different_pairs: int


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One duet of the gate's trials."""

    format_version: int = FORMAT_VERSION
    trial: Trial
    run_id: str
    started_at: str  # UTC, ISO 8601
    finished_at: str
    seconds: float  # from the command's beginning of it to its end: data sets, copies and servers included
    commit: str | None
    host: dict[str, Any]
    command: str
    rate: float  # pairs per second
    judging: int  # blocks that judge; what follows in `blocks` confirms
    readers: list[str]  # ids of the users that the duet read as
    delay: str | None = None  # the head's setting
    delay_ms: float = 0.0  # over all requests, those that do not meet it included
    base_ms: dict[str, float]  # operation → the base's median
    effect: float | None = None  # what head's p50 of the slowed operation was longer by, as a share, and its interval
    effect_low: float | None = None
    effect_high: float | None = None
    verdict: str
    slower: list[str]  # metrics that were called REGRESSED
    more: list[str] = []  # counters that were; what a record of before does not say, its verdict holds
    reasons: list[str]  # why it judges nothing
    replaced: list[str]  # late blocks, and why
    blocks: list[dict[str, list[tuple[float, float, int]]]]  # metric → (base ms, head ms, operations) of each round
    stored: StoredCounts | None = None  # of identical arms

    @property
    def is_decision(self) -> bool:
        """Whether it judged something."""
        return not self.trial.is_calibration and self.verdict != "INVALID"

    @property
    def meant_for(self) -> Trial:
        """The trial that it was to be."""
        return Trial(self.trial.name, self.trial.effect, self.trial.metric)

    @property
    def counts_for(self) -> Trial | None:
        """The trial that it is one of, by what the slow-down really came to; None when by none that is asked for.

        Where nothing was measured, it is what was meant.
        """
        trial = self.trial
        if not trial.effect or self.effect is None:
            return self.meant_for
        near = [effect for effect in EFFECTS if abs(self.effect / effect - 1) <= EFFECT_TOLERANCE]
        return Trial(trial.name, near[0], trial.metric) if near else None


def read_records(path: Path) -> list[TrialRecord]:
    """The lines of a file, in their order; nothing when it is not there. InputError names a line that is damaged."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; name another file with --record") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            record = msgspec.json.decode(line, type=TrialRecord)
        except msgspec.DecodeError as error:
            raise InputError(f"{path} line {number} is no record of a trial ({error}); remove that line") from error
        if record.format_version != FORMAT_VERSION:
            raise InputError(
                f"{path} line {number} has format {record.format_version} and this chatbench reads {FORMAT_VERSION}; "
                "name another file with --record"
            )
        found.append(record)
    check_one_machine(path, found)
    return found


def append_record(path: Path, record: TrialRecord) -> None:
    """Adds a line, whole or not at all; InputError when the others are of another machine.

    RunInvalidError for a record that could not be read again: it would cost all others.
    """
    check_one_machine(path, [*read_records(path), record])
    line = msgspec.json.encode(record)
    try:
        msgspec.json.decode(line, type=TrialRecord)
    except msgspec.DecodeError as error:
        raise RunInvalidError(
            f"the trial in {record.run_id} holds a value that is none ({error}) and is not added; run it again"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(line + b"\n")
        os.fsync(file.fileno())


def check_one_machine(path: Path, records: Sequence[TrialRecord]) -> None:
    """InputError when the records are of several machines: how often a gate is right is a property of one."""
    machines = sorted({f"{one.host.get('cores')} cores of {one.host.get('cpu')}" for one in records})
    if len(machines) > 1:
        raise InputError(f"{path} holds trials of {' and of '.join(machines)}; name another file with --record")
