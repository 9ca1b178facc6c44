"""What a report says of the server, from lines whose every number is known."""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from reports.report import render, summarise
from reports.section import Section
from reports.summary import RunSummary
from scenarios.run_folder import RunFolder
from scenarios.run_records import ArmRecord, ServerSecond, StatementTotal


def second(number: int, **figures: object) -> ServerSecond:
    values: dict[str, Any] = {
        "seconds": 2.0,
        "server_cpu_percent": 40.0,
        "database_cpu_percent": 20.0,
        "pool_waits": 100.0,
        "pool_wait_ms_sum": 250.0,
        "active": 2.0,
        "lock_waiting": 1.0,
        "waits": {"Lock: tuple": 1.0, "IO: WalSync": 0.5},
        "wal_bytes": 6000,
        "commits": 50,
        **figures,
    }
    return ServerSecond(second=number, scenario="fanout", **values)


def total(statement: str, calls: int, seconds: float) -> StatementTotal:
    return StatementTotal(scenario="fanout", statement=statement, calls=calls, seconds=seconds)


@pytest.fixture
def run(build_run: Any, parts: SimpleNamespace) -> RunFolder:
    """Eight measured seconds of fan-out, observed in three of them, and once more in the drain."""
    lines = [parts.line(0, "delivery_us", [500] * 20, scenario="fanout", group_size="10")]
    folder: RunFolder = build_run(parts.manifest([parts.record("fanout", 0, 8, started=10)]), lines)
    folder.append_server([second(0), second(1, server_cpu_percent=80.0, active=None, waits={}), second(4)])
    folder.append_server([second(9, server_cpu_percent=4000.0)])
    folder.append_server([total("set_claims", 100, 0.1), total("send_message", 100, 0.3)])
    folder.append_server([total(f"statement_{number:02}", 1, 0.01) for number in range(12)])
    return folder


def section_of(summary: RunSummary) -> Section:
    return next(section for section in summary.sections if section.name == "server")


def test_means_and_highest_seconds_are_of_the_measured_time(run: RunFolder) -> None:
    """Differences by the time they cover; the drain does not count; unobserved quantities have no row."""
    numbers = {key: number.value for key, number in summarise(run.path).numbers.items() if key.startswith("server.")}
    assert numbers["server.cpu_percent_mean"] == pytest.approx(160 / 3)
    assert numbers["server.cpu_percent_max"] == 80
    assert numbers["server.pool_wait_ms_mean"] == 2.5
    assert numbers["server.wal_kilobytes_per_second_mean"] == 3.0
    assert numbers["server.commits_per_second_max"] == 25
    assert numbers["server.lock_waiting_backends_mean"] == 1
    assert "server.buffers_read_per_second_mean" not in numbers
    assert numbers["server.waiting_backends.wait=Lock: tuple"] == 1.0


def test_statements_are_told_by_their_share(run: RunFolder) -> None:
    """The dearest first; those beyond the table's end are told together, so that shares add up."""
    numbers = {key: number.value for key, number in summarise(run.path).numbers.items()}
    key = "server.statement_{}.scenario=fanout,statement={}".format
    assert numbers[key("calls", "send_message")] == 100
    assert numbers[key("ms_mean", "send_message")] == pytest.approx(3)
    assert numbers[key("share_percent", "send_message")] == pytest.approx(100 * 0.3 / 0.52)
    assert numbers[key("calls", "2 others")] == 2
    shares = [value for name, value in numbers.items() if name.startswith("server.statement_share_percent")]
    assert sum(value or 0 for value in shares) == pytest.approx(100)


def test_one_sentence_reads_it(run: RunFolder) -> None:
    """Whose CPU, which waits, which statement."""
    assert section_of(summarise(run.path)).reading == (
        "In the mean the chat server used 53.3 % and PostgreSQL 20.0 % of a core; a request waited 2.50 ms for a "
        "database connection; 1.00 backends waited for a lock; send_message took 57.7 % of the time in statements."
    )


def test_the_figure_is_drawn_and_gaps_stay_gaps(run: RunFolder) -> None:
    """The seconds that nobody observed are not zero."""
    report = render(run.path)
    assert "server.png" in {figure.name for figure in report.figures}
    assert report.summary.server.seconds == (0, 1, 2, 3, 4)
    assert report.summary.server.of("cpu_percent") == (40.0, 80.0, None, None, 40.0)


def test_a_folder_without_observations_says_so(known_run: RunFolder) -> None:
    """Run folders of before have no server.jsonl."""
    section = section_of(summarise(known_run.path))
    assert not section.measured
    assert "nobody observed" in section.reading


def test_statements_alone_are_shown_without_a_figure(build_run: Any, parts: SimpleNamespace) -> None:
    """A very short run may have counted statements and seen no whole second."""
    folder = build_run(parts.manifest([parts.record("fanout", 0, 1)]))
    folder.append_server([total("send_message", 1, 0.1)])
    assert "server.png" not in {figure.name for figure in render(folder.path).figures}
    assert section_of(summarise(folder.path)).measured


def test_the_servers_of_a_comparison_are_told_apart(build_run: Any, parts: SimpleNamespace) -> None:
    """Means of each in its own turns, whoever's turn lay between; statements of all blocks added up, by server."""
    turns = [("keys", 0, 0), ("best", 0, 10), ("best", 1, 20), ("keys", 1, 30)]
    records = [parts.record("fanout", begin, 4, arm=arm, block=block, started=10) for arm, block, begin in turns]
    arms = {"fanout": [ArmRecord(name="keys", settings={}), ArmRecord(name="best", settings={})]}
    folder: RunFolder = build_run(parts.manifest(records, arms=arms), [])
    cpu = {"keys": 10.0, "best": 30.0}
    folder.append_server(
        [
            structs.replace(second(begin, database_cpu_percent=cpu[arm] + 2 * block), arm=arm)
            for arm, block, begin in turns
        ]
    )
    folder.append_server([structs.replace(second(15, database_cpu_percent=900.0), arm="keys")])  # nobody's turn
    folder.append_server([structs.replace(total("send_message", 10, 0.1), arm=arm) for arm, _, _ in turns])
    summary = summarise(folder.path)
    numbers = {key: number.value for key, number in summary.numbers.items()}
    assert numbers["server.database_cpu_percent_mean.arm=keys"] == 11.0
    assert numbers["server.database_cpu_percent_mean.arm=best"] == 31.0
    assert numbers["server.statement_calls.arm=best,scenario=fanout,statement=send_message"] == 20
    assert "PostgreSQL's part was 11.0 % on “keys” and 31.0 % on “best”" in section_of(summary).reading
