"""What the report shows of each scenario, held to what scenarios record."""

import pytest

from reports.panels import PANELS
from scenarios.catalogue import SCENARIOS
from scenarios.metrics import COUNTS, METRICS


@pytest.mark.parametrize("name", sorted(PANELS))
def test_panels_show_what_is_recorded(name: str) -> None:
    """Metrics, labels and counts are known ones, and the question is the scenario's own."""
    shown = PANELS[name]
    assert shown.question == SCENARIOS[name].question
    for panel in shown.panels:
        labels = METRICS[panel.metric].labels
        assert {panel.axis, *([panel.curve] if panel.curve else []), *(label for label, _ in panel.where)} <= set(
            labels
        )
    assert set(shown.counts) <= set(COUNTS)
