"""Real duets by which the gate proves itself: identical arms, and arms of which one is slow on purpose.

    A/A ─▶ the base's medians ─▶ delays of 10 and 20 % of them ─▶ one duet per delay

Every duet is a run folder like any other; its options say which trial it was, so sessions add up.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from fixtures.errors import InputError, RunInvalidError
from fixtures.manifest import DatasetManifest
from fixtures.progress import Progress
from reference_server.injected_delay import InjectedDelay
from scenarios import histograms
from scenarios.ab import AbOptions, ab_run, first_count
from scenarios.run_folder import RunFolder, RunManifest

EFFECTS = (0.10, 0.20)  # of the median
THIS = "."


@dataclass(frozen=True)
class SlowDown:
    """One place in the server that can be slow on purpose."""

    name: str
    kind: str  # of the injected delay
    place: str  # its name there
    operation: str  # of the duet, whose median has to show it
    users_share: float = 1.0

    def setting(self, effect: float, base_ms: Mapping[str, float], readers: Sequence[UUID]) -> str:
        """The server's setting that moves the operation's median by about `effect`, to the first order.

        Where only some users meet it, the delay is longer by as much as their requests are fewer. InputError when none
        of the readers meets it.
        """
        delay = InjectedDelay(self.kind, self.place, 1.0, self.users_share)
        met = sum(delay.meets(reader) for reader in readers) / len(readers) if readers else 0.0
        if not met:
            raise InputError(f"{self.name} would slow none of the users that the duet reads as; use another --seed")
        milliseconds = effect * base_ms[self.operation] / met
        place = f"{self.kind}:{self.place}" if self.place else self.kind
        share = f"@{self.users_share:g}" if self.users_share < 1 else ""
        return f"injected_delay={place}={milliseconds:.3f}{share}"


SLOW_DOWNS = (
    SlowDown("one statement", "statement", "list_conversations", "list_conversations"),
    SlowDown("the fan-out", "fan_out", "", "delivery"),
    SlowDown(
        "one endpoint, for some users",
        "requests",
        "/v1/conversations/{conversation_id}/messages",
        "first_page",
        users_share=0.5,
    ),
)


@dataclass(frozen=True)
class Trial:
    """What a duet is to show."""

    name: str  # A/A, or what was slow
    effect: float = 0.0  # of the operation's median
    metric: str = ""  # that has to show it


A_A = Trial("A/A")
TRIALS = (A_A, *(Trial(one.name, effect, f"{one.operation}_ms_p50") for one in SLOW_DOWNS for effect in EFFECTS))


@dataclass(frozen=True)
class Amount:
    """How many real decisions there are to be, earlier sessions included."""

    identical: int
    slowed: int  # of each slow-down and effect


QUICK = Amount(identical=1, slowed=1)
FULL = Amount(identical=20, slowed=10)


def trial_of(manifest: RunManifest) -> Trial | None:
    """The trial that a run was; None for any other run."""
    found: Any = manifest.options.get("trial")
    return Trial(found["name"], found["effect"], found["metric"]) if isinstance(found, dict) else None


def measured_trials(runs: Path) -> Iterator[tuple[Trial, RunFolder]]:
    """The finished trials below a folder of runs, oldest first."""
    for path in sorted(runs.glob("*-duet-*")):
        folder = RunFolder(path)
        manifest = folder.read_manifest()
        trial = trial_of(manifest)
        if trial is not None and manifest.finished_at is not None and not manifest.cut_short:
            yield trial, folder


def measure_trials(options: AbOptions, amount: Amount, progress: Progress) -> None:
    """Measures what is not below `options.out` yet, identical arms first: delays are shares of what was measured.

    RunInvalidError when identical arms gave no medians; InputError for an arm that cannot be.
    """
    found = measured_trials(options.out / "runs")
    there = [trial for trial, folder in found if folder.read_manifest().verdict == "VALID"]
    wanted = {trial: amount.slowed if trial.effect else amount.identical for trial in TRIALS}
    missing = [trial for trial in TRIALS for _ in range(wanted[trial] - there.count(trial))]
    for number, trial in enumerate(missing):

        def told(step: str, share: float, trial: Trial = trial, number: int = number) -> None:
            progress(f"{trial.name} {trial.effect:+.0%}: {step}", (number + share) / len(missing))

        _measure(trial, options, told)


def _measure(trial: Trial, options: AbOptions, progress: Progress) -> None:
    trial_options = replace(options, base=THIS, head=THIS, trial=asdict(trial))
    if trial.effect:
        trial_options = _slowed(trial, trial_options)
    with ab_run(trial_options, progress) as arms:
        arms.measure(options.blocks)
        arms.finish()
        if arms.is_cut_short:
            raise KeyboardInterrupt


def _slowed(trial: Trial, options: AbOptions) -> AbOptions:
    """With a head that is slow, under the load of identical arms.

    The delay is a share of what the base took in the trial before: what a machine manages changes with the hour.
    """
    measured = list(measured_trials(options.out / "runs"))
    identical = [folder.read_manifest() for found, folder in measured if found == A_A]
    if not identical:
        raise RunInvalidError("identical arms were not measured whole, so no delay can be scaled to them; try again")
    manifest = identical[-1]
    assert manifest.dataset is not None, "a duet has one"
    slow_down = next(one for one in SLOW_DOWNS if one.name == trial.name)
    setting = slow_down.setting(trial.effect, base_medians_ms(measured[-1][1]), readers(manifest.dataset))
    return replace(
        options,
        head=f"set:{setting}",
        rate=options.rate or first_count(manifest, "duet_rate_per_second"),
        round_seconds=first_count(manifest, "duet_round_seconds") or options.round_seconds,
    )


def readers(dataset: DatasetManifest) -> list[UUID]:
    """As whom a duet reads: one member of each heavy conversation."""
    return [one.member_ids[0] for one in dataset.conversations if one.weight == "heavy" and one.member_ids]


def base_medians_ms(folder: RunFolder) -> dict[str, float]:
    """The base arm's median by operation, over all blocks; RunInvalidError when an operation has none."""
    payloads: dict[str, list[str]] = defaultdict(list)
    for line in folder.read_histograms():
        if line.metric in ("duet_request_us", "duet_delivery_us") and line.labels.get("arm") == "base":
            payloads[line.labels.get("operation", "delivery")].append(line.payload)
    for one in SLOW_DOWNS:
        if not payloads[one.operation]:
            raise RunInvalidError(f"{folder.path} holds no {one.operation} of its base; measure it again")
    medians_us = {name: histograms.percentile(histograms.merge(found), 50) for name, found in payloads.items()}
    return {name: value / 1000 for name, value in medians_us.items() if value is not None}
