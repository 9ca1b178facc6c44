"""Several servers compared in one run: all alive at once, measured in interleaved blocks.

Each turn, one block on one arm, has a generator process of its own, so that no arm inherits the generator's state from
another. The order is ABBA: a drift of the machine hits all arms alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fixtures.progress import Progress, part_of
from scenarios.arms import Arm
from scenarios.database_counts import counts_after, counts_before
from scenarios.place import Place, own_arms
from scenarios.queries.block_order import shuffled, visits
from scenarios.run_records import part_name
from scenarios.run_so_far import RunSoFar

# Logging in, making groups and connecting, one by one before anything is measured; 10 000 users take so long.
PREPARING_SECONDS_MAX = 120
_PREPARING_SHARE = 0.1  # of a comparison's progress: copies of the data set, and servers that start


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One generator process: a scenario on a server, in a comparison one block of one arm."""

    scenario: str
    place: Place
    seconds: float  # in a comparison measured ones, the same for every arm; else preparing and connecting included
    arm: Arm | None = None
    block: int | None = None

    @property
    def part(self) -> str:
        """What it is called beside the run's other parts."""
        return part_name(self.scenario, self.arm.name if self.arm else None, self.block)

    @property
    def run_time_seconds(self) -> float:
        """After which Locust ends it at the latest."""
        return self.seconds if self.arm is None else self.seconds + PREPARING_SECONDS_MAX

    def generator_seed(self, run_seed: int) -> int:
        """The seed of its process: the arms of a block meet the same load, blocks meet different ones."""
        return run_seed if self.block is None else run_seed * 1000 + self.block


# Measures one turn; False when the run ends there.
Measure = Callable[[Turn, Progress], bool]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, and how long."""

    scenario: str
    arms: tuple[Arm, ...]  # the baseline first
    blocks: int
    turn_seconds: float  # of one block on one arm
    seed: int

    @property
    def turns(self) -> list[tuple[Arm, int]]:
        """(arm, block) in the order in which they are measured."""
        return visits(shuffled(self.arms, self.seed, self.scenario), self.blocks)


def compare(  # noqa: PLR0917 - one call, every name spelled there
    comparison: Comparison,
    cluster_url: str,
    login_key: str,
    log_folder: Path,
    so_far: RunSoFar,
    measure: Measure,
    progress: Progress,
) -> None:
    """Starts a server per arm and measures every turn, beside what it writes in the database."""
    opened = own_arms(
        cluster_url,
        comparison.arms,
        seed=comparison.seed,
        login_key=login_key,
        log_folder=log_folder,
        progress=part_of(progress, 0.0, _PREPARING_SHARE),
    )
    with opened as places:
        so_far.folder(places[comparison.arms[0].name])
        so_far.compare(comparison.scenario, comparison.arms)
        turns = comparison.turns
        share = (1 - _PREPARING_SHARE) / len(turns)
        urls = [cluster_url, *(_url(place) for place in places.values())]
        for number, (arm, block) in enumerate(turns):
            turn = Turn(
                scenario=comparison.scenario,
                place=places[arm.name],
                seconds=comparison.turn_seconds,
                arm=arm,
                block=block,
            )
            start = _PREPARING_SHARE + number * share
            if not _measure_counted(turn, urls, so_far, measure, part_of(progress, start, start + share)):
                return


def _measure_counted(
    turn: Turn, own_urls: Sequence[str], so_far: RunSoFar, measure: Measure, progress: Progress
) -> bool:
    url = _url(turn.place)
    before = counts_before(url, own_urls)
    if not measure(turn, progress):
        return False
    after = counts_after(url, own_urls)
    warnings = []
    if before.foreign_sessions or after.foreign_sessions:
        warnings.append("others worked in the same PostgreSQL: the WAL counted here may be theirs in part")
    so_far.add_counts(turn.part, after.since(before), warnings)
    return True


def _url(place: Place) -> str:
    assert place.database_url is not None, "arms are servers of our own"
    return place.database_url
