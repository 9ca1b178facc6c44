"""The summary of a run of which every number is known."""

import json

from reports.report import summarise
from reports.summary import RunSummary, summary_document
from scenarios.run_folder import RunFolder

GOLDEN = {
    "headline.wrong_deliveries": 6,
    "headline.first_page_ms_p50": 0.5,
    "headline.delivery_last_ms_p99": 1.6,
    "headline.convergence_ms_p95": 1.0,
    "headline.buffers_saved_factor": 4.0,
    "pagination.page_count.depth=1,weight=heavy": 800,
    "pagination.page_ms_p50.depth=1,weight=heavy": 0.5,
    "pagination.page_ms_p99.depth=10-99,weight=heavy": 1.5,
    "pagination.page_ms_max.depth=10-99,weight=heavy": 1.5,
    "pagination.page_service_ms_p50.depth=10-99,weight=heavy": 1.4,
    "pagination.page_ms_p95.depth=2-9,weight=light": 0.5,
    "pagination.request_count.request=send_message": 80,
    "pagination.request_ms_p50.request=send_message": 1.0,
    "fanout.delivery_count.group_size=10": 800,
    "fanout.delivery_ms_p50.group_size=10": 0.4,
    "fanout.delivery_ms_p95.group_size=10": 0.6,
    "fanout.delivery_observed_ms_p50.group_size=10": 0.5,
    "fanout.delivery_first_ms_p50.group_size=100": 0.2,
    "fanout.delivery_median_ms_p50.group_size=100": 0.8,
    "fanout.delivery_p95_ms_p50.group_size=100": 1.4,
    "fanout.delivery_last_ms_p99.group_size=100": 1.6,
    "bytes.wire_bytes.group_size=10": 250.0,
    "bytes.content_bytes.group_size=10": 100.0,
    "bytes.overhead_bytes.group_size=10": 150.0,
    "bytes.wire_megabytes.group_size=10": 0.2,
    "bytes.gateway_bytes.group_size=10": 250.0,
    "bytes.realtime_broadcast_bytes.group_size=10": 365.0,
    "bytes.realtime_postgres_changes_bytes.group_size=10": 1007.0,
    "presence.convergence_count.watchers=5": 160,
    "presence.convergence_ms_p50.watchers=5": 1.0,
    "presence.delivery_ms_p95.watchers=10": 0.5,
    "presence.frames_per_change.watchers=10": 10.0,
    "presence.wire_bytes.watchers=10": 90.0,
    "strategies.buffers.parameter_class=heavy,statement=list_conversations,strategy=none": 100.0,
    "strategies.buffers.parameter_class=heavy,statement=list_conversations,strategy=roadmap": 25.0,
    "strategies.latency_ms_p50.parameter_class=heavy,statement=list_conversations,strategy=none": 1.0,
    "strategies.latency_ms_p50.parameter_class=heavy,statement=list_conversations,strategy=roadmap": 0.5,
    "strategies.latency_ratio.parameter_class=heavy,statement=list_conversations,strategy=roadmap": 0.5,
    "strategies.wal_bytes.parameter_class=hot,statement=send_message,strategy=roadmap": 600.0,
    "strategies.hot_percent.parameter_class=hot,statement=send_message,strategy=none": 94.0,
    "strategies.hot_percent.parameter_class=hot,statement=send_message,strategy=roadmap": 0.0,
    "health.operations_per_second_mean": 50.0,
    "health.deliveries_per_second_mean": 200.0,
    "health.loop_lag_ms_p50": 0.1,
    "health.loop_lag_ms_p99": 1.5,
    "health.start_delay_ms_p99": 0.2,
    "health.generator_cpu_percent_max": 32.7,
    "health.server_cpu_percent_mean": 50.0,
    "health.late.scenario=pagination": 4,
    "health.failed.scenario=presence": 1,
    "ledger.expected": 2000,
    "ledger.delivered": 1992,
    "ledger.missing.group_size=100,scenario=fanout": 3,
    "ledger.superseded.scenario=presence,watchers=5": 5,
    "ledger.leaked": 1,
}

