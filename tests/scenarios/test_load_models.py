"""What a stall looks like to an open and to a closed loop: real runs against a server that stands still once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from load_runs import run

from scenarios.histograms import merge, percentile
from scenarios.run_folder import RunFolder

STALL_SECONDS = 1.0
PAIR = ("--users", "2", "--group-sizes", "2", "--non-members", "0")


def latencies(folder: Path, request: str) -> Any:
    lines = RunFolder(folder).read_histograms()
    return merge(line.payload for line in lines if line.metric == "request_us" and line.labels["request"] == request)


def longer_than(histogram: Any, seconds: float) -> int:
    """How many values lie above."""
    return sum(
        item.count_added_in_this_iter_step
        for item in histogram.get_recorded_iterator()
        if item.value_iterated_to > seconds * 1e6
    )


def test_an_open_loop_times_a_stall_exactly(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """Every percentile, the p99 and the maximum among them, is what the server's own log says it has to be.

    The log holds, for each message, its intended time and the moments just before and just after its answer was
    written; on loopback the kernel stamps the arrival between the two. Order statistics keep such bounds, so each
    percentile must lie between those of the bounds, give or take the histogram's resolution: 0.1 % and one µs of
    rounding down. Nothing is added for a busy machine: it widens the bounds by itself.
    """
    server = scripted_server(stall_at=150, stall_seconds=STALL_SECONDS)
    options = ("--rate", "100", "--arrivals", "fixed", "--drain-seconds", "10")
    _, said = run("fanout", server.url, tmp_path, *PAIR, *options, run_time="5s")
    answers = server.get("/log")["answers"]
    soonest = sorted((before - intended) // 1000 for intended, before, _ in answers)
    latest = sorted((after - intended) // 1000 for intended, _, after in answers)
    histogram = latencies(tmp_path, "send_message")
    assert histogram.get_total_count() == len(answers) > 300, said
    for percent in (*range(1, 100), 99.9, 100):
        rank = max(1, int(percent / 100 * len(answers) + 0.5)) - 1
        told = percentile(histogram, percent)
        assert told is not None
        assert soonest[rank] * 0.999 - 1 <= told <= latest[rank] * 1.001 + 1, (percent, said)
    # What it means: messages meant for any moment of the stall waited for its end, evenly from 1 s down to nothing.
    assert latest[-1] >= STALL_SECONDS * 1e6 * 0.99
    assert longer_than(histogram, STALL_SECONDS / 2) >= 100 * STALL_SECONDS / 2 - 1
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert record.model == "open"


def test_a_closed_loop_does_not(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """The same stall is in one latency of each user, however many requests it kept from being made; the run says so."""
    server = scripted_server(stall_at=150, stall_seconds=STALL_SECONDS)
    options = ("--users", "2", "--think-seconds", "0.01", "--write-rate", "0", "--drain-seconds", "10")
    _, said = run("pagination", server.url, tmp_path, *options, run_time="5s")
    histogram = latencies(tmp_path, "get_messages")
    assert 1 <= longer_than(histogram, STALL_SECONDS / 2) <= 2, said
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert record.model == "closed"
    assert record.started > 150  # it went on after the stall
