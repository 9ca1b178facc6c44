from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_server.frames import DeletedEvent, EditedEvent, MessageEvent, ReceiptEvent


class Talk:
    """A group of two with some messages, and a stranger."""

    def __init__(self, server: Any, messages: int = 3) -> None:
        self.one, self.other, self.stranger = (server.user(index) for index in (90, 91, 92))
        self.id = server.group(self.one, self.other)
        self.path = f"/conversations/{self.id}/messages"
        for number in range(1, messages + 1):
            self.one.send(self.id, f"message {number}")

    def contents(self) -> list[str]:
        """What the other reads, newest first."""
        return [one["content"] for one in self.other.get(self.path).json()["messages"]]

    def unread(self, user: Any) -> int:
        """The count in a user's list."""
        listed = user.get("/conversations", limit=200).json()["conversations"]
        return int(next(one["unread_count"] for one in listed if one["id"] == str(self.id)))


@pytest.fixture
def talk(server: Any) -> Talk:
    """A fresh conversation."""
    return Talk(server)


# --- edits and deletions -------------------------------------------------------------------------------


def test_an_edit_changes_the_content_and_says_when(talk: Talk) -> None:
    """Seq, sender and created_at stay; everyone reads the new content."""
    before = talk.one.get(talk.path).json()["messages"][1]
    after = talk.one.request("PATCH", f"{talk.path}/2", content="better").json()["message"]
    assert after["edited_at"] > after["created_at"]
    assert {**after, "content": "message 2", "edited_at": None} == before
    assert talk.contents() == ["message 3", "better", "message 1"]


def test_a_deletion_leaves_a_tombstone(talk: Talk) -> None:
    """The seq stays, the content is gone from the database too; deleting twice is deleting once."""
    first = talk.one.request("DELETE", f"{talk.path}/2")
    again = talk.one.request("DELETE", f"{talk.path}/2")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["message"]["deleted_at"] is not None
    assert talk.contents() == ["message 3", "", "message 1"]
    assert talk.one.request("PATCH", f"{talk.path}/2", content="back").status_code == 404
    talk.one.send(talk.id)
    assert [one["seq"] for one in talk.one.get(talk.path).json()["messages"]] == [4, 3, 2, 1]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_only_senders_change_their_messages(talk: Talk, method: str) -> None:
    """Others in the conversation, strangers, and messages that are not there: not found, and nothing changes."""
    body = {"content": "forged"} if method == "PATCH" else {}
    assert talk.other.request(method, f"{talk.path}/2", **body).status_code == 404
    assert talk.stranger.request(method, f"{talk.path}/2", **body).status_code == 404
    assert talk.one.request(method, f"{talk.path}/4", **body).status_code == 404
    assert talk.contents() == ["message 3", "message 2", "message 1"]


def test_who_has_left_changes_nothing(talk: Talk) -> None:
    """Not even what they wrote."""
    talk.other.send(talk.id, "mine")
    assert talk.other.request("POST", f"/conversations/{talk.id}/leave").status_code == 204
    assert talk.other.request("PATCH", f"{talk.path}/4", content="late").status_code == 404
    assert talk.other.request("DELETE", f"{talk.path}/4").status_code == 404


def test_changes_come_live_in_their_place(talk: Talk) -> None:
    """Between the messages before and after them, to the sender's devices too."""
    devices = [talk.one.connect(), talk.other.connect("chat.v1.msgpack")]
    for device in devices:
        device.subscribe()
    edited = talk.one.request("PATCH", f"{talk.path}/1", content="new").json()["message"]
    talk.one.send(talk.id)
    talk.one.request("DELETE", f"{talk.path}/2")
    for device in devices:
        event = device.receive()
        assert isinstance(event, EditedEvent)
        assert (event.seq, event.content) == (1, "new")
        assert abs(event.edited_at_ms - _milliseconds(edited["edited_at"])) <= 1
        assert isinstance(device.receive(), MessageEvent)
        assert device.receive() == DeletedEvent(conversation_id=talk.id, seq=2)


