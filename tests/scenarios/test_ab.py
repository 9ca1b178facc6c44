"""How many late blocks a comparison replaces; that it does so is shown on real parts in tests/front_door."""

from pathlib import Path

import pytest

from fixtures.progress import Progress
from scenarios.ab import PAIR, REPLACEMENTS_MAX, AbOptions, AbRun
from scenarios.generator_health import judge_figures
from scenarios.run_records import RunManifest, ScenarioRecord
from scenarios.versions import Version

LATE = judge_figures({"late_share_percent": 20}).reasons
LOST = judge_figures({"dropped_share_percent": 20}).reasons  # a server's doing


class Recorded(AbRun):
    """A comparison whose blocks end as they are told to, without being measured."""

    endings: tuple[tuple[str, ...], ...] = ()

    def _measure_block(self, block: int, total: int) -> None:  # noqa: ARG002 - of the blocks measured for real
        folder = self._so_far.folder(None)
        manifest = folder.read_manifest()
        manifest.scenarios.append(
            ScenarioRecord(
                name="duet",
                options={},
                started_second=0,
                seconds=1,
                arm=PAIR,
                block=block,
                reasons=list(self.endings[block] if block < len(self.endings) else ()),
            )
        )
        folder.write_manifest(manifest)


@pytest.fixture
def progress() -> Progress:
    """Nobody watches."""
    return lambda _step, _share: None


def measured(out: Path, progress: Progress, *endings: tuple[str, ...]) -> RunManifest:
    """The record of five blocks, of which the first ones end so."""
    run = Recorded(AbOptions(out=out), (Version("."), Version(".")), "postgresql://", progress)
    run.endings = endings
    run.measure(5)
    return run.finish().read_manifest()


def test_late_blocks_are_replaced_and_the_run_is_valid(tmp_path: Path, progress: Progress) -> None:
    """As many as may be; five others count."""
    manifest = measured(tmp_path, progress, (), *[LATE] * REPLACEMENTS_MAX)
    assert [one.block for one in manifest.scenarios if one.replaced] == list(range(1, REPLACEMENTS_MAX + 1))
    assert sum(not one.replaced for one in manifest.scenarios) == 5
    assert manifest.verdict == "VALID"


def test_after_too_many_late_blocks_the_run_ends_invalid(tmp_path: Path, progress: Progress) -> None:
    """At once, and the reason says how many there were."""
    manifest = measured(tmp_path, progress, *[LATE] * (REPLACEMENTS_MAX + 1))
    assert len(manifest.scenarios) == REPLACEMENTS_MAX + 1
    assert manifest.verdict == "INVALID"
    assert any(
        reason == f"{REPLACEMENTS_MAX} late blocks were replaced before, and duet (pair, block 4) is late as well"
        for reason in manifest.reasons
    )


def test_what_a_server_left_unanswered_is_not_replaced(tmp_path: Path, progress: Progress) -> None:
    """Dropped load may be the very slow-down that is looked for."""
    manifest = measured(tmp_path, progress, LOST)
    assert not any(one.replaced for one in manifest.scenarios)
    assert manifest.verdict == "INVALID"
