"""Why a plan costs what it costs, in sentences read off the plan and the catalog; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.queries.catalog import IndexFacts
from scenarios.queries.plans import CONDITION_KEYS, nodes

# From how many rows on something is worth a sentence: a page of the roadmap's.
ROWS_WORTH_A_SENTENCE = 50

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Reason:
    """One cause."""

    kind: str  # sorted, skipped, filtered, heap, unused
    sentence: str


def plan_reasons(root: Node, indexes: Sequence[IndexFacts], *, expected: Iterable[str] = ()) -> list[Reason]:
    """What an executed plan does that costs; `expected` names the indexes that were made for its statement."""
    found = [
        reason for node in nodes(root) for rule in (_sorted, _skipped, _filtered, _fetched) for reason in rule(node)
    ]
    return list(dict.fromkeys([*found, *_unused(root, indexes, set(expected))]))


def hot_reasons(blockers: Mapping[tuple[str, str], Sequence[str]]) -> list[Reason]:
    """Why updates stopped being heap-only, by the indexes that hold a changed column."""
    return [
        Reason("hot", f"HOT lost: {table}.{column} is in {', '.join(names)}")
        for (table, column), names in blockers.items()
    ]


def rows_of(node: Node) -> int:
    """The rows that a node gave in all its loops."""
    rows: int = round(node.get("Actual Rows", 0) * node.get("Actual Loops", 1))
    return rows


def _input(node: Node) -> Node:
    """The node below, sub-plans aside."""
    return next(child for child in node["Plans"] if child.get("Parent Relationship") == "Outer")


def _sorted(node: Node) -> Iterator[Reason]:
    if node["Node Type"] != "Sort":
        return
    below = _input(node)
    rows = rows_of(below)
    if rows < ROWS_WORTH_A_SENTENCE:
        return
    types = {child["Node Type"] for child in nodes(below)}
    if "BitmapOr" in types:
        names = sorted({child["Index Name"] for child in nodes(below) if child["Node Type"] == "Bitmap Index Scan"})
        why = f"the OR of {', '.join(names)} cannot use the order of an index"
    elif below["Node Type"] == "Append" and "Limit" in types:
        return  # a page of each branch: what the statement asks for
    elif below["Node Type"] in ("Append", "Subquery Scan") and "Append" in types:
        why = "the branches are joined before anything limits them"
    elif types & {"Nested Loop", "Hash Join", "Merge Join"}:
        why = "a join gives them in no order that helps"
    else:
        why = f"they come from {_source(below)} in another order"
    yield Reason("sorted", f"sorted: {_rows(rows)} rows, because {why}")


def _skipped(node: Node) -> Iterator[Reason]:
    if node["Node Type"] != "Limit":
        return
    below = _input(node)
    skipped = rows_of(below) - rows_of(node)
    # Below a sort, the rows left over are the sort's business.
    if skipped >= ROWS_WORTH_A_SENTENCE and below["Node Type"] not in ("Sort", "Incremental Sort"):
        yield Reason("skipped", f"skipped: {_rows(skipped)} rows are read and thrown away before the page begins")


def _filtered(node: Node) -> Iterator[Reason]:
    removed = round(node.get("Rows Removed by Filter", 0) * node.get("Actual Loops", 1))
    if removed >= ROWS_WORTH_A_SENTENCE and removed > rows_of(node):
        yield Reason("filtered", f"filtered: {_rows(removed)} rows of {_source(node)} are read and dropped")


def _fetched(node: Node) -> Iterator[Reason]:
    fetches = node.get("Heap Fetches", 0)
    if node["Node Type"] == "Index Only Scan" and fetches >= ROWS_WORTH_A_SENTENCE:
        yield Reason(
            "heap", f"table read: {_rows(fetches)} fetches by {node['Index Name']}, whose pages changed since a VACUUM"
        )


def _unused(root: Node, indexes: Sequence[IndexFacts], expected: set[str]) -> Iterator[Reason]:
    """Why an index that was made for the statement has no part in its plan."""
    used = {node["Index Name"] for node in nodes(root) if "Index Name" in node}
    tables = {node["Relation Name"] for node in nodes(root) if "Relation Name" in node}
    for index in indexes:
        if index.name in expected and index.name not in used and index.table in tables:
            why = unfit(nodes(root), index, indexes) or _rival(root, index)
            yield Reason("unused", f"not used: {index.name}, because {why}")


def unfit(read: Iterable[Node], index: IndexFacts, indexes: Sequence[IndexFacts]) -> str | None:
    """Why the steps of a plan could not use an index, whatever it cost; None when they could have."""
    steps = list(read)
    used = {node["Index Name"] for node in steps if "Index Name" in node}
    said = _conditions(steps) + [other.predicate or "" for other in indexes if other.name in used]
    conditions = " ".join(_bare(text) for text in said)
    lacking = [part for part in _conjuncts(index.predicate) if part not in conditions]
    if lacking:
        return f"its predicate {' AND '.join(lacking)} is not implied by the statement"
    first = re.split(r"\W", index.keys[0].lstrip("("), maxsplit=1)[0]
    if not re.search(rf"\b{re.escape(first)}\b", conditions):
        return f"the statement says nothing of {first}, its first column"
    return None


def _rival(root: Node, index: IndexFacts) -> str:
    others = sorted(
        node["Index Name"] for node in nodes(root) if node.get("Relation Name") == index.table and "Index Name" in node
    )
    return f"the planner finds {', '.join(dict.fromkeys(others)) or 'a scan'} no dearer"


def _conditions(steps: Iterable[Node]) -> list[str]:
    return [node[key] for node in steps for key in CONDITION_KEYS if key in node]


def _conjuncts(predicate: str | None) -> list[str]:
    return [_bare(part) for part in re.split(r"\bAND\b", predicate)] if predicate else []


def _bare(text: str) -> str:
    """A condition without parentheses, table names and casts of literals: plan and catalog then read alike."""
    without_tables = re.sub(r"\b\w+\.(?=\w)", "", text)
    return " ".join(re.sub(r"::\w+|[()]", " ", without_tables).split())


def _source(node: Node) -> str:
    for child in nodes(node):
        if "Relation Name" in child:
            return f"{child['Relation Name']}"
    return str(node["Node Type"])


def _rows(count: int) -> str:
    return f"{count:,}".replace(",", " ")
