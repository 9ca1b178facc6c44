"""Two versions side by side in one session: blocks of fresh servers, measured as a duet.

    block 0: copy, copy ─▶ server, server ─▶ one generator, pairs of requests ─▶ histograms by arm, block and round
    block 1: …

Every block starts both arms anew, on fresh copies of the same data set: what a process happens to be like (its memory's
layout, its caches) is drawn again, and does not count as a difference between the versions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.progress import Progress
from scenarios import runner
from scenarios.arm_counts import database_counts, executed_statements, statement_counts
from scenarios.arm_wal import wal_counts
from scenarios.arms import Arm
from scenarios.catalogue import DUET
from scenarios.comparison import Turn
from scenarios.generator_health import is_generators_own
from scenarios.place import Place, open_cluster
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord, CountRecord, RunManifest, part_name
from scenarios.run_so_far import RunSoFar
from scenarios.versions import ARMS, Population, Version, parse_version, prepare, servers

BLOCKS = 5
CONFIRMING_BLOCKS = 3  # fifteen rounds: enough for p = 0.05, which needs five
REPLACEMENTS_MAX = 3  # guess: a hiccup of the machine is rare; where four of eight blocks are late, nothing is measured
ROUNDS = 5
ROUND_SECONDS = 4.0
ROUND_SECONDS_MAX = 15.0  # of rounds that the generator has lengthened
# Past its rounds a block prepares both arms, warms them and measures what they manage.
OVERHEAD_SECONDS = 14.0
PAIR = "pair"  # both arms, as one part of the run
_PREPARING_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class AbOptions:
    """What is compared, and how long."""

    base: str = "."
    head: str = "."
    size: str = "small"
    seed: int = 1
    strategy: str = "roadmap_membership"
    blocks: int = BLOCKS
    rounds: int = ROUNDS
    round_seconds: float = ROUND_SECONDS
    rate: float | None = None  # pairs per second; None: half of what both arms manage
    out: Path = Path("out")
    database_url: str | None = None
    login_key: str = "chatbench"
    allow_remote: bool = False
    trial: dict[str, Any] | None = None  # of the gate itself, which the run is part of; see gate_trials.py

    @property
    def population(self) -> Population:
        """The data set of both arms."""
        return Population(self.size, self.seed, self.strategy)

    def record(self) -> dict[str, Any]:
        """As the manifest keeps them."""
        names = ("base", "head", "size", "seed", "strategy", "blocks", "rounds", "round_seconds", "rate")
        kept = {name: getattr(self, name) for name in names}
        return kept if self.trial is None else {**kept, "trial": self.trial}


class AbRun:
    """An A/B run while it goes."""

    def __init__(
        self, options: AbOptions, versions: tuple[Version, Version], cluster_url: str, progress: Progress
    ) -> None:
        self._options = options
        self._versions = versions
        self._cluster_url = cluster_url
        self._progress = progress
        self._so_far = RunSoFar(options.out / "runs", (DUET.name,), options.seed, options.record())
        self._measured = 0  # replaced ones included
        self._wanted = 0
        self._replaced = 0
        self._is_over = False  # an arm has ended, or somebody has ended the run
        self._rate = options.rate or 0.0
        self._round_seconds = options.round_seconds

    @property
    def folder(self) -> RunFolder:
        """Where the blocks go."""
        return self._so_far.folder(None)

    @property
    def is_cut_short(self) -> bool:
        """True after an interrupt."""
        return self._so_far.is_cut_short

    def measure(self, blocks: int) -> None:
        """Measures so many more blocks, or as many as both arms live through.

        A block whose generator was late says nothing, of neither arm: a fresh one is measured in its stead, and the
        record tells so. After REPLACEMENTS_MAX of them a late block ends the run, which is INVALID by it.

        What ends it, an interrupt included, is noted in the record and keeps what was measured; ChatbenchError or
        KeyboardInterrupt when that is nothing.
        """
        self._wanted += blocks
        while self._measured < (total := self._wanted + self._replaced) and not self._is_over:
            try:
                self._measure_block(self._measured, total)
                self._replace_late(self._measured)
            except KeyboardInterrupt:
                self._end(KeyboardInterrupt())
                self._so_far.note(cut_short=True)
            except runner.FAILURES as error:
                sentence = runner.told(error)
                self._end(sentence)
                self._so_far.note(reason=f"block {self._measured + 1}: {sentence}")
            self._measured += 1

    def _replace_late(self, block: int) -> None:
        """Takes a block whose generator was late out of what counts, as long as that is the exception."""
        part = part_name(DUET.name, PAIR, block)
        (reasons,) = [one.reasons for one in self.folder.read_manifest().scenarios if one.part == part] or [[]]
        if self._is_over or not reasons or not all(is_generators_own(reason) for reason in reasons):
            return
        if self._replaced == REPLACEMENTS_MAX:
            self._is_over = True
            self._so_far.note(reason=f"{self._replaced} late blocks were replaced before, and {part} is late as well")
            return
        self._so_far.replace(part)
        self._replaced += 1
        # Without a block that counts the rate is measured again: perhaps it was too much.
        self._rate = self._options.rate or first_count(self.folder.read_manifest(), "duet_rate_per_second") or 0.0

    def _end(self, error: BaseException) -> None:
        """Nothing more is measured; when nothing was, the error is all there is to tell."""
        self._is_over = True
        if not self._so_far.has_measured:
            self._so_far.discard()
            raise error

    def _measure_block(self, block: int, total: int) -> None:
        options = self._options

        def told(_: str, share: float) -> None:
            done = _PREPARING_SHARE + (1 - _PREPARING_SHARE) * (block + share) / total
            self._progress(f"block {block + 1} of {total}", min(done, 0.99))

        told("", 0.0)
        counted: list[CountRecord] = []
        is_counted = all(version.url is None for version in self._versions)

        def count(arm: str, url: str) -> None:
            if is_counted:  # of one arm alone it would say nothing
                counted.extend(database_counts(arm, url))

        opened = servers(
            self._versions,
            self._cluster_url,
            options.population,
            login_key=options.login_key,
            log_folder=options.out / "logs",
            on_end=count,
            # In turns: whatever the first or the last one gains by it is no difference between the versions.
            is_head_first=block % 2 == 1,
        )
        with opened as places:
            base, head = (places[arm] for arm in ARMS)
            self._so_far.folder(base)
            if not block:
                self._name_arms(places)
            turn = self._turn(block, base, head)
            http_urls = {arm: place.target.http_url for arm, place in places.items()}
            before = executed_statements(http_urls)
            runner.run_load_scenario(turn, self._run_options, self._so_far, told)
            statements, warnings = statement_counts(before, executed_statements(http_urls))
            counted += statements
            for arm, place in places.items():
                if place.server is not None and not place.server.alive:
                    self._is_over = True
                    self._so_far.note(reason=f"{arm} ended in block {block + 1}: {place.server.ending}")
            urls = {arm: place.database_url for arm, place in places.items() if place.database_url is not None}
            if len(urls) == len(places):
                counted += wal_counts(urls)  # the last thing: it ends the servers' sessions
        self._so_far.add_counts(turn.part, counted, [f"{turn.part}: {one}" for one in warnings])
        self._is_over |= turn.part not in self._so_far.recorded  # its generator has failed, and said why
        if not self._rate:
            # All blocks meet the same load; 0, and the next one measures anew, when this one was not finished.
            manifest = self.folder.read_manifest()
            self._rate = first_count(manifest, "duet_rate_per_second") or 0.0
            self._round_seconds = first_count(manifest, "duet_round_seconds") or self._round_seconds

    def _turn(self, block: int, base: Place, head: Place) -> Turn:
        options = self._options
        given = {
            "--head-host": head.target.http_url,
            "--rate": str(self._rate),
            "--rounds": str(options.rounds),
            "--round-seconds": f"{self._round_seconds:g}",
        }
        arm = Arm(PAIR, options.size, options.strategy, scenario_options=given)
        # The generator ends by itself after its rounds; where it measures the rate first, they may have to be longer.
        longest = self._round_seconds if self._rate else max(self._round_seconds, ROUND_SECONDS_MAX)
        seconds = options.rounds * longest + OVERHEAD_SECONDS
        return Turn(scenario=DUET.name, place=base, seconds=seconds, arm=arm, block=block)

    @property
    def _run_options(self) -> runner.RunOptions:
        options = self._options
        return runner.RunOptions(
            seed=options.seed, login_key=options.login_key, allow_remote=options.allow_remote, out=options.out
        )

    def _name_arms(self, places: dict[str, Place]) -> None:
        """Puts down what each arm is: as it was named, and every setting of its server."""
        manifest = self.folder.read_manifest()
        manifest.arms[DUET.name] = [
            ArmRecord(name=name, settings={"version": version.text, **_settings(version, places[name])})
            for name, version in zip(ARMS, self._versions, strict=True)
        ]
        self.folder.write_manifest(manifest)

    def finish(self) -> RunFolder:
        """The run's own verdict is given."""
        return self._so_far.finish()


def first_count(manifest: RunManifest, name: str) -> float | None:
    """A count of the first block that counts and has it; None when none has."""
    counts = [count for record in manifest.scenarios if not record.replaced for count in record.counts]
    return next((count.value for count in counts if count.name == name), None)


@contextmanager
def ab_run(options: AbOptions, progress: Progress) -> Iterator[AbRun]:
    """A run whose arms are there to be measured; InputError before anything is measured."""
    folder = options.out / "versions"
    base, head = (
        parse_version(text, folder, allow_remote=options.allow_remote) for text in (options.base, options.head)
    )
    versions = (base, head)
    with open_cluster(options.out, options.database_url) as cluster_url:
        prepare(versions, cluster_url, options.population, lambda step, share: progress(step, share * _PREPARING_SHARE))
        yield AbRun(options, versions, cluster_url, progress)


def _settings(version: Version, place: Place) -> dict[str, str]:
    """What the arms may differ in: indexes, and the server's settings but for its addresses."""
    found = {name: str(value) for name, value in place.target.settings.items() if name not in _OWN}
    return {**found, **({"strategy": Path(version.strategy).name} if version.strategy else {})}


_OWN = frozenset({"database_url", "replica_url", "http_port", "gateway_port"})
