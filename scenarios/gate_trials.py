"""Real duets by which the gate proves itself: identical arms, and arms of which one is slow on purpose.

    A/A ─▶ the base's medians ─▶ delays, calibrated by what they come to in short duets ─▶ one duet per decision

Every duet is a run folder like any other, and a line in the machine's file of trials: sessions add up there.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any
from uuid import UUID

import msgspec

from fixtures.errors import InputError, RunInvalidError
from fixtures.progress import Progress
from reference_server.injected_delay import InjectedDelay
from scenarios.ab import CONFIRMING_BLOCKS, AbOptions, ab_run
from scenarios.trial_records import EFFECTS, Amount, Trial, TrialRecord, append_record, read_records

THIS = "."
RATE = 210.0  # pairs/s, measured: a quarter of what 2 cores managed; at half, both arms' p99 was 50 times their p50
ROUND_SECONDS = 5.0  # computed: 262 of each operation at that rate, and 200 are needed
SHORTEST_MS = 0.001  # of a delay, as it is written
CALIBRATIONS_MAX = 4  # guess: the effect is nearly linear in the delay, so two or three find it
CALIBRATED = 0.12  # of the effect: so near it has to come; it counts up to 20 %
_POINTS = 6  # of the effect over the delay, the newest: what a machine manages changes with the hour
# One block of 1 000 of each operation; the median needs no 200 of them in a round.
_CALIBRATION: dict[str, Any] = {"blocks": 1, "rounds": 10, "round_seconds": 2.0}
_SLOPES = (0.4, 4.0)  # guess: of the effect over the delay; outside, the points are noise


@dataclass(frozen=True)
class SlowDown:
    """One place in the server that can be slow on purpose."""

    name: str
    kind: str  # of the injected delay
    place: str  # its name there
    operation: str  # of the duet, whose median has to show it
    users_share: float = 1.0

    def setting(self, milliseconds: float, readers: Sequence[UUID]) -> str:
        """The server's setting by which requests take so much longer in the mean.

        Where only some users meet it, the delay is longer by as much as their requests are fewer. InputError when none
        of the readers meets it.
        """
        delay = InjectedDelay(self.kind, self.place, 1.0, self.users_share)
        met = sum(delay.meets(reader) for reader in readers) / len(readers) if readers else 0.0
        if not met:
            raise InputError(f"{self.name} would slow none of the users that the duet reads as; use another --seed")
        place = f"{self.kind}:{self.place}" if self.place else self.kind
        share = f"@{self.users_share:g}" if self.users_share < 1 else ""
        return f"injected_delay={place}={max(milliseconds / met, SHORTEST_MS):.3f}{share}"


# Operations of more than 2 ms at p50: 10 % of less is below the gate's floor of 0.2 ms, and is not looked for.
SLOW_DOWNS = (
    SlowDown("one statement", "statement", "list_conversations", "list_conversations"),
    SlowDown("the fan-out", "fan_out", "", "delivery"),
    SlowDown("one endpoint, for some users", "requests", "/v1/conversations", "list_conversations", users_share=0.5),
)
A_A = Trial("A/A")
TRIALS = (A_A, *(Trial(one.name, effect, f"{one.operation}_ms_p50") for one in SLOW_DOWNS for effect in EFFECTS))


@dataclass(frozen=True)
class Session:
    """One invocation: where its trials are recorded, what reads them, and when it ends."""

    file: Path
    command: str
    # (run folder, seconds it took, command) → its record, which the stage of reports makes of it
    record_of: Callable[[Path, float, str], TrialRecord]
    needs_confirmation: Callable[[Path], bool]
    seconds: float | None = None  # no trial begins after so many

    def records(self, options: AbOptions) -> list[TrialRecord]:
        """Every trial under that load so far, earlier sessions included; what a delay comes to is another elsewhere."""
        return [one for one in read_records(self.file) if one.rate == options.rate]


def missing_trials(records: Sequence[TrialRecord], amount: Amount) -> list[Trial]:
    """What is still to be decided: one of each in turns, so that a session that ends early has some of all."""
    there: dict[Trial | None, int] = defaultdict(int)
    for one in records:
        if one.is_decision:
            there[one.counts_for] += 1
    wanted = {trial: amount.of(trial) for trial in TRIALS}
    return [
        trial for number in range(max(wanted.values())) for trial in TRIALS if there[trial] <= number < wanted[trial]
    ]


def measure_trials(options: AbOptions, amount: Amount, session: Session, progress: Progress) -> None:
    """Measures what the file does not hold yet, identical arms first: delays are shares of what was measured.

    RunInvalidError when identical arms gave no medians; InputError for an arm that cannot be.
    """
    began = time.monotonic()
    missing = missing_trials(session.records(options), amount)
    for number, trial in enumerate(missing):
        if session.seconds is not None and time.monotonic() - began > session.seconds:
            return

        def told(step: str, share: float, trial: Trial = trial, number: int = number) -> None:
            progress(f"{trial.name} {trial.effect:+.0%}: {step}", (number + share) / len(missing))

        if not trial.effect:
            _measure(trial, options, session, told)
        else:
            _calibrate(trial, options, session, told)
            _measure(trial, slowed(trial, options, session.records(options)), session, told)


def _measure(trial: Trial, options: AbOptions, session: Session, progress: Progress) -> None:
    """One duet, confirmed where it suspects something, and its line in the file."""
    began = time.monotonic()
    said = {**msgspec.to_builtins(trial), **(options.trial or {})}
    with ab_run(replace(options, base=THIS, trial=said), progress) as arms:
        arms.measure(options.blocks)
        if not trial.is_calibration and session.needs_confirmation(arms.folder.path):
            arms.measure(CONFIRMING_BLOCKS)
        folder = arms.finish()
        if arms.is_cut_short:
            raise KeyboardInterrupt
    append_record(session.file, session.record_of(folder.path, time.monotonic() - began, session.command))


def _calibrate(trial: Trial, options: AbOptions, session: Session, progress: Progress) -> None:
    """Short duets until the delay has the effect that is meant, or as many as there may be."""
    calibration = msgspec.structs.replace(trial, is_calibration=True)
    for _ in range(CALIBRATIONS_MAX):
        points = effects_of_delays(trial.name, session.records(options))
        if any(abs(effect / trial.effect - 1) <= CALIBRATED for _, effect in points):
            return
        short = replace(options, **_CALIBRATION)
        _measure(calibration, slowed(trial, short, session.records(options)), session, progress)


def effects_of_delays(name: str, records: Sequence[TrialRecord]) -> list[tuple[float, float]]:
    """(delay, effect) of the newest duets with that slow-down, both as shares of the base's median at that time."""
    operation = _slow_down(name).operation
    return [
        (one.delay_ms / one.base_ms[operation], one.effect)
        for one in records
        if one.trial.name == name and one.delay_ms and one.effect is not None and operation in one.base_ms
    ][-_POINTS:]


