from pathlib import Path

import pytest

from fixtures.errors import InputError
from scenarios.client.run_record import RunRecord
from scenarios.provenance import new_manifest
from scenarios.run_folder import RunFolder
from scenarios.run_records import LedgerTotals, ScenarioRecord

TOTALS = LedgerTotals(
    scenario="fanout",
    labels={},
    messages=1,
    expected=2,
    delivered=2,
    missing=0,
    duplicate=0,
    reordered=0,
    late=0,
    leaked=0,
)


def record(reasons: list[str]) -> ScenarioRecord:
    return ScenarioRecord(name="fanout", options={"rate": 1}, started_second=9, seconds=2.5, reasons=reasons)


def test_an_unfinished_run_says_so_and_keeps_its_options(tmp_path: Path) -> None:
    """What is on disk when a run is killed: its options, and that it must not be believed."""
    RunRecord(tmp_path, "fanout", 5, None, {"rate": 1}).begin()
    manifest = RunFolder(tmp_path).read_manifest()
    assert (manifest.verdict, manifest.finished_at, manifest.seed) == ("INVALID", None, 5)
    (scenario,) = manifest.scenarios
    assert scenario.options == {"rate": 1}
    assert "before it was finished" in scenario.reasons[0]


@pytest.mark.parametrize(("reasons", "verdict"), [([], "VALID"), (["too slow"], "INVALID")])
def test_a_run_of_its_own_is_judged_and_finished(tmp_path: Path, reasons: list[str], verdict: str) -> None:
    """The final record replaces the preliminary one."""
    run = RunRecord(tmp_path, "fanout", 1, None, {})
    run.begin()
    run.finish(record(reasons), [TOTALS], cut_short=False)
    manifest = RunFolder(tmp_path).read_manifest()
    assert manifest.verdict == verdict
    assert manifest.reasons == [f"fanout: {reason}" for reason in reasons]
    assert manifest.finished_at is not None
    assert [one.seconds for one in manifest.scenarios] == [2.5]
    assert RunFolder(tmp_path).read_ledger().ledgers == [TOTALS]


def test_a_folder_of_someone_else_is_added_to(tmp_path: Path) -> None:
    """Earlier records and ledgers stay; verdict and end are the owner's."""
    folder = RunFolder(tmp_path)
    folder.write_manifest(new_manifest(run_id="r", title="tour", seed=1, options={}))
    for _ in range(2):
        run = RunRecord(tmp_path, "fanout", 1, None, {})
        run.begin()
        run.finish(record([]), [TOTALS], cut_short=True)
    manifest = folder.read_manifest()
    assert (manifest.title, manifest.verdict, manifest.finished_at) == ("tour", "INVALID", None)
    assert manifest.cut_short
    assert len(manifest.scenarios) == 2
    assert len(folder.read_ledger().ledgers) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One sentence, before anything is measured."""
    with pytest.raises(InputError, match=r"cannot write .*run\.json"):
        RunRecord(tmp_path / "gone", "fanout", 1, None, {})
