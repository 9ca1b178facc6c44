"""Tests of scenarios/queries/scale.py: the statements over data sets of two sizes."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.sizes import SIZES
from reference_server.statements import find_strategy
from scenarios.queries.laboratory import run_growth, run_laboratory
from scenarios.queries.request import LaboratoryOptions, check_request
from scenarios.queries.scale import shared_buffers_mib
from scenarios.run_folder import RunFolder
from scenarios.study import study_of

OPTIONS = LaboratoryOptions(
    strategies=("none",),
    statements=("list_messages", "page_by_offset"),
    size="tiny",
    sizes=("tiny", "small"),
    blocks=1,
    executions=4,
    studies=True,  # what they find is added to what is known of sizes
)


def test_growth_is_followed_over_sizes(cluster_url: str, run_folder: RunFolder, tmp_path: Path) -> None:
    """One rung per size; reading everything grows, a page by its key hardly does, two sizes are of no order."""
    known = run_growth(OPTIONS, tmp_path, cluster_url)
    result = run_laboratory(OPTIONS, cluster_url, run_folder, known=known)
    study = study_of(result.record.options)
    growths = {item.statement: item for item in study.growths if item.parameter_class == "hot_first_page"}
    assert {item.along for item in growths.values()} == {"messages in the data set"}
    assert {item.order for item in growths.values()} == {"unknown"}
    for item in growths.values():
        assert [rung.size for rung in item.rungs] == [2_000, 100_000]
        assert all(rung.buffers_read is not None and rung.buffers_read <= rung.buffers for rung in item.rungs)
    small, large = growths["page_by_offset"].rungs
    assert large.buffers > 5 * small.buffers
    small, large = growths["list_messages"].rungs
    assert large.buffers < 2 * small.buffers
    assert [(scale.size, scale.messages) for scale in study.scales] == [("tiny", 2_000), ("small", 100_000)]
    assert study.scales[0].database_bytes < study.scales[1].database_bytes
    assert not any(scale.exceeds_shared_buffers for scale in study.scales)
    assert any("fits into shared_buffers" in warning for warning in result.record.warnings)


@pytest.mark.parametrize("sizes", [("tiny", "small"), ("small", "medium"), ("tiny", "small", "medium")])
def test_the_largest_size_gets_fewer_shared_buffers_than_it_needs(sizes: tuple[str, ...]) -> None:
    """A copy takes up about half of what loading writes, so it does not fit, and a size ten times smaller does."""
    *_, smaller, largest = (SIZES[size].disk_bytes / 2 for size in sizes)
    assert smaller < shared_buffers_mib(sizes) * 2**20 < 0.75 * largest


def test_a_size_that_is_none_is_named() -> None:
    """Before anything is seeded."""
    with pytest.raises(InputError, match="no size named 'shoes'; choose one of tiny"):
        check_request([find_strategy("none")], replace(OPTIONS, sizes=("tiny", "shoes")))
