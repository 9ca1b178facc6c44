from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scenarios.ledger import Ledger, SettledMessage

MS = 1_000_000
DEADLINE_MS = 100


def ledger(*, superseding: bool = False) -> Ledger:
    return Ledger("s", deadline_ns=DEADLINE_MS * MS, settle_after_ns=1000 * MS, superseding=superseding)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int, int]], set[int]]:
    """Members, messages, and deliveries (recipient, seq, latency ms) in order of arrival, with every fault."""
    members = draw(st.integers(1, 4))
    messages = draw(st.integers(0, 12))
    deliveries: list[tuple[int, int, int]] = []
    for recipient in range(members + 1):  # the last one is no member
        share = 0.9 if recipient < members else 0.1
        for seq in range(1, messages + 1):
            copies = draw(st.sampled_from([1] * round(10 * share) + [0] * round(10 * (1 - share)) + [2]))
            latencies = st.sampled_from([1, 5, DEADLINE_MS, DEADLINE_MS + 1, 500])
            deliveries += [(recipient, seq, draw(latencies)) for _ in range(copies)]
    for _ in range(draw(st.integers(0, 6))):  # a few swaps
        if len(deliveries) > 1:
            at = draw(st.integers(0, len(deliveries) - 2))
            deliveries[at], deliveries[at + 1] = deliveries[at + 1], deliveries[at]
    unacknowledged = draw(st.sets(st.integers(1, max(1, messages)), max_size=2))
    return members, messages, deliveries, unacknowledged


@given(world=worlds(), settle_every=st.integers(1, 20))
def test_every_injected_fault_is_counted_exactly(
    world: tuple[int, int, list[tuple[int, int, int]], set[int]], settle_every: int
) -> None:
    """Against a count by plain definitions, whenever books are settled in between."""
    members, messages, deliveries, unacknowledged = world
    books = ledger()
    conversation = books.add_conversation("c", {"group_size": str(members)})
    recipients = [books.add_recipient(str(number)) for number in range(members + 1)]
    for recipient in recipients[:members]:
        recipient.join(conversation, 0)
    intended = {seq: seq * 10 * MS for seq in range(1, messages + 1)}
    acknowledged = [seq for seq in intended if seq not in unacknowledged]
    for seq in acknowledged:
        books.sent("c", seq, intended[seq], 50)
    settled: list[SettledMessage] = []
    for count, (recipient, seq, latency_ms) in enumerate(deliveries):
        message = recipients[recipient].observe("c", seq, intended[seq] + latency_ms * MS, 0, 100)
        if message is not None and message.intended_ns is None:
            message.intended_ns = intended[seq]
        if count % settle_every == 0:
            settled += books.settle(0)
    settled += books.settle(0, everything=True)
    (totals,) = books.reconcile()

    seen: set[tuple[int, int]] = set()
    highest: Counter[int] = Counter()
    duplicate = reordered = late = leaked = 0
    for recipient, seq, latency_ms in deliveries:
        if recipient == members:
            leaked += 1
        elif (recipient, seq) in seen:
            duplicate += 1
        else:
            seen.add((recipient, seq))
            reordered += seq < highest[recipient]
            late += latency_ms > DEADLINE_MS
            highest[recipient] = max(highest[recipient], seq)
    expected = members * len(acknowledged)
    delivered = len([one for one in seen if one[1] not in unacknowledged])
    assert (totals.messages, totals.expected, totals.delivered) == (len(acknowledged), expected, delivered)
    assert totals.missing == expected - delivered
    assert (totals.duplicate, totals.reordered, totals.late, totals.leaked) == (duplicate, reordered, late, leaked)
    assert sum(len(one.arrivals) for one in settled) == len(seen)


def test_first_median_p95_and_last_recipient() -> None:
    """The n-th fastest of twenty recipients: 1st, 10th, 19th, 20th."""
    books = ledger()
    conversation = books.add_conversation("c", {})
    books.sent("c", 1, 0)
    for number in range(20):
        recipient = books.add_recipient(str(number))
        recipient.join(conversation, 0)
        recipient.observe("c", 1, (20 - number) * MS, 0, 100)
    (settled,) = books.settle(21 * MS)
    assert [settled.reached_us(share) for share in (0.0, 0.5, 0.95, 1.0)] == [1000, 10_000, 19_000, 20_000]
    assert settled.latency_us() == [(20 - number) * 1000 for number in range(20)]