def fitting_delay(effect: float, points: Sequence[tuple[float, float]]) -> float:
    """The delay that comes to `effect`, both as shares of the base's median, by what others came to.

    Along the straight line through the points; its slope is 1 where they lie too close to tell. A delay costs more than
    its time: the request also waits for its next turn. So half the effect is tried first, and no step is longer than
    threefold.
    """
    if not points:
        return effect / 2
    middle_delay, middle_effect = fmean(delay for delay, _ in points), fmean(came for _, came in points)
    spread = sum((delay - middle_delay) ** 2 for delay, _ in points)
    slope = 1.0
    if spread > (0.1 * middle_delay) ** 2 * len(points):
        rise = sum((delay - middle_delay) * (came - middle_effect) for delay, came in points) / spread
        slope = min(max(rise, _SLOPES[0]), _SLOPES[1])
    nearest = min(points, key=lambda point: abs(point[1] - effect))[0]
    wanted = middle_delay + (effect - middle_effect) / slope
    return min(max(wanted, nearest / 3), nearest * 3)


def slowed(trial: Trial, options: AbOptions, records: Sequence[TrialRecord]) -> AbOptions:
    """With a head that is slow, by as much as comes to the effect under this load.

    RunInvalidError when no trial of identical arms has told the base's medians.
    """
    identical = [one for one in records if one.trial == A_A and one.base_ms]
    if not identical:
        raise RunInvalidError("identical arms were not measured whole, so no delay can be scaled to them; try again")
    newest = records[-1] if records[-1].base_ms else identical[-1]
    slow_down = _slow_down(trial.name)
    share = fitting_delay(trial.effect, effects_of_delays(trial.name, records))
    milliseconds = share * newest.base_ms[slow_down.operation]
    setting = slow_down.setting(milliseconds, [UUID(reader) for reader in identical[-1].readers])
    return replace(options, head=f"set:{setting}", trial={"delay_ms": milliseconds})


def _slow_down(name: str) -> SlowDown:
    return next(one for one in SLOW_DOWNS if one.name == name)
