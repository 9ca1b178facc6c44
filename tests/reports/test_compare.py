"""Two stored runs side by side: every number as it was put in, what differs, and what nobody may conclude."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import finish

from fixtures.errors import InputError
from reports.compare import compare_runs, comparison_document, comparison_text
from reports.compare_figure import changes_drawing
from reports.compare_page import render_comparison
from scenarios.run_folder import RunFolder


@pytest.fixture
def slower_run(parts: SimpleNamespace, tmp_path: Path) -> RunFolder:
    """The known run with pages twice as slow, a bigger event and another pool."""
    slowed = []
    for line in parts.known_lines():
        depth = line.labels.get("depth")
        if line.metric == "request_us" and depth == "1":
            slowed.append(parts.line(line.second, "request_us", [1000] * 100, **line.labels))
        elif line.metric == "delivery_wire_bytes":
            slowed.append(parts.line(line.second, line.metric, [290, 310] * 50, **line.labels))
        else:
            slowed.append(line)
    run = parts.known_manifest(run_id="slower", server_settings={"pool_size": 5}, commit="feed")
    folder: RunFolder = parts.write_run(tmp_path / "slower", run, slowed, parts.known_ledgers(), parts.known_queries())
    return folder


def test_every_number_of_both_reports_is_there(known_run: RunFolder, slower_run: RunFolder) -> None:
    """As each report shows it, with the ratio where something changed and 1 elsewhere."""
    comparison = compare_runs(known_run.path, slower_run.path)
    before, after = (side.numbers for side in comparison.sides)
    numbers = comparison_document(comparison)["numbers"]
    assert numbers.keys() == before.keys() | after.keys()
    for key, one in numbers.items():
        assert (one["A"], one["B"]) == (before[key].value, after[key].value)
    changed = {key: one["ratio"] for key, one in numbers.items() if one["ratio"] not in (None, 1)}
    assert changed["pagination.page_ms_p50.depth=1,weight=heavy"] == 2
    assert changed["bytes.wire_bytes.group_size=100"] == pytest.approx(1.2)
    assert all("page_" in key or "bytes" in key or "first_page" in key or "deep" in key for key in changed), changed


def test_what_changed_is_named_first(known_run: RunFolder, slower_run: RunFolder) -> None:
    """Pages twice as slow and events a fifth bigger; nothing that stayed the same."""
    told = [one.name for one in compare_runs(known_run.path, slower_run.path).notable]
    assert told[0].startswith("pagination: page ms p")
    assert "bytes: wire bytes, group size 100" in told
    assert not any("presence" in name or "strategies" in name for name in told)


def test_the_terminal_names_what_differs(known_run: RunFolder, slower_run: RunFolder) -> None:
    """Settings and code, the numbers that matter, and what two stored runs are worth."""
    text = comparison_text(compare_runs(known_run.path, slower_run.path))
    assert "server settings: pool_size was 10 and is 5" in text
    assert "code: commit was 0123456789abcdef and is feed" in text
    assert re.search(r"First page of messages \(p50 of [^)]*\) +0\.50 ms +1\.00 ms +\+100\.0 %", text), text
    assert "use chatbench ab" in text
    assert "Do not rely" not in text


def test_the_page_shows_exactly_the_known_numbers(known_run: RunFolder, slower_run: RunFolder) -> None:
    """Every value on the page under a run's key is the value that this run's summary holds, and none is left out."""
    comparison = compare_runs(known_run.path, slower_run.path)
    page = render_comparison(comparison, {})
    shown: dict[str, set[str]] = {}
    for value, key in re.findall(r'<data value="([^"]*)" data-key="([^"]*)"', page):
        shown.setdefault(key, set()).add(value)
    for side in comparison.sides:
        for key, number in side.numbers.items():
            if number.value is None:
                continue
            separator = "," if "=" in key else "."
            escaped = f"{key}{separator}run={side.letter}".replace("&", "&amp;")
            assert shown[escaped] == {str(number.value)}, key


def test_what_came_from_a_run_is_escaped(parts: SimpleNamespace, tmp_path: Path, known_run: RunFolder) -> None:
    """Settings are not markup."""
    run = parts.known_manifest(run_id="<script>", server_settings={"pool_size": "<b>5</b>"})
    other = parts.write_run(tmp_path / "other", run, parts.known_lines(), parts.known_ledgers(), parts.known_queries())
    page = render_comparison(compare_runs(known_run.path, other.path), {})
    assert "<script>" not in page
    assert "<b>5" not in page
    assert "&lt;b&gt;5" in page


def test_runs_that_are_alike_have_nothing_to_draw(known_run: RunFolder) -> None:
    """And say so."""
    comparison = compare_runs(known_run.path, known_run.path)
    assert comparison.notable == ()
    assert changes_drawing(comparison) is None
    assert "Nothing that is counted changed" in render_comparison(comparison, {})


def test_runs_with_nothing_in_common_are_refused(
    known_run: RunFolder, build_run: Any, parts: SimpleNamespace, tmp_path: Path
) -> None:
    """Both are named with what they ran."""
    line = parts.line(0, "receipt_us", [500] * 9, scenario="receipts", group_size="5")
    other = parts.write_run(tmp_path / "other", parts.manifest([parts.record("receipts", 0)]), [line])
    fan_out = parts.line(0, "delivery_us", [500] * 9, scenario="fanout", group_size="5")
    one = parts.write_run(tmp_path / "one", parts.manifest([parts.record("fanout", 0)]), [fan_out])
    with pytest.raises(InputError, match=r"no number in common: the one ran fanout, the other receipts"):
        compare_runs(one.path, other.path)


def test_what_one_run_alone_measured_is_named(known_run: RunFolder, parts: SimpleNamespace, tmp_path: Path) -> None:
    """Scenarios that only one of them ran."""
    run = parts.manifest([parts.record("fanout", 10, 8, started=400)])
    lines = [line for line in parts.known_lines() if line.labels["scenario"] == "fanout"]
    other = parts.write_run(tmp_path / "other", run, lines, parts.known_ledgers()[:2])
    comparison = compare_runs(known_run.path, other.path)
    assert any(sentence.endswith("measured in A alone") for sentence in comparison.one_sided)
    assert any(one.sentence == "scenarios: presence was there and is absent" for one in comparison.differences)


def test_the_verb_writes_a_page_and_one_document(known_run: RunFolder, slower_run: RunFolder, tmp_path: Path) -> None:
    """Exit code 0, JSON alone on standard output, a page that opens alone."""
    result = finish("compare", known_run.path, slower_run.path, "--html", "c.html", "--json", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["runs"]["B"]["run_id"] == "slower"
    page = (tmp_path / "c.html").read_text()
    assert page.count("<svg") == 2
    assert "http://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)


def test_a_run_that_must_not_be_believed_ends_with_3(
    known_run: RunFolder, parts: SimpleNamespace, tmp_path: Path
) -> None:
    """Shown all the same, with the reason first."""
    run = parts.known_manifest(verdict="INVALID", reasons=["the generator was busy"])
    other = parts.write_run(tmp_path / "other", run, parts.known_lines(), parts.known_ledgers(), parts.known_queries())
    result = finish("compare", known_run.path, other.path, folder=tmp_path)
    assert result.returncode == 3
    assert "Do not rely on these numbers\n  B: the generator was busy" in result.stdout
    assert "the generator was busy" in result.stderr


def test_bad_input_is_one_sentence(known_run: RunFolder, tmp_path: Path) -> None:
    """No folder, and a page that cannot be written."""
    result = finish("compare", known_run.path, "nowhere", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "nowhere is no run folder" in result.stderr
    result = finish("compare", known_run.path, known_run.path, "--html", "no/where.html", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "cannot write no/where.html" in result.stderr
