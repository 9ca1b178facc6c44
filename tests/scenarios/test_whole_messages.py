from hypothesis import given
from hypothesis import strategies as st

from scenarios.ledger import Ledger, SettledMessage
from scenarios.whole_messages import WholeMessages
from scenarios.worker_messages import MessagePart

INTENDED_NS = 10**18
arrivals = st.lists(st.integers(0, 10**9).map(lambda delay: INTENDED_NS + delay), max_size=6)


def ledger() -> Ledger:
    books = Ledger("fanout", deadline_ns=10**9, settle_after_ns=10**9)
    books.add_conversation("c", {"group_size": "9"})
    return books


def part(arrived: list[int], expected: int, seq: int = 1, content_bytes: int = 0) -> MessagePart:
    return MessagePart("c", seq, INTENDED_NS, content_bytes, expected, arrived, [])


@given(shares=st.lists(st.tuples(arrivals, st.integers(0, 2)), min_size=1, max_size=4))
def test_a_message_is_what_it_would_have_been_in_one_process(shares: list[tuple[list[int], int]]) -> None:
    """First, median, p95 and last recipient are those of all recipients, however they are spread over workers."""
    names = [str(number) for number in range(len(shares))]
    whole = WholeMessages(ledger(), names)
    made = [
        whole.add(name, part(arrived, len(arrived) + missing))
        for name, (arrived, missing) in zip(names, shares, strict=True)
    ]
    assert made[:-1] == [None] * (len(shares) - 1)
    together = [arrival for arrived, _ in shares for arrival in arrived]
    alone = SettledMessage(
        conversation=ledger().conversations["c"],
        seq=1,
        intended_ns=INTENDED_NS,
        content_bytes=0,
        expected=len(together) + sum(missing for _, missing in shares),
        arrivals=together,
        observed=[],
        wire_bytes=[],
        superseded=[],
    )
    assert made[-1] is not None
    assert [made[-1].reached_us(share) for share in (0, 0.5, 0.95, 1)] == [
        alone.reached_us(share) for share in (0, 0.5, 0.95, 1)
    ]
    assert list(whole.rest()) == []


def test_a_lost_worker_is_not_waited_for() -> None:
    """What only its part was missing of is whole without it; what others still owe is not."""
    whole = WholeMessages(ledger(), ["1", "2", "3"])
    for worker, seq in (("1", 1), ("2", 1), ("1", 2)):
        assert whole.add(worker, part([INTENDED_NS + 5000], 1, seq=seq)) is None
    (done,) = whole.without("3")
    assert (done.seq, done.expected, done.reached_us(1.0)) == (1, 2, 5)
    (late,) = whole.rest()
    assert (late.seq, late.expected) == (2, 1)


def test_the_content_is_known_to_whoever_saw_it() -> None:
    """A worker without recipients has only the sender's word for a message, and another only its marker's."""
    whole = WholeMessages(ledger(), ["1", "2"])
    whole.add("1", part([], 0))
    made = whole.add("2", part([INTENDED_NS], 1, content_bytes=80))
    assert made is not None
    assert made.content_bytes == 80
