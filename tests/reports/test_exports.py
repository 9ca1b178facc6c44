"""The report in other forms: each holds exactly the numbers of the page."""

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import finish
from PIL import Image
from pyarrow import parquet

from reports.exports import COLUMNS, export
from reports.numbers import NOT_MEASURED
from reports.report import summarise
from scenarios.run_folder import RunFolder


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_holds_every_number_of_the_report(known_run: RunFolder, form: str) -> None:
    """By key, with value, unit and whether it is weak; nothing left out, nothing else."""
    (path,) = export(known_run.path, form).files  # type: ignore[arg-type]
    if form == "csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        found = {row["key"]: (float(row["value"]) if row["value"] else None, row["unit"], row["weak"]) for row in rows}
    else:
        rows = parquet.read_table(path).to_pylist()
        found = {row["key"]: (row["value"], row["unit"], str(row["weak"])) for row in rows}
    assert tuple(rows[0]) == COLUMNS
    assert {row["run_id"] for row in rows} == {known_run.read_manifest().run_id}
    numbers = summarise(known_run.path).numbers
    assert found == {
        key: (None if number.value is None else float(number.value), number.unit, str(number.weak))
        for key, number in numbers.items()
    }
    assert len(rows) == len(numbers)
    assert found["fanout.delivery_ms_p99.group_size=100"] == (1.2, "ms", "False")
    assert found["ledger.missing.group_size=100,scenario=fanout"][0] == 3


def test_markdown_holds_every_number_as_the_page_shows_it(known_run: RunFolder) -> None:
    """Every cell of every table, in its row."""
    (path,) = export(known_run.path, "md").files
    text = path.read_text()
    summary = summarise(known_run.path)
    rows = {line for line in text.splitlines() if line.startswith("|")}
    shown = 0
    for section in summary.sections:
        assert f"\n## {section.title}\n" in text
        for table in section.tables:
            for row in table.rows:
                texts = [
                    cell.replace("\\", "").replace("_", "\\_")
                    if isinstance(cell, str)
                    else NOT_MEASURED if cell.value is None else f"{'~' * cell.weak}{cell.text}"
                    for cell in row
                ]  # fmt: skip
                assert f"| {' | '.join(texts)} |" in rows, texts
                shown += 1
    assert shown > 30
    assert text.startswith("# tour: VALID\n")
    assert "| First page of messages | 0.50 ms |" in text


def test_a_table_in_markdown_survives_what_names_hold(parts: SimpleNamespace, tmp_path: Path) -> None:
    """As many cells in every row as in its head."""
    line = parts.line(0, "delivery_us", [500] * 9, scenario="fanout", group_size="1|0 <b> *x*")
    run = parts.write_run(tmp_path / "run", parts.manifest([parts.record("fanout", 0)]), [line])
    text = export(run.path, "md").files[0].read_text()
    assert "1\\|0 \\<b> \\*x\\*" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({row.replace("\\|", "").count("|") for row in block.splitlines()}) == 1


def test_figures_alone_leave_the_page_alone(known_run: RunFolder) -> None:
    """Every figure of the report, as PNG."""
    files = export(known_run.path, "png").files
    assert {path.stem for path in files} >= {"pagination", "fanout", "presence", "strategies"}
    for path in files:
        with Image.open(path) as image:
            assert image.width > 1000
    assert not (known_run.path / "report.html").exists()


def test_the_verb_says_what_it_wrote(known_run: RunFolder, tmp_path: Path) -> None:
    """One document; a form that there is not is a usage error; a place that cannot be written is named."""
    result = finish("report", known_run.path, "--format", "csv", "--json", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"verdict": "VALID", "files": [str(known_run.path / "numbers.csv")]}
    assert finish("report", known_run.path, "--format", "pdf", folder=tmp_path).returncode == 2
    (known_run.path / "report.md").mkdir()
    result = finish("report", known_run.path, "--format", "md", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "report.md" in result.stderr
    assert not list(known_run.path.glob(".*.part"))


def test_an_invalid_run_is_written_and_ends_with_3(parts: SimpleNamespace, tmp_path: Path) -> None:
    """Its numbers are there, and its reason first."""
    run = parts.write_run(tmp_path / "run", parts.manifest(verdict="INVALID", reasons=["busy"]))
    result = finish("report", run.path, "--format", "md", folder=tmp_path)
    assert result.returncode == 3
    assert "busy" in result.stderr
    assert (run.path / "report.md").read_text().startswith("# tour: INVALID\n")
