"""Tests of scenarios/queries/scale.py: one statement over data sets of two sizes."""

from dataclasses import replace

import pytest

from fixtures.errors import InputError
from reference_server.statements import find_strategy
from scenarios.queries.laboratory import run_laboratory
from scenarios.queries.request import LaboratoryOptions, check_request
from scenarios.run_folder import RunFolder
from scenarios.study import study_of

OPTIONS = LaboratoryOptions(
    strategies=("none",),
    statements=("list_messages", "page_by_offset"),
    size="tiny",
    sizes=("tiny", "small"),
    blocks=1,
    executions=4,
)


def test_growth_is_followed_over_sizes(cluster_url: str, run_folder: RunFolder) -> None:
    """One rung per size; reading everything grows, a page by its key hardly does, two sizes are of no order."""
    result = run_laboratory(OPTIONS, cluster_url, run_folder)
    growths = {
        item.statement: item
        for item in study_of(result.record.options).growths
        if item.parameter_class == "hot_first_page"
    }
    assert {item.along for item in growths.values()} == {"messages in the data set"}
    assert {item.order for item in growths.values()} == {"unknown"}
    for item in growths.values():
        assert [rung.size for rung in item.rungs] == [2_000, 100_000]
    small, large = growths["page_by_offset"].rungs
    assert large.buffers > 5 * small.buffers
    small, large = growths["list_messages"].rungs
    assert large.buffers < 2 * small.buffers
    assert any("fits into shared_buffers" in warning for warning in result.record.warnings)


def test_a_size_that_is_none_is_named() -> None:
    """Before anything is seeded."""
    with pytest.raises(InputError, match="no size named 'shoes'; choose one of tiny"):
        check_request([find_strategy("none")], replace(OPTIONS, sizes=("tiny", "shoes")))
