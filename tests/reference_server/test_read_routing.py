"""reference_server.read_routing: which database may serve a page, without I/O."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.read_routing import Need, Policy, Step, WrittenPositions, decide, poll_pause_seconds


@pytest.mark.parametrize(
    ("policy", "need", "replayed", "may_wait", "step"),
    [
        ("eventual", Need(10), 9, True, "replica"),
        ("eventual", Need(question=1), 9, True, "replica"),
        ("eventual", Need(), None, True, "down"),
        ("primary", Need(10), 10, True, "replica"),
        ("primary", Need(10), 9, True, "behind"),
        ("primary", Need(question=1), 9, True, "behind"),
        ("primary", Need(), None, True, "down"),
        ("wait", Need(10), 10, True, "replica"),
        ("wait", Need(10), 9, True, "wait"),
        ("wait", Need(question=1), 9, True, "wait"),
        ("wait", Need(10), 9, False, "late"),
        ("wait", Need(), None, True, "down"),
    ],
)
def test_the_policy_decides(policy: Policy, need: Need, replayed: int | None, may_wait: bool, step: Step) -> None:
    """The replica serves what it has replayed; the rest is the policy's."""
    assert decide(policy, need, replayed, may_wait=may_wait) == step


def begun(kept_max: int) -> WrittenPositions:
    """Where it is known that nothing was written before."""
    written = WrittenPositions(kept_max)
    written.ask()
    written.answer(0)
    return written


def test_what_was_written_before_is_needed_until_it_is_replayed() -> None:
    """By another process, before this one began: everything, until the first answer tells how much that is."""
    written, conversation = WrittenPositions(10), uuid4()
    assert decide("wait", written.need(conversation), 10**12, may_wait=True) == "wait"
    assert decide("primary", written.need(conversation), 10**12, may_wait=True) == "behind"
    assert written.has_unreplayed
    written.ask()
    written.answer(100)
    assert written.need(conversation) == Need(100)
    written.replayed(99)
    assert written.has_unreplayed
    written.replayed(100)
    assert not written.has_unreplayed
    assert decide("primary", written.need(conversation), 100, may_wait=True) == "replica"


def test_a_write_is_needed_until_it_is_replayed() -> None:
    """First by its question's number, then by its position, then no more."""
    written, conversation = begun(10), uuid4()
    assert written.need(conversation) == Need()
    written.wrote(conversation)
    assert written.need(conversation) == Need(question=2)
    written.ask()
    early = written.need(conversation)
    assert early == Need(question=2)
    written.answer(100)
    assert written.need(conversation) == written.resolved(early) == Need(100)
    written.replayed(99)
    assert written.need(conversation) == Need(100)
    written.replayed(100)
    assert written.need(conversation) == Need()
    assert not written.has_unreplayed


def test_a_write_after_the_question_is_not_covered_by_its_answer() -> None:
    """An answer may be older than what was written while it came; the next question covers that."""
    written, conversation = begun(10), uuid4()
    written.wrote(conversation)
    written.ask()
    written.wrote(conversation)
    late = written.need(conversation)
    assert late == Need(question=3)
    written.answer(100)
    assert written.resolved(late) == late
    assert written.need(conversation) == late
    written.ask()
    written.answer(200)
    assert written.resolved(late) == Need(200)


def test_a_question_in_vain_is_asked_again() -> None:
    """No answer means that nothing is known: readers go on waiting for the next one."""
    written, conversation = begun(10), uuid4()
    written.wrote(conversation)
    written.ask()
    need = written.need(conversation)
    written.ask()
    assert written.resolved(need) == need
    written.answer(100)
    assert written.resolved(need) == written.need(conversation) == Need(100)


def test_what_has_no_room_is_needed_by_all() -> None:
    """Beyond the bound, conversations that are not remembered need as much as the last one forgotten."""
    written, conversations = begun(2), [uuid4() for _ in range(4)]
    for position, conversation in enumerate(conversations, start=1):
        written.wrote(conversation)
        written.ask()
        written.answer(position)
    assert [written.need(conversation).position for conversation in conversations] == [2, 2, 3, 4]


@given(st.lists(st.sampled_from(["ask", "answer", "replayed", "crash", *"abc"]), max_size=60))
def test_no_write_is_ever_forgotten_too_early(steps: list[str]) -> None:
    """Whatever happens in which order, a conversation needs at least the position of its last write."""
    written, position, asked, replayed = begun(1), 0, 0, 0
    last: dict[UUID, int] = {}
    for step in steps:
        if step == "ask":
            written.ask()
            asked = position
        elif step == "answer":
            written.answer(asked)
        elif step == "replayed":
            replayed = position // 2
            written.replayed(replayed)
        elif step == "crash":
            replayed //= 2
            written.replayed(replayed)
        else:
            position += 1
            last[UUID(bytes=step.encode() * 16)] = position
            written.wrote(UUID(bytes=step.encode() * 16))
        for conversation, needed in last.items():
            need = written.need(conversation)
            assert need.question is not None or need.position >= needed or replayed >= needed


def test_a_replica_that_comes_back_with_less_serves_nothing_that_it_lost() -> None:
    """After a crash it replays again what it had replayed: until then, every conversation needs it."""
    written, conversation = begun(10), uuid4()
    written.wrote(conversation)
    written.ask()
    written.answer(100)
    written.replayed(100)
    assert written.need(conversation) == Need()
    written.replayed(60)
    assert written.need(conversation) == Need(100)


def test_the_replica_is_asked_as_often_as_it_matters() -> None:
    """Often and then less while somebody waits, seldom otherwise."""
    pauses = [poll_pause_seconds(is_awaited=True, has_unreplayed=True, unmoved_polls=n) for n in (0, 1, 4, 5, 9999)]
    assert pauses == [0.001, 0.002, 0.016, 0.02, 0.02]
    assert poll_pause_seconds(is_awaited=False, has_unreplayed=True, unmoved_polls=0) == 0.02
    assert poll_pause_seconds(is_awaited=False, has_unreplayed=False, unmoved_polls=0) == 0.5
