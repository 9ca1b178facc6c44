"""The hot conversation as users run it, on a database as it is, and on one where every send takes its time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from load_runs import exact_counts, ledgers, rows, run, samples

LISTENERS = 2
OPTIONS = ("--users", "8", "--window-seconds", "1")

MESSAGES = """
SELECT CASE WHEN c.name LIKE 'hot %' THEN 'one' ELSE 'many' END, count(*)
  FROM chat_messages m
  JOIN conversations c ON c.id = m.conversation_id AND (c.name LIKE 'hot %' OR c.name LIKE 'own %')
 WHERE m.content LIKE 'cb1.%'
 GROUP BY 1
"""
SEND_SECONDS = 0.05
SLOW = (
    f"""
CREATE FUNCTION public.take_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep({SEND_SECONDS}); RETURN NULL; END $$
""",
    "CREATE TRIGGER take_time AFTER INSERT ON public.chat_messages FOR EACH ROW EXECUTE FUNCTION public.take_time()",
)


def test_both_arms_are_offered_and_counted_the_same(
    chat_server: Callable[..., str], tiny_url: str, tmp_path: Path
) -> None:
    """Every message of the database is in the ledger, came to every listener, and is timed under its arm and rate."""
    _, said = run("hot_conversation", chat_server(), tmp_path, *OPTIONS, "--rates", "10,30", run_time="9s")
    stored = dict(rows(tiny_url, MESSAGES))
    books = ledgers(tmp_path, "conversations")
    assert set(books) == {"one", "many"}
    for arm, totals in books.items():
        assert totals.messages == stored[arm] > 0, said
        assert totals.delivered == totals.expected == totals.messages * LISTENERS
        assert totals.missing == totals.duplicate == totals.leaked == 0
        assert samples(tmp_path, "room_send_us", conversations=arm) == totals.messages
        assert samples(tmp_path, "room_delivery_us", conversations=arm) == totals.delivered
    achieved = exact_counts(tmp_path, "room_sends_per_second")
    assert {("one", "10"), ("many", "10")} <= set(achieved)
    for arm in books:
        most = max(value for (known, _), value in achieved.items() if known == arm)
        assert exact_counts(tmp_path, "room_sends_per_second_max")[arm,] == most
    for (rate,), ratio in exact_counts(tmp_path, "room_sends_ratio").items():
        assert ratio == pytest.approx(achieved["one", rate] / achieved["many", rate], rel=0.001)


def test_sends_that_wait_for_each_other_are_the_ceiling(
    chat_server: Callable[..., str], tiny_url: str, tmp_path: Path
) -> None:
    """Where a send holds its conversation for a while, one conversation does one at a time, and many do more."""
    for statement in SLOW:
        rows(tiny_url, statement)
    _, said = run("hot_conversation", chat_server(), tmp_path, *OPTIONS, "--rates", "80", run_time="16s")
    achieved = exact_counts(tmp_path, "room_sends_per_second")
    assert 0 < achieved["one", "80"] <= 1 / SEND_SECONDS, said
    assert exact_counts(tmp_path, "room_sends_ratio")["80",] < 1
    assert all(totals.missing == 0 for totals in ledgers(tmp_path, "conversations").values())


def test_bad_input_is_one_sentence(chat_server: Callable[..., str], tmp_path: Path) -> None:
    """Nobody to listen, or more listeners than users."""
    url = chat_server()
    for options, sentence in (
        (("--listeners", "0"), "--listeners 0 is below 1"),
        (("--users", "3", "--listeners", "4"), "--listeners 4 are more than the 3 users"),
    ):
        code, said = run("hot_conversation", url, tmp_path, *options, run_time="30s")
        assert code == 2
        assert sentence in said
