"""Tests of scenarios/queries/plans.py."""

import json
from typing import Any

import pytest

from scenarios.queries.plans import PlanSummary, plan_hash, summarise, without_values


def index_scan(**changes: Any) -> dict[str, Any]:
    """A node as PostgreSQL writes it, with changes."""
    node = {
        "Node Type": "Index Scan",
        "Scan Direction": "Backward",
        "Index Name": "chat_messages_pkey",
        "Relation Name": "chat_messages",
        "Total Cost": 12.5,
        "Plan Rows": 50,
        "Actual Rows": 50.0,
        "Index Cond": "((conversation_id = '5b3f2c7e-0000-8000-8000-000000000001'::uuid) AND (seq < '501'::bigint))",
    }
    return {**node, **{name.replace("_", " "): value for name, value in changes.items()}}


def test_counters_come_from_the_root_and_the_planning() -> None:
    """Buffers, WAL and planning are read where PostgreSQL totals them, indexes from every node, each once."""
    root = {
        "Node Type": "Limit",
        "Shared Hit Blocks": 7,
        "Shared Read Blocks": 2,
        "Shared Dirtied Blocks": 1,
        "WAL Bytes": 300,
        "WAL Records": 4,
        "WAL FPI": 3,
        "Actual Rows": 50.0,
        "Plans": [index_scan(), index_scan(), index_scan(Index_Name="a_first")],
    }
    document = json.dumps([{"Plan": root, "Planning": {"Shared Hit Blocks": 5, "Shared Read Blocks": 6}}])
    assert summarise(document) == PlanSummary(
        buffers_hit=7,
        buffers_read=2,
        buffers_dirtied=1,
        wal_bytes=300,
        wal_records=4,
        wal_full_page_images=3,
        rows=50,
        planning_buffers=11,
        plan_hash=plan_hash(root),
        indexes=("a_first", "chat_messages_pkey"),
    )


def test_costs_and_rows_leave_the_hash_alone() -> None:
    """Estimates and counters are not the plan."""
    other = index_scan(Total_Cost=99.0, Plan_Rows=1, Actual_Rows=3.0)
    assert plan_hash(index_scan()) == plan_hash(other)


def test_custom_and_generic_plans_hash_alike() -> None:
    """A literal and a parameter in the same place are the same plan."""
    generic = index_scan(Index_Cond="((conversation_id = $1) AND (seq < $2))")
    assert plan_hash(index_scan()) == plan_hash(generic)


@pytest.mark.parametrize(
    "change",
    [
        {"Index_Name": "another"},
        {"Relation_Name": "messages"},
        {"Node_Type": "Index Only Scan"},
        {"Scan_Direction": "Forward"},
        {"Index_Cond": "(conversation_id = $1)"},
        {"Filter": "(left_at IS NULL)"},
        {"Plans": [index_scan()]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_shape_has_another_hash(change: dict[str, Any]) -> None:
    """Node type, relation, index, direction, conditions and children are the plan."""
    assert plan_hash(index_scan()) != plan_hash(index_scan(**change))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("(seq < '501'::bigint)", "(seq < ?)"),
        ("(type = 'it''s'::text)", "(type = ?)"),
        ("(n > 10)", "(n > ?)"),
        ("(id = ANY ('{a,b}'::uuid[]))", "(id = ANY ?)"),
        ("(id = ANY ($2))", "(id = ANY ?)"),
        ("(participant1_id = $1)", "(participant1_id = ?)"),
        ("(left_at IS NULL)", "(left_at IS NULL)"),
        ("(name = NULL::text)", "(name = ?)"),
    ],
)
def test_values_are_taken_out_of_conditions(condition: str, expected: str) -> None:
    """Literals and parameters read `?`, and the digits of names stay."""
    assert without_values(condition) == expected
