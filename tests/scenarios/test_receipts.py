"""The receipts as users run them: against the reference server, and against one that loses some."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from load_runs import channel, exact_counts, free_port, ledgers, rows, run, samples

OPTIONS = ("--users", "8", "--group-sizes", "2,7", "--drain-seconds", "2")

# Marks are one message each, and whoever made the group only writes: the watermarks of the others are the marks.
MARKS = """
SELECT substring(c.name FROM 'receipts ([0-9]+) ') AS size, sum(p.last_read_seq)::bigint
  FROM conversations c
  JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id <> c.created_by
 WHERE c.name LIKE 'receipts %'
 GROUP BY 1
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_every_mark_reaches_everyone_once(
    chat_server: Callable[..., str], tiny_url: str, tmp_path: Path, processes: int
) -> None:
    """Marks are those of the database; every other participant knows each, and each is timed."""
    more = ("--processes", "2", *channel(free_port())) if processes > 1 else ()
    _, said = run("receipts", chat_server(), tmp_path, *OPTIONS, "--rate", "30", *more, run_time="7s")
    books = ledgers(tmp_path, "group_size")
    marks = exact_counts(tmp_path, "receipt_marks")
    stored = {(size,): count for size, count in rows(tiny_url, MARKS)}
    assert marks == stored, said
    assert set(books) == {"2", "7"}
    for size, totals in books.items():
        assert totals.messages == marks[size,] > 0
        assert totals.expected == totals.messages * (int(size) - 1)
        assert totals.missing == totals.duplicate == totals.leaked == 0
        assert samples(tmp_path, "receipt_us", group_size=size) == totals.delivered
        assert samples(tmp_path, "receipt_last_us", group_size=size) == totals.messages
        # A mark that a newer one of the same reader overtook is told to nobody, its reader included.
        told = totals.messages - totals.superseded // (int(size) - 1)
        assert exact_counts(tmp_path, "receipt_events")[size,] == told * int(size)
        assert exact_counts(tmp_path, "receipts_per_mark")[size,] == round(told * int(size) / totals.messages, 3)


def test_lost_receipts_are_counted(scripted_server: Callable[..., Any], tmp_path: Path) -> None:
    """What a newer receipt told is superseded, what nothing followed is missing, as the server's log says."""
    server = scripted_server(drop_every=5)
    _, said = run("receipts", server.url, tmp_path, *OPTIONS, "--rate", "60")
    told = server.get("/log")["receipts"]
    sizes = {conversation: len(members) for conversation, members in server.get("/log")["members"].items()}
    for size, totals in ledgers(tmp_path, "group_size").items():
        events = [one for one in told if sizes[one[1]] == int(size)]
        others = [(member, reader, seq) for member, _, reader, seq in events if member != reader]
        marks = [(reader, seq) for member, _, reader, seq in events if member == reader]
        newest: Counter[tuple[str, str]] = Counter()
        for member, reader, seq in others:
            newest[member, reader] = max(seq, newest[member, reader])
        assert totals.messages == len(marks) > 0, said
        assert totals.delivered == len(others)
        assert totals.superseded == sum(newest.values()) - len(others)
        assert totals.missing == len(marks) * (int(size) - 1) - sum(newest.values())
        assert exact_counts(tmp_path, "receipt_events")[size,] == len(events)
    assert sum(totals.superseded for totals in ledgers(tmp_path, "group_size").values()) > 0