def test_a_message_that_lost_a_recipient_has_no_last_one() -> None:
    """Half of its recipients were reached; all of them never were."""
    books = ledger()
    conversation = books.add_conversation("c", {})
    books.sent("c", 1, 0)
    recipients = [books.add_recipient(str(number)) for number in range(2)]
    for recipient in recipients:
        recipient.join(conversation, 0)
    recipients[0].observe("c", 1, 5 * MS, 6 * MS, 100)
    assert list(books.settle(999 * MS)) == []
    (settled,) = books.settle(1001 * MS)
    assert (settled.reached_us(0.5), settled.reached_us(1.0)) == (5000, None)
    assert settled.observed_us() == [6000]


def test_a_delivery_after_settling_is_still_recorded_and_late() -> None:
    """The message's own figures are closed; the delivery's latency is not lost."""
    books = ledger()
    conversation = books.add_conversation("c", {})
    recipient = books.add_recipient("0")
    recipient.join(conversation, 0)
    books.sent("c", 1, 0)
    assert len(list(books.settle(1001 * MS))) == 1
    recipient.observe("c", 1, 2000 * MS, 0, 100)
    (settled,) = books.settle(2001 * MS)
    assert (settled.latency_us(), settled.expected, settled.reached_us(1.0)) == ([2_000_000], None, None)
    (totals,) = books.reconcile()
    assert (totals.delivered, totals.missing, totals.late) == (1, 0, 1)


def test_messages_after_leaving_are_leaks_and_before_joining_are_not_expected() -> None:
    """Membership covers the seqs after joining, up to leaving."""
    books = ledger()
    conversation = books.add_conversation("c", {})
    recipient = books.add_recipient("0")
    recipient.join(conversation, 2)
    recipient.leave(conversation, 4)
    for seq in range(1, 7):
        books.sent("c", seq, 0)
    for seq in (2, 3, 4, 5):
        recipient.observe("c", seq, 0, 0, 100)
    (totals,) = books.reconcile()
    assert (totals.messages, totals.expected, totals.delivered, totals.leaked) == (6, 2, 2, 2)


def test_one_who_stopped_listening_misses_nothing_more() -> None:
    """What came is delivered, what came later was not waited for."""
    books = ledger()
    conversation = books.add_conversation("c", {})
    recipient = books.add_recipient("0")
    recipient.join(conversation, 0)
    books.sent("c", 1, 0)
    recipient.observe("c", 1, 0, 0, 100)
    recipient.stop_listening()
    books.sent("c", 2, 0)
    (totals,) = books.reconcile()
    assert (totals.messages, totals.expected, totals.missing) == (2, 1, 0)


def test_a_conversation_outside_the_books_leaks_under_no_label() -> None:
    """A delivery that belongs nowhere is still counted."""
    books = ledger()
    books.add_recipient("0").observe("elsewhere", 1, 0, 0, 100)
    (totals,) = books.reconcile()
    assert (totals.labels, totals.leaked) == ({}, 1)


def test_totals_group_by_labels_and_outstanding_counts_what_is_missing() -> None:
    """Conversations of one group size are added up; what is on its way is outstanding."""
    books = ledger()
    recipient = books.add_recipient("0")
    for key, size in (("a", "2"), ("b", "2"), ("c", "5")):
        recipient.join(books.add_conversation(key, {"group_size": size}), 0)
        books.sent(key, 1, 0)
    recipient.observe("a", 1, 0, 0, 100)
    assert {totals.labels["group_size"]: totals.expected for totals in books.reconcile()} == {"2": 2, "5": 1}
    assert books.outstanding() == 2


