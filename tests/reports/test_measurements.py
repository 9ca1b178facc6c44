"""Reading a run folder: blocks, and one clear sentence for every kind of damage."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import InputError
from reports.measurements import by_block, pooled, read_measurements
from reports.report import render
from scenarios.run_folder import RunFolder
from scenarios.run_records import HistogramLine


def refused(path: Path) -> str:
    """The sentence with which a folder is refused."""
    with pytest.raises(InputError) as caught:
        render(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """With its path and where to look."""
    sentence = refused(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in sentence
    assert "out/runs" in sentence


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    """The missing file is named."""
    sentence = refused(tmp_path)
    assert "cannot read run.json" in sentence
    assert "out/runs" in sentence


@pytest.mark.parametrize(("name", "content"), [("run.json", b"{"), ("run.json", b"[]"), ("ledger.json", b"\xff")])
def test_a_damaged_document_is_named(known_run: RunFolder, name: str, content: bytes) -> None:
    """The file and what to do."""
    (known_run.path / name).write_bytes(content)
    sentence = refused(known_run.path)
    assert f"{name} is damaged" in sentence
    assert "run the scenario again" in sentence


@pytest.mark.parametrize("name", ["run.json", "ledger.json"])
def test_another_format_version_is_refused_by_number(known_run: RunFolder, name: str) -> None:
    """Both versions are in the sentence."""
    file = known_run.path / name
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "format_version": 99}), encoding="utf-8")
    sentence = refused(known_run.path)
    assert "format 99" in sentence
    assert "reads format 1" in sentence


@pytest.mark.parametrize("name", ["histograms.jsonl", "queries.jsonl"])
def test_a_damaged_line_is_named_by_number(known_run: RunFolder, name: str) -> None:
    """The third line is the third line."""
    file = known_run.path / name
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], b'{"second": tru\n', *lines[2:]]))
    assert f"{name} line 3 is damaged" in refused(known_run.path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"payload": "bm9uZQ=="}, "no HdrHistogram"), ({"count": 4}, "says 4 values and its histogram holds 3")],
)
def test_a_damaged_histogram_is_named_by_line(
    build_run: Any, parts: SimpleNamespace, changes: dict[str, Any], reason: str
) -> None:
    """A payload that is no histogram, or another than the line says."""
    good = parts.line(0, "request_us", [1, 2, 3], scenario="pagination")
    fields = {name: getattr(good, name) for name in HistogramLine.__struct_fields__}
    sentence = refused(build_run(lines=[good, HistogramLine(**{**fields, **changes})]).path)
    assert "histograms.jsonl line 2 is damaged" in sentence
    assert reason in sentence


def test_a_scenario_named_twice_is_damage(build_run: Any, parts: SimpleNamespace) -> None:
    """Its seconds could not be told apart."""
    twice = [parts.record("fanout", 0), parts.record("fanout", 20)]
    assert "names a scenario twice in fanout, fanout" in refused(build_run(parts.manifest(twice)).path)


def test_half_a_last_line_is_what_a_killed_run_leaves(known_run: RunFolder) -> None:
    """Everything before it is kept."""
    whole = read_measurements(known_run.path)
    with (known_run.path / "histograms.jsonl").open("ab") as file:
        file.write(b'{"second":3,"wor')
    assert len(read_measurements(known_run.path).series) == len(whole.series)


def test_a_scenario_is_cut_into_eight_blocks_of_its_own_seconds(build_run: Any, parts: SimpleNamespace) -> None:
    """Sixteen seconds from second 100: two per block; what comes late belongs to the last."""
    run = parts.manifest([parts.record("fanout", 100, 16)])
    labels = {"scenario": "fanout", "group_size": "5"}
    lines = [parts.line(second, "delivery_us", [10], **labels) for second in (*range(100, 116), 130)]
    measurements = read_measurements(build_run(run, lines).path)
    series = measurements.group("fanout", "delivery_us", "group_size")["5",]
    assert {block: part.count for block, part in by_block(series).items()} == {**dict.fromkeys(range(7), 2), 7: 3}


def test_workers_and_labels_add_up(build_run: Any, parts: SimpleNamespace) -> None:
    """Several workers' lines of one metric are one series."""
    labels = {"scenario": "fanout", "group_size": "5"}
    lines = [parts.line(0, "delivery_us", [10, 20], worker, **labels) for worker in ("1", "2", "3")]
    measurements = read_measurements(build_run(lines=lines).path)
    assert pooled(measurements.group("fanout", "delivery_us", "group_size")["5",]).count == 6
