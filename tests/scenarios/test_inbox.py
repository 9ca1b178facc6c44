"""The inbox as users run it, against a database that counts right, and one that does not."""

from collections.abc import Callable
from pathlib import Path

import pytest
from load_runs import channel, exact_counts, free_port, rows, run, samples

from scenarios.run_folder import RunFolder

SIZES = (9, 25)
READERS, PAGE = 1, 20  # as the workload says
OPTIONS = ("--users", "12", "--conversations", ",".join(map(str, SIZES)), "--drain-seconds", "4")

# What a message does to everyone's watermark when the server has forgotten who read it.
FORGETFUL = (
    """
CREATE FUNCTION public.forget_unread() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE public.conversation_participants SET last_read_seq = NEW.seq WHERE conversation_id = NEW.conversation_id;
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER forget_unread AFTER INSERT ON public.chat_messages
   FOR EACH ROW EXECUTE FUNCTION public.forget_unread()
""",
)
WRITTEN = "SELECT count(DISTINCT conversation_id), count(*) FROM chat_messages WHERE content LIKE 'cb1.%'"


@pytest.mark.parametrize("processes", [1, 2])
def test_every_count_of_every_list_is_checked(
    chat_server: Callable[..., str], tiny_url: str, tmp_path: Path, processes: int
) -> None:
    """As many as lists and conversations make, during writes and at rest, and all are right."""
    more = ("--processes", "2", *channel(free_port())) if processes > 1 else ()
    _, said = run("inbox", chat_server(), tmp_path, *OPTIONS, *more, run_time="9s")
    for size in SIZES:
        label = str(size)
        lists = samples(tmp_path, "request_us", request="get_conversations", weight=label)
        assert lists > 0, said
        assert exact_counts(tmp_path, "unread_checked")[label,] == lists * min(size, PAGE)
        assert exact_counts(tmp_path, "unread_checked_at_rest")[label,] == size * READERS
        assert exact_counts(tmp_path, "unread_mismatches")[label,] == 0
        assert exact_counts(tmp_path, "unread_mismatches_at_rest")[label,] == 0
    sends = samples(tmp_path, "request_us", request="send_message")
    assert sends == rows(tiny_url, WRITTEN)[0][1] > 0
    assert samples(tmp_path, "request_us", request="mark_read") > 0


def test_wrong_counts_are_found(chat_server: Callable[..., str], tiny_url: str, tmp_path: Path) -> None:
    """Where a message counts as read by everyone: during the writes, and afterwards in what was written to."""
    for statement in FORGETFUL:
        rows(tiny_url, statement)
    _, said = run("inbox", chat_server(), tmp_path, *OPTIONS, "--mark-rate", "1", run_time="9s")
    assert sum(exact_counts(tmp_path, "unread_mismatches").values()) > 0, said
    wrong = sum(exact_counts(tmp_path, "unread_mismatches_at_rest").values())
    assert 0 < wrong <= rows(tiny_url, WRITTEN)[0][0]
    assert "unread counts were wrong" in said


def test_sizes_that_nobody_fits_are_told(chat_server: Callable[..., str], tmp_path: Path) -> None:
    """A class that nobody is small enough for is left out; none at all is one sentence."""
    url = chat_server()
    run("inbox", url, tmp_path, "--users", "6", "--conversations", "2,40", run_time="8s")
    (record,) = RunFolder(tmp_path).read_manifest().scenarios
    assert any(warning.startswith("left out: no user with at most 0") for warning in record.warnings)
    assert set(exact_counts(tmp_path, "unread_checked")) == {("40",)}
    code, said = run("inbox", url, tmp_path, "--users", "6", "--conversations", "1", run_time="30s")
    assert code == 2
    assert "few enough conversations for --conversations 1" in said
