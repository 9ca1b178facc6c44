"""Typing as users run it, against reference servers whose expiry is as the run believes, and is not."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
from load_runs import exact_counts, ledgers, rows, run, samples

from scenarios.run_folder import RunFolder

AUDIENCE, TYPISTS = 5, 2
ROOM = (str(TYPISTS), str(AUDIENCE))
OPTIONS = ("--users", "8", "--audiences", str(AUDIENCE), "--typists", str(TYPISTS), "--rate", "30")
BRIEF = ("--window-seconds", "0.7", "--drain-seconds", "2")

MESSAGES = """
SELECT count(*)
  FROM chat_messages m
  JOIN conversations c ON c.id = m.conversation_id AND c.name LIKE 'typing %'
 WHERE m.content LIKE 'cb1.%'
"""


def metric(url: str, name: str, kind: str) -> float:
    """A counter of the server, by its kind."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return float(re.search(rf'^{name}{{kind="{kind}"}} (\S+)$', text, re.MULTILINE)[1])  # type: ignore[index]


def test_typing_is_counted_as_the_server_counts_it(
    chat_server: Callable[..., str], tiny_url: str, tmp_path: Path
) -> None:
    """Starts, events and messages are the server's; no echo, no early stop, and every silence is noticed by all."""
    url = chat_server(typing_expiry_seconds=1.5)
    options = (*OPTIONS, *BRIEF, "--typing-expiry-seconds", "1.5")
    _, said = run("typing_indicators", url, tmp_path, *options, run_time="13s")
    (totals,) = ledgers(tmp_path, "audience").values()
    assert totals.messages == rows(tiny_url, MESSAGES)[0][0] > 0, said
    assert totals.delivered == totals.expected == totals.messages * (AUDIENCE + 1)
    assert totals.missing == totals.duplicate == totals.leaked == 0
    delivered = [samples(tmp_path, "typing_delivery_us", typing=arm) for arm in ("with", "without")]
    assert sum(delivered) == totals.delivered
    assert min(delivered) > 0
    starts = exact_counts(tmp_path, "typing_starts")[ROOM]
    events = exact_counts(tmp_path, "typing_events")[ROOM]
    assert starts == metric(url, "chat_typing_total", "start") > 0
    # A stop and what follows it can be on their way when the books close.
    assert 0 <= metric(url, "chat_gateway_events_total", "y") - events <= 2 * AUDIENCE * TYPISTS
    assert exact_counts(tmp_path, "typing_events_per_start")[ROOM] == round(events / starts, 3)
    for fault in ("echoes", "early", "missing"):
        assert exact_counts(tmp_path, f"typing_{fault}") == {ROOM: 0}, said
    expiries = samples(tmp_path, "typing_expiry_error_us")
    assert expiries > 0
    assert expiries % (AUDIENCE * TYPISTS) == 0
    assert samples(tmp_path, "typing_us") > 0


def test_an_expiry_that_is_too_short_is_noticed(chat_server: Callable[..., str], tmp_path: Path) -> None:
    """Every stop of a silent typist is early then, at every watcher."""
    url = chat_server(typing_expiry_seconds=1.5)
    options = (*OPTIONS, *BRIEF, "--typing-expiry-seconds", "3")
    _, said = run("typing_indicators", url, tmp_path, *options, run_time="13s")
    early = exact_counts(tmp_path, "typing_early")[ROOM]
    assert early == samples(tmp_path, "typing_expiry_error_us") > 0
    assert early % (AUDIENCE * TYPISTS) == 0
    assert "is --typing-expiry-seconds the server's?" in said


def test_an_expiry_that_does_not_come_is_noticed(chat_server: Callable[..., str], tmp_path: Path) -> None:
    """Every watcher misses the stop of every silent typist then."""
    url = chat_server(typing_expiry_seconds=60)
    options = (*OPTIONS, *BRIEF, "--typing-expiry-seconds", "0.1")
    _, said = run("typing_indicators", url, tmp_path, *options, run_time="16s")
    missing = exact_counts(tmp_path, "typing_missing")[ROOM]
    assert missing > 0, said
    assert missing % (AUDIENCE * TYPISTS) == 0
    assert samples(tmp_path, "typing_expiry_error_us") == 0
    assert "never came" in said


def test_rooms_that_do_not_fit_are_told(chat_server: Callable[..., str], tmp_path: Path) -> None:
    """One that does is measured alone; none at all is one sentence."""
    url = chat_server()
    run("typing_indicators", url, tmp_path, "--users", "4", "--audiences", "3,9", "--typists", "1", run_time="6s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert "left out: 1 typists before an audience of 9" in record.warnings
    assert set(ledgers(tmp_path, "audience")) == {"3"}
    code, said = run("typing_indicators", url, tmp_path, "--users", "4", "--audiences", "9", run_time="30s")
    assert code == 2
    assert "no audience of 9" in said
