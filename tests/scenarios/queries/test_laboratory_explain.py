"""Tests of scenarios/queries/explain.py and plan_text.py."""

from pathlib import Path

import pytest

from fixtures.errors import InputError
from scenarios.queries.explain import explain
from scenarios.queries.plan_text import plan_lines
from scenarios.queries.request import LaboratoryOptions


def options(strategy: str, statement: str) -> LaboratoryOptions:
    return LaboratoryOptions(strategies=(strategy,), statements=(statement,), size="tiny")


def test_a_plan_is_read_from_outside_in() -> None:
    """One line per step, conditions below it, sub-plans by name; what never ran says so."""
    probe = {
        "Node Type": "Index Scan", "Subplan Name": "SubPlan 1", "Actual Loops": 0, "Relation Name": "p",
        "Index Name": "i",
    }  # fmt: skip
    scan = {
        "Node Type": "Seq Scan",
        "Relation Name": "users",
        "Actual Rows": 600.0,
        "Actual Loops": 2.0,
        "Shared Hit Blocks": 1_000,
        "Shared Read Blocks": 1,
        "Filter": "(id = $1)",
        "Rows Removed by Filter": 1_400.0,
        "Plans": [probe],
    }
    sort = {
        "Node Type": "Sort", "Actual Rows": 1.0, "Actual Loops": 1.0, "Shared Hit Blocks": 1, "Sort Key": ["id DESC"],
        "Plans": [scan],
    }  # fmt: skip
    assert plan_lines(sort) == [
        "Sort  1 row, 1 buffer",
        "    by: id DESC",
        "  Seq Scan of users  1 200 rows, 1 001 buffers",
        "      filter: (id = $1)",
        "      dropped: 1 400 rows per loop",
        "    SubPlan 1: Index Scan of p by i  never executed",
    ]


def test_a_statement_is_explained_under_a_strategy(cluster_url: str) -> None:
    """All classes are in one of the plans, with the strategy's index in it, and reasons where there are some."""
    plans = explain(cluster_url, options("created_at_desc_id", "page_by_offset"))
    classes = [name for plan in plans for name in plan.parameter_classes]
    assert sorted(classes) == sorted({*classes})
    assert {"hot_deep_page", "tie", "absent"} <= set(classes)
    assert any("by idx_messages_created_at_id" in line for plan in plans for line in plan.lines)
    assert any("are read and thrown away before the page begins" in line for plan in plans for line in plan.reasons)
    assert {plan.plan_mode for plan in plans} <= {"custom", "generic"}


def test_a_statement_of_ones_own_that_fails_is_one_sentence(cluster_url: str, tmp_path: Path) -> None:
    """With PostgreSQL's reason."""
    own = tmp_path / "mine.sql"
    own.write_text("-- purpose: Mine.\n-- parameters: user_id uuid\nSELECT shoes FROM users WHERE id = $1")
    asked = LaboratoryOptions(strategies=("none",), statements=(), statement_files=(str(own),), size="tiny")
    with pytest.raises(InputError, match=r"mine fails under none: column .* does not exist; correct its file"):
        explain(cluster_url, asked)


@pytest.mark.parametrize(
    ("strategy", "statement", "sentence"),
    [
        ("shoes", "is_member", "no index strategy named 'shoes'"),
        ("none", "shoes", "no statement named 'shoes'; choose from"),
    ],
)
def test_what_is_not_there_is_named(cluster_url: str, strategy: str, statement: str, sentence: str) -> None:
    """Before any database is made."""
    with pytest.raises(InputError, match=sentence):
        explain(cluster_url, options(strategy, statement))
