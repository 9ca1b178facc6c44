"""A compressed day against the reference server: what the run counted is what the database holds."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenarios import histograms
from scenarios.local_target import Target
from scenarios.run_folder import RunFolder
from scenarios.run_records import ScenarioRecord

DAY = ("--users", "24", "--day-seconds", "4", "--rate", "60", "--drain-seconds", "3")


def by_label(record: ScenarioRecord, name: str, label: str) -> Counter[str]:
    """An exact count, summed over its other labels."""
    found: Counter[str] = Counter()
    for count in record.counts:
        if count.name == name:
            found[count.labels[label]] += int(count.value)
    return found


def test_the_day_counts_what_the_database_holds(
    run_scenario: Callable[..., tuple[int, str]],
    live_server: Target,
    ask_database: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    """Messages, members and reads are recounted with SQL; each action is in its hour, its count and its histogram."""
    _, said = run_scenario("mixed_day", live_server.http_url, *DAY, "--objective-ms", "60000", run_time="40s")
    folder = RunFolder(tmp_path)
    (record,) = folder.read_manifest().scenarios
    assert record.failed == 0, said
    actions = by_label(record, "day_actions", "action")
    hours = by_label(record, "day_actions", "hour")
    assert actions.total() == hours.total() == record.started > 150, said
    assert by_label(record, "day_class_actions", "user_class").total() == record.started
    assert by_label(record, "day_users", "user_class") == {"idle": 10, "reader": 7, "chatter": 5, "lurker": 2}
    typed = {count.name: count.value for count in record.counts if count.name.startswith("day_typing_")}
    assert typed["day_typing_starts"] == actions["send"]
    assert typed["day_typing_events"] > 0
    assert actions["open"] > actions["scroll"] > actions["send"] > 0
    # The night is quiet: its four hours have a fortieth of the day's activity, those around noon a quarter.
    assert sum(hours[one] for one in ("01", "02", "03", "04")) < sum(hours[one] for one in ("10", "11", "12", "13"))
    assert by_label(record, "day_actions_within_objective", "action") == actions
    assert "objective missed" not in said
    timed = Counter[str]()
    for line in folder.read_histograms():
        if line.metric == "day_action_us":
            timed[line.labels["action"]] += histograms.decode(line.payload).get_total_count()
    assert timed == actions

    marked = "content LIKE 'cb1.%' OR edited_at IS NOT NULL"
    stored = ask_database(
        "SELECT (SELECT count(*) FROM conversation_participants AS p "
        "WHERE p.conversation_id = m.conversation_id) AS size, "
        f"count(*) AS messages FROM chat_messages AS m WHERE {marked} GROUP BY 1, m.conversation_id"
    )
    messages: Counter[str] = Counter()
    for row in stored:
        messages[str(row["size"])] += row["messages"]
    told = {totals.labels["group_size"]: totals for totals in folder.read_ledger().ledgers}
    assert messages.total() == actions["send"]
    assert {size: totals.messages for size, totals in told.items() if totals.messages} == messages
    for size, totals in told.items():
        assert totals.expected == totals.messages * int(size)
        assert (totals.missing, totals.duplicate, totals.leaked) == (0, 0, 0), said


def test_an_objective_that_is_missed_is_told(
    run_scenario: Callable[..., tuple[int, str]], live_server: Target, tmp_path: Path
) -> None:
    """Nothing takes less than a microsecond; the sentence holds the counts. A day cut short says where."""
    _, said = run_scenario("mixed_day", live_server.http_url, *DAY, "--objective-ms", "0.001", "--day-seconds", "600")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    total = by_label(record, "day_actions", "action").total()
    assert total > 0
    assert by_label(record, "day_actions_within_objective", "action").total() == 0
    assert f"objective missed: 0 of {total} actions" in said
    assert "the day ended early, at hour 00" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(("--objective-share", "101"), "--objective-share 101"), (("--users", "5"), "--users 5 make no team of 8")],
)
def test_bad_input_is_one_sentence(
    scripted_server: Callable[..., Any],
    run_scenario: Callable[..., tuple[int, str]],
    options: tuple[str, ...],
    sentence: str,
) -> None:
    """Exit code 2, no traceback."""
    code, said = run_scenario("mixed_day", scripted_server().url, *options)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said
