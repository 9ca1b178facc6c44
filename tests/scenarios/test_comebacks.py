from hypothesis import given
from hypothesis import strategies as st

from scenarios.comebacks import Comeback, Storm, missed_messages
from scenarios.ledger import Ledger

KEYS = ("a", "b")
Arrivals = list[tuple[str, int]]


@given(
    sent=st.dictionaries(st.sampled_from(KEYS), st.sets(st.integers(1, 20)), max_size=2),
    held=st.dictionaries(st.sampled_from(KEYS), st.integers(0, 20), max_size=2),
    arrivals=st.lists(st.tuples(st.sampled_from([*KEYS, "other"]), st.integers(1, 20)), max_size=60),
    subscribed_at=st.integers(0, 60),
)
def test_a_comeback_is_whole_when_all_that_was_missed_is_there(
    sent: dict[str, set[int]], held: dict[str, int], arrivals: Arrivals, subscribed_at: int
) -> None:
    """Against plain sets: what was acknowledged beyond the last held, whatever else comes, and how often."""
    ledger = Ledger("s", deadline_ns=10**9, settle_after_ns=10**9)
    recipient = ledger.add_recipient("r")
    for key in KEYS:
        recipient.join(ledger.add_conversation(key, {}), held.get(key, 0))
        for seq in sent.get(key, set()):
            ledger.sent(key, seq, 0)
    missed = {(key, seq) for key, seqs in sent.items() for seq in seqs if seq > held.get(key, 0)}
    comeback = Comeback(0, missed_messages(recipient))
    assert comeback.missed_count == len(missed)
    comeback.subscribed_ns = subscribed_at
    first: dict[tuple[str, int], int] = {}
    for moment, (key, seq) in enumerate(arrivals):
        comeback.observe(key, seq, moment)
        first.setdefault((key, seq), moment)
    came = [first[one] for one in missed if one in first]
    assert comeback.last_missed_ns == max(came, default=None)
    whole = len(came) == len(missed)
    assert comeback.is_whole == whole
    assert comeback.whole_ns == (max([subscribed_at, *came]) if whole else None)


def test_who_is_not_subscribed_is_not_whole() -> None:
    """Even with nothing missed: events may not flow yet."""
    comeback = Comeback(0, {})
    assert not comeback.is_whole
    assert comeback.whole_ns is None


def test_a_storm_is_over_when_the_last_one_has_everything() -> None:
    """One straggler keeps it going, and one who never connects keeps it from being connected."""
    storm = Storm(100)
    assert storm.recovered_ns() is None
    assert storm.connected_ns() is None
    quick, slow = Comeback(100, {}), Comeback(100, {"a": {1}})
    storm.comebacks += [quick, slow]
    quick.ready_ns, quick.subscribed_ns = 110, 120
    slow.subscribed_ns = 115
    assert storm.connected_ns() is None
    slow.ready_ns = 112
    assert storm.connected_ns() == 112
    assert storm.recovered_ns() is None
    slow.observe("a", 1, 140)
    assert storm.recovered_ns() == 140
