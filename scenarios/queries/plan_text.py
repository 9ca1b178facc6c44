"""A plan as people read it: one line per step with what it did, conditions below it, the costly parts in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from scenarios.queries.causes import rows_of
from scenarios.queries.plans import CONDITION_KEYS

_INDENT = "  "


def plan_lines(root: Mapping[str, Any]) -> list[str]:
    """The plan, outermost step first, each with its rows and buffers."""
    return list(_lines(root, 0))


def _lines(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    buffers = node.get("Shared Hit Blocks", 0) + node.get("Shared Read Blocks", 0)
    label = f"{node['Subplan Name']}: " if "Subplan Name" in node else ""
    if node.get("Actual Loops", 1) == 0:
        yield f"{_INDENT * depth}{label}{_step(node)}  never executed"
    else:
        yield f"{_INDENT * depth}{label}{_step(node)}  {_count(rows_of(node), 'row')}, {_count(buffers, 'buffer')}"
    for key in CONDITION_KEYS:
        if key in node:
            yield f"{_INDENT * (depth + 2)}{key.lower()}: {node[key]}"
    if "Sort Key" in node:
        yield f"{_INDENT * (depth + 2)}by: {', '.join(node['Sort Key'])}"
    if node.get("Rows Removed by Filter"):
        yield f"{_INDENT * (depth + 2)}dropped: {_count(round(node['Rows Removed by Filter']), 'row')} per loop"
    if node.get("Heap Fetches"):
        yield f"{_INDENT * (depth + 2)}fetched from the table: {_count(node['Heap Fetches'], 'row')}"
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)


def _step(node: Mapping[str, Any]) -> str:
    """`Index Scan of conversations by idx_…`, as far as the step has them."""
    parts = [node["Node Type"]]
    if "Relation Name" in node:
        parts.append(f"of {node['Relation Name']}")
    if "Index Name" in node:
        parts.append(f"by {node['Index Name']}")
    return " ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")