def test_a_replay_shows_messages_as_they_are_now(talk: Talk) -> None:
    """Edited content with its time, tombstones without content."""
    talk.one.request("PATCH", f"{talk.path}/2", content="new")
    talk.one.request("DELETE", f"{talk.path}/3")
    events = talk.other.connect().subscribe({talk.id: 0})
    assert [(event.seq, event.content, event.is_deleted) for event in events] == [
        (1, "message 1", False),
        (2, "new", False),
        (3, "", True),
    ]
    assert [event.edited_at_ms is not None for event in events] == [False, True, False]


# --- reading -------------------------------------------------------------------------------------------


def test_reading_moves_the_watermark_and_tells_everyone(talk: Talk) -> None:
    """The answer says what is left unread; each move is one receipt; reading again, or less, moves nothing."""
    device = talk.one.connect()
    device.subscribe()
    read = talk.other.request("POST", f"{talk.path}/2/read").json()
    assert read == {"last_read_seq": 2, "unread_count": 1, "last_seq": 3}
    assert device.receive() == ReceiptEvent(conversation_id=talk.id, user_id=talk.other.id, seq=2)
    for seq in (2, 1):
        assert talk.other.request("POST", f"{talk.path}/{seq}/read").json() == read
    talk.one.send(talk.id)
    assert isinstance(device.receive(), MessageEvent)  # no receipt in between


def test_messages_that_are_not_there_cannot_be_read(talk: Talk) -> None:
    """Beyond the newest, and for strangers: not found, and the watermark stays."""
    assert talk.other.request("POST", f"{talk.path}/4/read").status_code == 404
    assert talk.stranger.request("POST", f"{talk.path}/1/read").status_code == 404
    assert talk.unread(talk.other) == 3


def test_senders_have_read_what_they_write(talk: Talk) -> None:
    """And what stood above it."""
    assert talk.unread(talk.one) == 0
    talk.other.send(talk.id)
    assert (talk.unread(talk.one), talk.unread(talk.other)) == (1, 0)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reads=st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_unread_is_exact_under_concurrent_sends(server: Any, reads: list[int]) -> None:
    """However reads and sends interleave: what is unread is the newest seq less the highest one read."""
    talk = Talk(server, messages=0)
    with ThreadPoolExecutor(4) as pool:
        sends = [pool.submit(talk.one.post_message, talk.id, "x", uuid4()) for _ in range(12)]
        answers = [pool.submit(talk.other.request, "POST", f"{talk.path}/{seq}/read") for seq in reads]
    assert all(future.result().status_code == 201 for future in sends)
    moved = [seq for seq, future in zip(reads, answers, strict=True) if future.result().status_code == 200]
    assert talk.unread(talk.other) == 12 - max(moved, default=0)
    assert talk.unread(talk.one) == 0


# --- paging towards the newest -------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 4, 5, 10, 11])
def test_paging_towards_the_newest_finds_everything_once(server: Any, count: int) -> None:
    """From the oldest page up, with `has_more` exact at multiples of the page size, and on to what comes later."""
    talk = Talk(server, messages=count)
    page = talk.other.get(talk.path, limit=5).json()
    while page["has_more"]:
        page = talk.other.get(talk.path, limit=5, before=page["next_cursor"]).json()
    found = [one["seq"] for one in reversed(page["messages"])]
    while True:
        page = talk.other.get(talk.path, limit=5, after=page["newer_cursor"]).json()
        found += [one["seq"] for one in page["messages"]]
        assert page["has_more"] is (found[-1:] not in ([count], [])) is (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
    assert found == list(range(1, count + 1))
    talk.one.send(talk.id)
    later = talk.other.get(talk.path, after=page["newer_cursor"]).json()
    assert [one["seq"] for one in later["messages"]] == [count + 1]


def test_one_pages_in_one_direction(talk: Talk) -> None:
    """Both at once is a mistake; so is a cursor of the other kind."""
    page = talk.one.get(talk.path, limit=2).json()
    both = talk.one.get(talk.path, before=page["next_cursor"], after=page["newer_cursor"])
    swapped = talk.one.get(talk.path, after=page["next_cursor"])
    assert both.status_code == swapped.status_code == 400


def _milliseconds(text: str) -> int:
    from datetime import datetime  # noqa: PLC0415 - of one helper

    return int(datetime.fromisoformat(text).timestamp() * 1000)
