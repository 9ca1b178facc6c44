"""Tests of scenarios/queries/verdict_table.py and listing.py."""

import io
import json

from rich.console import Console

from reference_server.statements import server_statements, shipped_strategies
from scenarios.queries.laboratory import LaboratoryResult
from scenarios.queries.listing import listing
from scenarios.queries.request import UNMEASURED_STATEMENTS
from scenarios.queries.verdict_table import document, verdict_table
from scenarios.queries.verdicts import Cell, Comparison, Interval
from scenarios.run_records import ScenarioRecord


def make_cell(strategy: str, comparison: Comparison | None, statement: str = "send_message") -> Cell:
    return Cell(
        statement=statement,
        parameter_class="hot",
        strategy=strategy,
        blocks=5,
        executions=200,
        rows=1,
        buffers=1234,
        buffers_dirtied=3,
        wal_bytes=580,
        planning_buffers=0,
        hot_share=0.98,
        latency_us_p50=Interval(100.0, 90.0, 110.0),
        latency_us_p99=250.0,
        plan_hashes=("a",),
        indexes=("chat_messages_pkey",),
        comparison=comparison,
    )


RESULT = LaboratoryResult(
    record=ScenarioRecord(name="queries", options={}, started_second=0, seconds=1.0),
    baseline="none",
    cells=(
        make_cell("none", None),
        make_cell("roadmap", Comparison("worse", Interval(1.2, 1.1, 1.3), 0.08)),
        make_cell("quick", Comparison("unsure", Interval(1.3, None, None), None)),
        make_cell("odd", Comparison("better", Interval(0.5, 0.4, 0.6), 0.1), "list_members"),
    ),
    wrong=frozenset({("list_members", "hot", "odd")}),
    cut_short=False,
)


def printed(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(verdict_table(RESULT))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(part.strip() for part in line.split("│")) for line in console.file.getvalue().splitlines()]


def test_a_line_has_counters_times_and_verdict() -> None:
    """Every figure of a cell is there, with its interval and the effect that would have been found."""
    lines = printed(200)
    assert " send_message hot none 1 1 234 580 98 100 [90–110] 250  baseline  " in lines
    assert "   roadmap 1 1 234 580 98 100 [90–110] 250 1.20 [1.10–1.30] worse ±8 % " in lines


def test_times_without_bounds_say_so() -> None:
    """A quick look's estimate stands there without figures that nobody could have measured."""
    assert "   quick 1 1 234 580 98 100 [90–110] 250 1.30 (not bounded) unsure unsure " in printed(200)


def test_wrong_rows_outrank_any_time() -> None:
    """A strategy that returns other rows is never called better."""
    assert any("odd" in line and "wrong" in line and "better" not in line for line in printed(200))


def test_the_document_is_json() -> None:
    """Programs get the same verdicts, in JSON's types alone."""
    read = json.loads(json.dumps(document(RESULT)))
    assert [item["verdict"] for item in read["cells"]] == ["baseline", "worse", "unsure", "wrong"]
    assert read["cells"][1]["comparison"]["ratio"] == {"estimate": 1.2, "low": 1.1, "high": 1.3}
    assert read["record"]["name"] == "queries"


def test_the_listing_names_everything_with_its_purpose() -> None:
    """Strategies, statements and parameter classes, each with a sentence."""
    listed = listing()
    assert listed["strategies"].keys() == shipped_strategies().keys()
    assert listed["statements"].keys() == server_statements().keys() - UNMEASURED_STATEMENTS.keys()
    assert listed["parameter classes"]["page: hot_deep_page"] == "a page nine tenths of the way back in it"
    assert all(purpose for group in listed.values() for purpose in group.values())
