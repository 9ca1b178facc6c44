"""The verdict on a run says VALID only when every part was measured whole."""

from pathlib import Path

import pytest

from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord
from scenarios.run_so_far import RunSoFar


@pytest.fixture
def so_far(tmp_path: Path) -> RunSoFar:
    return RunSoFar(tmp_path, ("fanout", "queries"), 1, {})


def add_record(folder: RunFolder, name: str, reasons: list[str]) -> None:
    manifest = folder.read_manifest()
    manifest.scenarios.append(ScenarioRecord(name=name, options={}, started_second=0, seconds=1.0, reasons=reasons))
    folder.write_manifest(manifest)


def test_a_whole_run_is_valid(so_far: RunSoFar) -> None:
    """Each part left a record and nothing speaks against it."""
    for name in ("fanout", "queries"):
        add_record(so_far.folder(None), name, [])
    manifest = so_far.finish().read_manifest()
    assert (manifest.verdict, manifest.reasons) == ("VALID", [])
    assert manifest.finished_at is not None


def test_missing_data_fails(so_far: RunSoFar) -> None:
    """A part without a record makes the run INVALID, by name."""
    add_record(so_far.folder(None), "fanout", [])
    manifest = so_far.finish().read_manifest()
    assert (manifest.verdict, manifest.reasons) == ("INVALID", ["queries: not measured"])


def test_a_parts_reason_counts_for_the_whole(so_far: RunSoFar) -> None:
    """What a scenario says against itself is the run's reason, with the scenario's name."""
    add_record(so_far.folder(None), "fanout", ["loop lag"])
    add_record(so_far.folder(None), "queries", [])
    assert so_far.finish().read_manifest().reasons == ["fanout: loop lag"]


def test_an_interrupt_is_the_first_reason(so_far: RunSoFar) -> None:
    """A run cut short is INVALID even when what was measured is sound."""
    for name in ("fanout", "queries"):
        add_record(so_far.folder(None), name, [])
    so_far.note(cut_short=True)
    manifest = so_far.finish().read_manifest()
    assert (manifest.verdict, manifest.reasons, manifest.cut_short) == ("INVALID", ["cut short by an interrupt"], True)


def test_nothing_measured_leaves_nothing(so_far: RunSoFar, tmp_path: Path) -> None:
    """A run refused before it measured takes its folder away."""
    so_far.folder(None)
    assert not so_far.has_measured
    so_far.discard()
    assert not list(tmp_path.iterdir())