READINGS = {
    "pagination": (
        "In heavy conversations the p95 grows with depth: page 10–99 costs 3.00 × page 1 "
        "(99 % interval 3.00–3.00); in light conversations the p95 stays flat with depth: page 2–9 costs 1.00 × page 1 "
        "(99 % interval 1.00–1.00)."
    ),
    "fanout": (
        "Half of the messages have reached the last member of a group of 100 within 1.60 ms and 95 % of them within "
        "1.60 ms; from 10 to 100 members the p50 of the last recipient grows: 2.00 × (99 % interval 2.00–2.00)."
    ),
    "bytes": "A delivery costs 150 B beyond its content, whatever the group's size.",
    "presence": (
        "95 % of the changes have reached all of 10 watchers within 1.00 ms; from 5 to 10 watchers the p50 stays flat: "
        "1.00 × (99 % interval 1.00–1.00); a change sends 10.0 frames to 10 watchers, about one each."
    ),
    "strategies": (
        "Compared with “none”, “roadmap” touches fewer buffers in 1 of 2 pairs of statement and class (at best 25 "
        "instead of 100: list_conversations, heavy) and more in 1; by latency 1 faster and 1 the same."
    ),
    "server": "Not measured: nobody observed the server of this run.",
    "health": (
        "In its busiest second the generator used 32.7 % of a core; its event loop was 1.50 ms late at p99; 0.33 % of "
        "1\N{NARROW NO-BREAK SPACE}200 scheduled operations began over 10 ms late; 0 were dropped and 1 failed."
    ),
}


def document(run: RunFolder) -> dict[str, object]:
    return summary_document(summarise(run.path))


def numbers(run: RunFolder) -> dict[str, object]:
    found = document(run)["numbers"]
    assert isinstance(found, dict)
    return found


def test_every_known_number_comes_back_exactly(known_run: RunFolder) -> None:
    """Through files, histograms, merging, percentiles and units."""
    found = numbers(known_run)
    assert {key: found.get(key) for key in GOLDEN} == GOLDEN


def test_every_reading_is_the_sentence_its_numbers_allow(known_run: RunFolder) -> None:
    """Growing, flat, and one per watcher."""
    assert document(known_run)["readings"] == READINGS


def test_the_document_is_plain_json(known_run: RunFolder) -> None:
    """It survives a round trip through JSON."""
    found = document(known_run)
    assert json.loads(json.dumps(found, allow_nan=False))["numbers"] == found["numbers"]
    assert (found["document_version"], found["run_id"], found["title"]) == (1, "20250102T030405Z-tour-abc123", "tour")


def test_numbers_carry_their_units(known_run: RunFolder) -> None:
    """Beside the value, under the same key."""
    units = document(known_run)["units"]
    assert isinstance(units, dict)
    assert units["pagination.page_ms_p50.depth=1,weight=heavy"] == "ms"
    assert units["bytes.wire_bytes.group_size=10"] == "B"
    assert "ledger.expected" not in units


def test_the_timeline_is_silent_where_a_scenario_counts_no_such_thing(known_run: RunFolder) -> None:
    """Pagination receives no deliveries: that is no zero."""
    timeline = summarise(known_run.path).health.timeline
    assert timeline.seconds == tuple(range(28))
    assert timeline.deliveries == (*[None] * 10, *[200.0] * 8, None, None, *[200.0] * 8)
    assert timeline.operations == (*[50.0] * 8, None, None, *[50.0] * 8, None, None, *[50.0] * 8)


def test_a_run_without_measurements_has_no_numbers_but_its_headlines(empty_summary: RunSummary) -> None:
    """All of them say that nothing was measured."""
    assert empty_summary.empty
    assert {number.value for number in empty_summary.numbers.values()} == {None}
    assert not any(section.measured for section in empty_summary.sections)
    assert all(section.reading.startswith("Not measured: ") for section in empty_summary.sections)
