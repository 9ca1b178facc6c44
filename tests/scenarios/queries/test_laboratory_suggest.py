"""Tests of scenarios/queries/suggest.py: candidates from hand-made plans and from a real database."""

from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import InputError
from reference_server.statements import check_strategy, find_strategy
from scenarios.queries.catalog import IndexFacts
from scenarios.queries.laboratory import run_laboratory
from scenarios.queries.request import LaboratoryOptions
from scenarios.queries.suggest import Candidate, candidates_in, suggest, with_suggestions
from scenarios.run_folder import RunFolder

COLUMNS = {"t": ("id", "a", "b", "at", "kind", "left_at")}
KEY = IndexFacts("t_pkey", "t", "btree", ("id",), ("id",), None, 8192)


def found(scan: dict[str, Any], *sort_key: str, indexes: tuple[IndexFacts, ...] = (KEY,)) -> list[Candidate]:
    """The candidates of one scan below a sort."""
    node = {"Node Type": "Seq Scan", "Relation Name": "t", **scan}
    root = {"Node Type": "Sort", "Sort Key": list(sort_key), "Plans": [node]} if sort_key else node
    return list(candidates_in(root, COLUMNS, indexes))


def test_equality_comes_first_then_order_and_constants_are_the_predicate() -> None:
    """As the statement says them."""
    condition = "((left_at IS NULL) AND (kind = 'direct'::text) AND (a = $1) AND (at < $2))"
    assert found({"Filter": condition}, "t.at DESC", "t.id DESC") == [
        Candidate("t", ("a", "at DESC", "id DESC"), ("left_at IS NULL", "kind = 'direct'::text"))
    ]


def test_an_or_asks_for_an_index_each() -> None:
    """One index cannot serve both sides."""
    assert found({"Filter": "((kind = 'x'::text) AND ((a = $1) OR (b = $1)))"}, "at") == [
        Candidate("t", ("a", "at"), ("kind = 'x'::text",)),
        Candidate("t", ("b", "at"), ("kind = 'x'::text",)),
    ]


def test_joined_columns_count_as_equality() -> None:
    """The other table's value is known when this one is asked."""
    assert found({"Index Cond": "(a = other.id)"}) == [Candidate("t", ("a",), ())]


def test_what_a_key_serves_is_not_suggested() -> None:
    """Its columns, or fewer: a key that is found by equality needs no order."""
    assert found({"Filter": "(id = $1)"}) == []
    assert found({"Filter": "((id = $1) AND (a = $2))"}, "at") == []
    assert found({"Filter": "(at < $1)"}, "at") == []


def test_the_inbox_asks_for_the_roadmaps_pair(cluster_url: str, tmp_path: Path) -> None:
    """By participant, then activity, of direct conversations; the files pass the check of strategies."""
    options = LaboratoryOptions(statements=("inbox_or",), size="tiny")
    paths = suggest(cluster_url, options, tmp_path / "suggestions")
    strategies = [find_strategy(str(path)) for path in paths]
    for strategy in strategies:
        check_strategy(strategy)
        assert strategy.statements == ("inbox_or",)
    assert {
        command.partition(" ON ")[2] or command.partition("ON ")[2] for s in strategies for command in s.commands
    } == {
        f"conversations (participant{number}_id, last_message_at DESC, id DESC) WHERE type = 'direct'::text"
        for number in (1, 2)
    }


def test_suggestions_are_measured_beside_the_others(cluster_url: str, run_folder: RunFolder, tmp_path: Path) -> None:
    """Each is a strategy of the comparison."""
    options = LaboratoryOptions(strategies=("none",), statements=("inbox_or",), size="tiny", blocks=2, executions=4)
    result = run_laboratory(with_suggestions(cluster_url, options, tmp_path), cluster_url, run_folder)
    assert {cell.strategy for cell in result.cells} == {
        "none", "suggested_1_conversations", "suggested_2_conversations"
    }  # fmt: skip
    assert result.record.reasons == []


def test_statements_that_keys_serve_have_no_suggestion(cluster_url: str, tmp_path: Path) -> None:
    """One sentence says so."""
    options = LaboratoryOptions(strategies=("none",), statements=("get_message",), size="tiny")
    with pytest.raises(InputError, match="there is no strategy to suggest"):
        with_suggestions(cluster_url, options, tmp_path)
