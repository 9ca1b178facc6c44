"""What a reader would not have expected."""

from types import SimpleNamespace
from typing import Any

from reports.report import summarise
from reports.summary import RunSummary
from scenarios.run_folder import RunFolder


def surprises(run: RunFolder) -> tuple[str, ...]:
    return summarise(run.path).surprises


def test_a_known_run_tells_what_is_odd_about_it(known_run: RunFolder) -> None:
    """One sentence per rule that applies, with its numbers."""
    assert surprises(known_run) == (
        "fanout, group size 100: 3 missing, 2 duplicate, 1 leaked of 800 expected deliveries.",
        "presence: of 400 intended operations 1 failed.",
        (
            "Depth costs: in heavy conversations the p95 of page 10–99 is 3.00 × (99 % interval 3.00–3.00) that of "
            "page 1, beyond 1.20 ×."
        ),
        "HOT lost: under “roadmap” fewer updates stay HOT than under “none”: send_message (94 % → 0 %).",
        "Write price: under “roadmap” more WAL is written than under “none”: send_message 1.50 ×.",
    )


def test_superseded_statuses_are_no_fault(build_run: Any, parts: SimpleNamespace) -> None:
    """A newer status took their place."""
    run = build_run(ledgers=[parts.ledger("presence", {"watchers": "5"}, 100, superseded=40)])
    summary = summarise(run.path)
    assert summary.surprises == ()
    assert not any(number.bad for number in summary.numbers.values())


def test_a_delivery_lost_without_a_trace_is_marked(build_run: Any, parts: SimpleNamespace) -> None:
    """Expected and delivered must differ by exactly what was superseded."""
    run = build_run(ledgers=[parts.ledger("fanout", {}, 100, missing=1)])
    numbers = summarise(run.path).numbers
    assert numbers["ledger.delivered"].bad
    assert numbers["ledger.missing"].bad
    assert numbers["headline.wrong_deliveries"].bad


def test_a_long_tail_is_told(build_run: Any, parts: SimpleNamespace) -> None:
    """A p99 thirty times the p50."""
    labels = {"scenario": "fanout", "group_size": "10"}
    run = build_run(lines=[parts.line(0, "delivery_us", [50] * 980 + [1500] * 20, **labels)])
    assert surprises(run) == ("Long tail: the p99 of deliveries in groups of 10 is 1.50 ms, 30.0 × the p50.",)


def test_a_tail_of_few_values_is_not_told(build_run: Any, parts: SimpleNamespace) -> None:
    """One outlier is no tail."""
    labels = {"scenario": "fanout", "group_size": "10"}
    assert surprises(build_run(lines=[parts.line(0, "delivery_us", [50] * 98 + [1500] * 2, **labels)])) == ()


def test_a_generator_that_reads_late_is_told(build_run: Any, parts: SimpleNamespace) -> None:
    """Its own delay, of the group where it is largest."""
    lines = [
        line
        for size, delay_us in (("10", 1100), ("100", 1200))
        for line in (
            parts.line(0, "delivery_us", [500] * 20, scenario="fanout", group_size=size),
            parts.line(0, "delivery_observed_us", [500 + delay_us] * 20, scenario="fanout", group_size=size),
        )
    ]
    (sentence,) = surprises(build_run(lines=lines))
    assert "in groups of 100 its code read deliveries 1.20 ms (p50) after the kernel had them" in sentence


def test_a_scenario_that_left_nothing_is_told(build_run: Any, parts: SimpleNamespace) -> None:
    """It must not pass unseen."""
    run = build_run(parts.manifest([parts.record("presence", 0)]))
    assert surprises(run) == ("presence ran and left no measurement.",)


def test_closed_loop_figures_are_labelled(build_run: Any, parts: SimpleNamespace) -> None:
    """Their latencies leave out what would have been asked during a stall."""
    lines = [parts.line(0, "start_delay_us", [10], scenario="pagination", operation="get_messages")]
    closed = build_run(parts.manifest([parts.record("pagination", 0, model="closed", started=1)]), lines=lines)
    (sentence,) = surprises(closed)
    assert sentence.startswith("pagination ran closed-loop")


def test_an_index_that_makes_it_worse_is_told(build_run: Any, parts: SimpleNamespace) -> None:
    """More buffers and, for sure, slower."""
    queries = [
        parts.query(block, strategy, "s", "hot", buffers_hit=buffers, latency_us=(latency_us,))
        for block in range(8)
        for strategy, buffers, latency_us in (("none", 10, 100.0), ("bad", 90, 300.0))
    ]
    assert surprises(build_run(queries=queries)) == (
        "An index made it worse: s (hot) under “bad” touches 90 buffers instead of 10 and is slower.",
    )


def test_many_of_a_kind_are_counted(build_run: Any, parts: SimpleNamespace) -> None:
    """Three are told, the rest is a number."""
    run = build_run(ledgers=[parts.ledger("fanout", {"group_size": str(size)}, 10, late=1) for size in range(2, 8)])
    found = surprises(run)
    assert len(found) == 4
    assert found[-1] == "… and 3 more of that kind, in the tables below."


def test_nothing_measured_surprises_nobody(empty_summary: RunSummary) -> None:
    """No data, no findings."""
    assert empty_summary.surprises == ()
