"""Tests of scenarios/queries/causes.py and the pure part of catalog.py: sentences from hand-made plans."""

from typing import Any

import pytest

from scenarios.queries.catalog import IndexFacts, heap_only_blockers
from scenarios.queries.causes import hot_reasons, plan_reasons

PAIR = IndexFacts(
    name="pair", table="conversations", method="btree", keys=("participant1_id", "last_message_at DESC"),
    columns=("last_message_at", "participant1_id", "type"), predicate="(type = 'direct'::text)", bytes=8192,
)  # fmt: skip


def node(kind: str, *below: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A node that gave `rows` rows."""
    rows = fields.pop("rows", 0)
    return {
        "Node Type": kind,
        "Actual Rows": float(rows),
        "Actual Loops": 1.0,
        "Plans": [{"Parent Relationship": "Outer", **child} for child in below],
        **{key.replace("_", " "): value for key, value in fields.items()},
    }


def sentences(root: dict[str, Any], *indexes: IndexFacts, expected: tuple[str, ...] = ()) -> list[str]:
    return [reason.sentence for reason in plan_reasons(root, indexes, expected=expected)]


def test_a_sort_over_an_or_names_its_indexes() -> None:
    """The bitmap of two indexes has no order."""
    bitmaps = node("BitmapOr", *(node("Bitmap Index Scan", Index_Name=name) for name in ("b", "a")))
    root = node("Limit", node("Sort", node("Bitmap Heap Scan", bitmaps, rows=1_234)))
    assert sentences(root) == ["sorted: 1 234 rows, because the OR of a, b cannot use the order of an index"]


def test_a_sort_over_branches_that_end_by_themselves_is_no_cause() -> None:
    """A page of each branch is what the statement asks for."""
    limited = node("Append", node("Limit", node("Index Scan", rows=50), rows=50), rows=100)
    assert sentences(node("Sort", limited)) == []
    unlimited = node("Append", node("Index Scan", rows=500), rows=500)
    assert sentences(node("Sort", unlimited)) == [
        "sorted: 500 rows, because the branches are joined before anything limits them"
    ]


def test_rows_before_the_page_are_counted() -> None:
    """An OFFSET reads what it throws away."""
    root = node("Limit", node("Index Scan", rows=10_050), rows=50)
    assert sentences(root) == ["skipped: 10 000 rows are read and thrown away before the page begins"]


def test_filtered_rows_and_table_reads_are_counted() -> None:
    """Over all loops."""
    scan = node("Seq Scan", rows=1, Relation_Name="users", Rows_Removed_by_Filter=600.0)
    assert sentences({**scan, "Actual Loops": 2.0}) == ["filtered: 1 200 rows of users are read and dropped"]
    only = node("Index Only Scan", rows=90, Index_Name="i", Heap_Fetches=80)
    assert sentences(only) == ["table read: 80 fetches by i, whose pages changed since a VACUUM"]


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("(participant1_id = $1)", "its predicate type = 'direct' is not implied by the statement"),
        ("((participant1_id = $1) AND (type = $2))", "its predicate type = 'direct' is not implied by the statement"),
        ("((id = $1) AND (type = 'direct'::text))", "the statement says nothing of participant1_id, its first column"),
        ("((c.participant1_id = $1) AND (c.type = 'direct'::text))", "the planner finds a scan no dearer"),
    ],
)
def test_why_an_index_is_not_used(condition: str, why: str) -> None:
    """Predicate, first column, or the planner's choice; a type as a parameter implies nothing."""
    root = node("Seq Scan", Relation_Name="conversations", Filter=condition)
    assert sentences(root, PAIR, expected=("pair",)) == [f"not used: pair, because {why}"]


def test_indexes_of_other_tables_and_other_statements_are_not_missed() -> None:
    """Only an index that was made for the statement, on a table that it reads."""
    assert sentences(node("Seq Scan", Relation_Name="users"), PAIR, expected=("pair",)) == []
    assert sentences(node("Seq Scan", Relation_Name="conversations"), PAIR) == []


def test_heap_only_updates_are_blocked_by_every_index_with_the_column() -> None:
    """Keys, included columns and predicates; block ranges do not block."""
    brin = IndexFacts("ranges", "conversations", "brin", ("last_message_at",), ("last_message_at",), None, 1)
    changed = {"conversations": {"last_message_at", "last_seq"}, "users": {"id"}}
    blockers = heap_only_blockers([PAIR, brin], changed)
    assert blockers == {("conversations", "last_message_at"): ["pair"]}
    (reason,) = hot_reasons(blockers)
    assert (reason.kind, reason.sentence) == ("hot", "HOT lost: conversations.last_message_at is in pair")
