"""The run folder keeps what was written, and refuses what it does not know."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import InputError
from scenarios.provenance import new_manifest
from scenarios.run_folder import RunFolder
from scenarios.run_records import HistogramLine, LedgerFile, LedgerTotals, ScenarioRecord


def histogram_line(second: int = 0) -> HistogramLine:
    return HistogramLine(
        second=second, worker="local", metric="delivery_us", labels={"scenario": "fanout"}, count=1, payload="x"
    )


def folder_with_manifest(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path, "fanout")
    folder.write_manifest(new_manifest(run_id=folder.path.name, title="fanout", seed=1, options={}))
    return folder


def test_a_folder_is_named_by_time_title_and_a_short_id(tmp_path: Path) -> None:
    """The name sorts by time and says what ran; two runs of one second do not collide."""
    first, second = RunFolder.create(tmp_path, "tour"), RunFolder.create(tmp_path, "tour")
    assert re.fullmatch(r"\d{8}T\d{6}Z-tour-[0-9a-f]{6}", first.path.name)
    assert first.path != second.path


def test_a_manifest_comes_back_as_written(tmp_path: Path) -> None:
    """run.json is read back whole, scenarios included."""
    folder = folder_with_manifest(tmp_path)
    manifest = folder.read_manifest()
    manifest.scenarios.append(
        ScenarioRecord(name="fanout", options={"rate": 5}, started_second=2, seconds=20.0, late=1)
    )
    folder.write_manifest(manifest)
    assert folder.read_manifest() == manifest


@given(seconds=st.lists(st.integers(0, 10_000), max_size=20), split=st.integers(0, 20))
def test_appended_lines_come_back_in_order(tmp_path_factory, seconds: list[int], split: int) -> None:
    """However lines are cut into appends, a reader sees them all, in order."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    lines = [histogram_line(second) for second in seconds]
    folder.append_histograms(lines[:split])
    folder.append_histograms(lines[split:])
    assert list(folder.read_histograms()) == lines


def test_a_killed_runs_last_line_is_left_out(tmp_path: Path) -> None:
    """A line without its end was never finished; every line before it counts."""
    folder = RunFolder(tmp_path)
    folder.append_histograms([histogram_line(1), histogram_line(2)])
    path = tmp_path / "histograms.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    assert [line.second for line in folder.read_histograms()] == [1]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """A whole line that is no record is not skipped."""
    folder = RunFolder(tmp_path)
    folder.append_histograms([histogram_line()])
    with (tmp_path / "histograms.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(InputError, match=r"histograms\.jsonl line 2 is damaged"):
        list(folder.read_histograms())


def test_another_format_version_is_refused_by_name(tmp_path: Path) -> None:
    """A folder of another version says which, and what to do."""
    folder = folder_with_manifest(tmp_path)
    path = folder.path / "run.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 99'))
    with pytest.raises(InputError, match="format 99 and this chatbench reads format 1"):
        folder.read_manifest()


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    """A missing folder and a folder without run.json get one sentence with the path."""
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InputError, match=f"{re.escape(str(path))} is no run folder"):
            RunFolder(path).read_manifest()


def test_a_run_without_deliveries_has_an_empty_ledger(tmp_path: Path) -> None:
    """No ledger.json reads as no ledgers; a written one comes back."""
    folder = RunFolder(tmp_path)
    assert folder.read_ledger() == LedgerFile()
    totals = LedgerTotals(
        scenario="fanout", labels={"group_size": "10"}, messages=2, expected=20, delivered=19,
        missing=1, duplicate=0, reordered=0, late=0, leaked=0,
    )  # fmt: skip
    folder.write_ledger(LedgerFile(ledgers=[totals]))
    assert folder.read_ledger().ledgers == [totals]
