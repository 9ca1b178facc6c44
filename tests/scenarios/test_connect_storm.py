"""The connect storm as users run it: against the reference server, and against one whose resume has faults."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from load_runs import exact_counts, ledgers, rows, run, samples

from scenarios.run_folder import RunFolder

USERS = 12
OPTIONS = ("--users", str(USERS), "--group-size", "4", "--conversations", "2", "--rate", "30")
BRIEF = ("--outage-seconds", "0.4", "--window-seconds", "0.4", "--drain-seconds", "2")

# Messages of the run (they carry its marker), and how many members are to receive each.
EXPECTED = """
SELECT count(*) AS deliveries, count(DISTINCT m.id) AS messages
  FROM chat_messages m
  JOIN conversations c ON c.id = m.conversation_id AND c.name LIKE 'storm %'
  JOIN conversation_participants p ON p.conversation_id = c.id
 WHERE m.content LIKE 'cb1.%'
"""


def test_everyone_comes_back_and_has_everything(chat_server: Callable[..., str], tiny_url: str, tmp_path: Path) -> None:
    """Over several storms nothing is lost or repeated; what was expected is what the database holds."""
    _, said = run("connect_storm", chat_server(), tmp_path, *OPTIONS, *BRIEF, run_time="10s")
    (totals,) = ledgers(tmp_path, "group_size").values()
    deliveries, messages = rows(tiny_url, EXPECTED)[0]
    assert (totals.messages, totals.expected) == (messages, deliveries), said
    assert totals.delivered == totals.expected > 0
    assert totals.missing == totals.duplicate == totals.reordered == totals.leaked == 0
    storms = exact_counts(tmp_path, "storms")
    assert sum(storms.values()) >= 2, said
    for (mode,), count in storms.items():
        assert exact_counts(tmp_path, "storm_connects")[mode,] == count * USERS
        assert samples(tmp_path, "reconnect_us", mode=mode) == samples(tmp_path, "connect_us", mode=mode)
        assert samples(tmp_path, "reconnect_us", mode=mode) == count * USERS
        assert samples(tmp_path, "storm_recovery_us", mode=mode) == count
        assert 0 < samples(tmp_path, "resume_us", mode=mode) <= count * USERS
        assert exact_counts(tmp_path, "storm_missed_messages")[mode,] >= samples(tmp_path, "resume_us", mode=mode)
        assert exact_counts(tmp_path, "storm_connects_per_second")[mode,] > 0
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert record.options["outage_seconds"] == 0.4


def test_what_a_resume_repeats_is_counted(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """A server that sends every third missed message twice is found out, copy by copy."""
    server = scripted_server(repeat_resumed_every=3)
    _, said = run("connect_storm", server.url, tmp_path, *OPTIONS, *BRIEF, run_time="7s")
    copies: Counter[tuple[str, str, int]] = Counter()
    for recipient, conversation, seq, times in server.get("/log")["replays"]:
        copies[recipient, conversation, seq] += times
    (totals,) = ledgers(tmp_path, "group_size").values()
    assert totals.duplicate == sum(times - 1 for times in copies.values()) > 0, said
    assert totals.missing == 0


def test_what_a_resume_loses_is_counted(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """A server that leaves out every third missed message is found out, and its storm never ends."""
    server = scripted_server(lose_resumed_every=3)
    _, said = run("connect_storm", server.url, tmp_path, *OPTIONS, *BRIEF, run_time="5s")
    copies: Counter[tuple[str, str, int]] = Counter()
    for recipient, conversation, seq, times in server.get("/log")["replays"]:
        copies[recipient, conversation, seq] += times
    lost = [one for one, times in copies.items() if not times]
    (totals,) = ledgers(tmp_path, "group_size").values()
    assert totals.missing == len(lost) > 0, said
    assert exact_counts(tmp_path, "storms") == {}
    assert "no storm was over" in said


def test_bad_input_is_one_sentence(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """A group of one has nobody to miss anything, and too few users make none."""
    url = scripted_server().url
    for options, sentence in ((("--group-size", "1"), "--group-size 1 is below 2"), (("--users", "3"), "3 users make")):
        code, said = run("connect_storm", url, tmp_path, *options, run_time="30s")
        assert code == 2
        assert sentence in said
