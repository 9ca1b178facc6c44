"""Labels that figures bear themselves: whose latencies leave out what was never asked."""

import pytest

from reports.figure_style import images
from reports.figures import drawings
from reports.report import summarise
from scenarios.run_folder import RunFolder

LABEL = "Closed loop (pagination)"


@pytest.fixture
def closed_run(known_run: RunFolder) -> RunFolder:
    """A run of several scenarios, of which pagination had users with think time."""
    manifest = known_run.read_manifest()
    for record in manifest.scenarios:
        if record.name == "pagination":
            record.model = "closed"
    known_run.write_manifest(manifest)
    return known_run


def test_every_figure_with_closed_loop_numbers_is_labelled(closed_run: RunFolder) -> None:
    """Those of the scenario itself and those that show it beside others; an open scenario's own stay as they are."""
    found = drawings(summarise(closed_run.path))
    labelled = {name for name, drawing in found.items() if drawing.note.startswith(LABEL)}
    assert labelled == {"pagination", "health"}
    assert {"fanout", "bytes", "presence"} <= found.keys() - labelled
    assert all(drawing.note == "" for name, drawing in found.items() if name not in labelled)


def test_the_label_is_on_both_widths(closed_run: RunFolder) -> None:
    """A phone's figure wraps it."""
    drawn = images(drawings(summarise(closed_run.path))["pagination"])
    assert LABEL in drawn.wide_svg
    assert LABEL in drawn.narrow_svg
