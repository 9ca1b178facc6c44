"""What an EXPLAIN document says: exact counters, the indexes used, and a hash of the plan's shape.

Two plans have the same hash when they walk the same node types over the same relations and indexes with the same
conditions, whatever their costs, row estimates and parameter values.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# The parts of a node that decide what it does; all else is estimates, counters and labels.
_SHAPE_KEYS = (
    "Node Type",
    "Parent Relationship",
    "Subplan Name",
    "CTE Name",
    "Join Type",
    "Strategy",
    "Operation",
    "Scan Direction",
    "Relation Name",
    "Index Name",
    "Function Name",
)
# Where a node says its conditions.
CONDITION_KEYS = (
    "Index Cond",
    "Recheck Cond",
    "Filter",
    "Join Filter",
    "Hash Cond",
    "Merge Cond",
    "Order By",
    "One-Time Filter",
    "Conflict Filter",
    "TID Cond",
)
_LIST_KEYS = ("Sort Key", "Presorted Key", "Group Key", "Conflict Arbiter Indexes")

_CAST = r"(?:::[a-z_]+(?: [a-z_]+)*(?:\[\])?)*"
_LITERAL = re.compile(rf"(?:'(?:[^']|'')*'|\$\d+|(?<![\w$.])-?\d+(?:\.\d+)?\b|\bNULL(?=::)){_CAST}")
_PARENTHESISED = re.compile(r"\(\?\)" + _CAST)


@dataclass(frozen=True)
class PlanSummary:
    """The figures of one executed plan."""

    buffers_hit: int
    buffers_read: int
    buffers_dirtied: int
    wal_bytes: int
    wal_records: int
    wal_full_page_images: int
    rows: int  # that the plan gave; a write without RETURNING gives none
    planning_buffers: int  # hit and read while planning; 0 when a generic plan was ready
    plan_hash: str
    indexes: tuple[str, ...]  # sorted, each once


def summarise(document: str) -> PlanSummary:
    """The summary of an `EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON)` document."""
    explained = json.loads(document)[0]
    root = explained["Plan"]
    planning = explained.get("Planning", {})
    return PlanSummary(
        buffers_hit=root.get("Shared Hit Blocks", 0),
        buffers_read=root.get("Shared Read Blocks", 0),
        buffers_dirtied=root.get("Shared Dirtied Blocks", 0),
        wal_bytes=root.get("WAL Bytes", 0),
        wal_records=root.get("WAL Records", 0),
        wal_full_page_images=root.get("WAL FPI", 0),
        rows=round(root.get("Actual Rows", 0)),
        planning_buffers=planning.get("Shared Hit Blocks", 0) + planning.get("Shared Read Blocks", 0),
        plan_hash=plan_hash(root),
        indexes=tuple(sorted({node["Index Name"] for node in nodes(root) if "Index Name" in node})),
    )


def plan_hash(root: Mapping[str, Any]) -> str:
    """16 hex digits over the plan's shape."""
    return hashlib.sha256(json.dumps(_shape(root)).encode()).hexdigest()[:16]


def nodes(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every node of a plan, parents before children."""
    yield root
    for child in root.get("Plans", ()):
        yield from nodes(child)


def main_nodes(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every node that is in no sub-plan: what the statement itself does, and not its policies."""
    yield root
    for child in root.get("Plans", ()):
        if "Subplan Name" not in child:
            yield from main_nodes(child)


def without_values(condition: str) -> str:
    """A condition with every literal and parameter as `?`: custom and generic plans read alike."""
    return _PARENTHESISED.sub("?", _LITERAL.sub("?", condition))


def _shape(node: Mapping[str, Any]) -> list[Any]:
    named = [f"{key}={node[key]}" for key in _SHAPE_KEYS if key in node]
    conditions = [f"{key}={without_values(node[key])}" for key in CONDITION_KEYS if key in node]
    lists = [f"{key}={[without_values(part) for part in node[key]]}" for key in _LIST_KEYS if key in node]
    return [*named, *conditions, *lists, [_shape(child) for child in node.get("Plans", ())]]