@given(received=st.sets(st.integers(1, 10)), changes=st.integers(1, 10))
def test_superseded_changes_are_counted_and_known_by_the_newer_one(received: set[int], changes: int) -> None:
    """A skipped version before a received one is superseded; one after the last received is missing."""
    books = ledger(superseding=True)
    conversation = books.add_conversation("u", {"watchers": "1"})
    watcher = books.add_recipient("0")
    watcher.join(conversation, 0)
    for version in range(1, changes + 1):
        books.sent("u", version, version * MS)
    versions = sorted(version for version in received if version <= changes)
    for version in versions:
        watcher.observe("u", version, (version + 20) * MS, 0, 60)
    highest = max(versions, default=0)
    (totals,) = books.reconcile()
    assert (totals.delivered, totals.missing) == (len(versions), changes - highest)
    assert totals.superseded == highest - len(versions)
    knows = {settled.seq: settled.reached_us(1.0) for settled in books.settle(0, everything=True)}
    for version in range(1, highest + 1):
        newer = min(one for one in versions if one >= version)
        assert knows[version] == (newer + 20 - version) * 1000


def test_a_state_already_told_is_no_leak() -> None:
    """An event that was under way when a watcher asked for the state tells nothing new: neither leak nor duplicate."""
    books = ledger(superseding=True)
    watcher = books.add_recipient("0")
    watcher.join(books.add_conversation("u", {"watchers": "1"}), 3)
    watcher.observe("u", 3, 0, 0, 60)
    books.sent("u", 4, 0)
    watcher.observe("u", 4, MS, 0, 60)
    (totals,) = books.reconcile()
    assert (totals.delivered, totals.leaked, totals.duplicate, totals.missing) == (1, 0, 0, 0)


def test_a_state_told_again_supersedes_what_was_missed() -> None:
    """A watcher who was away is told the newest status: what came meanwhile is superseded, and known from then on."""
    books = ledger(superseding=True)
    conversation = books.add_conversation("u", {"watchers": "1"})
    watcher = books.add_recipient("0")
    watcher.join(conversation, 0)
    for version in (1, 2, 3, 4):
        books.sent("u", version, version * MS)
    watcher.observe("u", 1, 2 * MS, 0, 60)
    watcher.catch_up("u", 3, 50 * MS)
    watcher.catch_up("u", 2, 60 * MS)
    (totals,) = books.reconcile()
    assert (totals.delivered, totals.superseded, totals.missing) == (1, 2, 1)
    settled = {one.seq: one for one in books.settle(70 * MS)}
    assert settled[3].reached_us(1.0) == 47_000


def test_a_send_of_another_process_is_expected_here_and_counted_there() -> None:
    """Every recipient's books know every send; each send is counted in one process's, and told to the others once."""
    here, there = ledger(), ledger()
    told: list[tuple[object, ...]] = []
    for books in (here, there):
        books.add_recipient("0").join(books.add_conversation("c", {"group_size": "2"}), 0)
    here.on_acknowledged = lambda *sent: told.append(sent)
    here.sent("c", 1, MS, 40)
    assert told == [("c", 1, MS, 40)]
    there.sent(*told[0], elsewhere=True)  # type: ignore[arg-type]
    here.sent("c", 2, MS, 40, elsewhere=True)
    assert len(told) == 1
    here.is_closed_to_sends = True
    here.sent("c", 3, MS, 40)
    assert (len(told), here.acknowledged_too_late) == (1, 1)
    (own,), (other,) = here.reconcile(), there.reconcile()
    assert (own.messages, own.expected) == (1, 2)
    assert (other.messages, other.expected) == (0, 1)


def test_changes_that_share_a_version_are_counted_as_coalesced() -> None:
    """The earliest intended time stands: convergence is never flattered."""
    books = ledger(superseding=True)
    conversation = books.add_conversation("u", {})
    watcher = books.add_recipient("0")
    watcher.join(conversation, 0)
    books.sent("u", 1, 10 * MS)
    books.sent("u", 1, 20 * MS)
    watcher.observe("u", 1, 30 * MS, 0, 60)
    (settled,) = books.settle(40 * MS)
    assert (books.coalesced, settled.reached_us(1.0)) == (1, 20_000)


def test_settling_keeps_the_order_of_seqs() -> None:
    """Messages settle in the order in which they became known."""
    books = ledger()
    books.add_conversation("c", {})
    for seq in (1, 2, 3):
        books.sent("c", seq, 0)
    settled = [one.seq for one in books.settle(0)]
    assert all(before < after for before, after in pairwise(settled))
    assert len(settled) == 3
