"""Candidate strategies from the statements themselves: equality columns, then order, constants as predicate.

Statements are planned once for all values, without policies, on keys alone. What a scan
compares with a parameter or another table comes first in a candidate, what is sorted above it follows, and what is
compared with a constant becomes the index's predicate. Candidates are for measuring: nothing here says that one pays.
"""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from fixtures.errors import InputError
from fixtures.progress import Progress, silent
from reference_server.seed import ensure_template
from reference_server.statements import NOTHING, find_strategy
from scenarios.queries.arms import open_arms
from scenarios.queries.catalog import IndexFacts
from scenarios.queries.findings import Findings
from scenarios.queries.parameter_classes import units_of
from scenarios.queries.request import LaboratoryOptions, check_request

MOST_CANDIDATES = 5  # guess: as many copies as a small disk and a patient user afford

_EQUALITY = re.compile(r"^\(?(?:\w+\.)?(?P<column>\w+) = (?:\$\d+|(?:\w+\.)?[a-z]\w*)\)?$")
_CONSTANT = re.compile(r"^\(?(?:\w+\.)?(?P<condition>\w+ (?:= '[^']*'(?:::\w+)?|IS (?:NOT )?NULL))\)?$")


@dataclass(frozen=True)
class Candidate:
    """One index worth measuring."""

    table: str
    columns: tuple[str, ...]  # equality first, then order, with its direction
    predicate: tuple[str, ...]

    def command(self, name: str) -> str:
        """Its CREATE INDEX."""
        where = f" WHERE {' AND '.join(self.predicate)}" if self.predicate else ""
        return f"CREATE INDEX CONCURRENTLY {name}\n    ON {self.table} ({', '.join(self.columns)}){where};"


def suggest(cluster_url: str, options: LaboratoryOptions, folder: Path, progress: Progress = silent) -> list[Path]:
    """Strategy files for the options' statements, the dearest statements' first; none when keys serve them all."""
    wanted = asyncio.run(_candidates(cluster_url, options, progress))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (candidate, statements) in enumerate(wanted, start=1):
        name = f"suggested_{number}_{candidate.table}"
        path = folder / f"{name}.sql"
        path.write_text(
            f"-- purpose: Suggested from the statements' conditions and order.\n"
            f"-- statements: {', '.join(statements)}\n{candidate.command(name)}\n",
            encoding="utf-8",
        )
        paths.append(path)
    return paths


def with_suggestions(
    cluster_url: str, options: LaboratoryOptions, folder: Path, progress: Progress = silent
) -> LaboratoryOptions:
    """The same options with the suggested strategies beside the others; InputError when there are none."""
    paths = suggest(cluster_url, options, folder, progress)
    if not paths:
        raise InputError("keys serve every statement that was named: there is no strategy to suggest; name others")
    return replace(options, strategies=(*options.strategies, *(str(path) for path in paths)))


async def _candidates(
    cluster_url: str, options: LaboratoryOptions, progress: Progress
) -> list[tuple[Candidate, list[str]]]:
    bare = find_strategy(NOTHING)
    variants = check_request([bare], options)
    template = await ensure_template(cluster_url, options.size, options.seed, NOTHING, progress=progress)
    costs: dict[Candidate, float] = defaultdict(float)
    statements: dict[Candidate, list[str]] = defaultdict(list)
    async with open_arms(
        cluster_url,
        template,
        [bare],
        variants,
        findings=Findings(),
        statement_timeout_seconds=options.statement_timeout_seconds,
        progress=progress,
    ) as opened:
        (arm,) = opened.arms
        indexes = await arm.indexes()
        columns = await arm.table_columns()
        cases = await arm.read_cases()
        for variant in opened.variants:
            units = units_of(variant.statement, cases)
            if variant.statement.writes or not units:
                continue
            try:
                root = json.loads(await arm.plan_for_all_values(units[0]))[0]["Plan"]
            except asyncpg.PostgresError:
                continue  # the comparison that follows says what is wrong with it
            for candidate in dict.fromkeys(candidates_in(root, columns, indexes)):
                costs[candidate] += root["Total Cost"]
                statements[candidate].append(variant.name)
    dearest = sorted(costs, key=lambda candidate: (-costs[candidate], candidate.table, candidate.columns))
    return [(candidate, statements[candidate]) for candidate in dearest[:MOST_CANDIDATES]]


def candidates_in(
    root: Mapping[str, Any], columns: Mapping[str, Sequence[str]], indexes: Sequence[IndexFacts]
) -> Iterator[Candidate]:
    """What the scans of a plan ask for and no index that is there gives."""
    for node, sort_keys in _scans(root, ()):
        table = node["Relation Name"]
        known = set(columns.get(table, ()))
        parts = [part for key in ("Index Cond", "Recheck Cond", "Filter") for part in _conjuncts(node.get(key, ""))]
        constants = tuple(dict.fromkeys(match["condition"] for part in parts if (match := _CONSTANT.match(part))))
        order = tuple(key for key in map(_without_table, sort_keys) if key.split()[0] in known)
        fixed = [column for part in parts if (column := _equal(part, known))]
        choices = [[_equal(option, known) for option in part.split(" OR ")] for part in parts if " OR " in part]
        for chosen in [[column] for options in choices for column in options if column] or [[]]:
            keys = tuple(dict.fromkeys([*fixed, *chosen]))
            wanted = keys + tuple(key for key in order if key.split()[0] not in keys)
            if keys and not _is_served(table, keys, wanted, indexes):
                yield Candidate(table, wanted, constants)


def _scans(node: Mapping[str, Any], sort_keys: Sequence[str]) -> Iterator[tuple[Mapping[str, Any], Sequence[str]]]:
    """Every scan of a table with the keys of the nearest sort above it."""
    below = node.get("Sort Key", sort_keys)
    if "Relation Name" in node:
        yield node, sort_keys
    for child in node.get("Plans", ()):
        yield from _scans(child, below)


def _conjuncts(condition: str) -> list[str]:
    """The parts that must all hold, without the parentheses around each."""
    inner = condition[1:-1] if condition.startswith("((") else condition
    return [re.sub(r"^\(+|\)+$", "", part) for part in inner.split(" AND ")] if condition else []


def _equal(part: str, known: set[str]) -> str | None:
    match = _EQUALITY.match(part.strip("()"))
    return match["column"] if match and match["column"] in known else None


def _without_table(key: str) -> str:
    return re.sub(r'^\(?("[^"]+"|\w+)\.', "", key).strip("()")


def _is_served(table: str, equal: Sequence[str], wanted: Sequence[str], indexes: Sequence[IndexFacts]) -> bool:
    """True when a whole index begins with these columns, or needs fewer equal ones to find what it is asked for."""
    return any(
        index.table == table
        and index.predicate is None
        and (index.keys[: len(wanted)] == tuple(wanted) or set(index.keys) <= set(equal))
        for index in indexes
    )
