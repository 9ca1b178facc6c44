"""Times between hosts whose clocks differ: what a sender wrote by one is read by the other."""

import time
from datetime import UTC, datetime
from typing import Any

from scenarios.client.delivery_books import DeliveryBooks
from scenarios.client.gateway_client import TextEvent
from scenarios.client.remote_record import RemoteRecord
from scenarios.ledger import Ledger
from scenarios.markers import Marker, marked_content
from scenarios.worker_messages import Acknowledged, Assignment, Elsewhere, decode_from_master, encode

SENT_NS = 1_700_000_000_000_000_000  # by the run's clock
AHEAD_NS = 3_000_000_000  # how far this host's clock is ahead of it


def test_a_delivery_is_timed_by_the_clock_that_stamped_it() -> None:
    """The marker's moment is moved to this host's clock before an arrival here is compared with it."""
    ledger = Ledger("fanout", deadline_ns=10**9, settle_after_ns=10**9)
    recipient = ledger.add_recipient("0")
    recipient.join(ledger.add_conversation("c", {"group_size": "2"}), 0)
    books = DeliveryBooks(ledger, "deadbeef", AHEAD_NS)
    content = marked_content(Marker("deadbeef", 1, SENT_NS), 60)
    arrival_ns = SENT_NS + AHEAD_NS + 5_000_000
    books.receiver(recipient)(TextEvent(t="m", c="c", n=1, b=content), 90, arrival_ns, arrival_ns)
    settled: list[Any] = []
    books.settle(arrival_ns, settled.append, everything=True)
    assert [one.latency_us() for one in settled] == [[5000]]


def test_seconds_are_counted_by_the_masters_clock() -> None:
    """A worker whose clock is an hour ahead labels its lines with the second of the run."""
    run_began = time.time() - 3600 - 7  # seven seconds ago, as the master has it
    assignment = Assignment(
        index=0,
        count=1,
        user_count=1,
        token="deadbeef",
        host="another",
        started_at=datetime.fromtimestamp(run_began, UTC).isoformat(timespec="milliseconds"),
        clock_offset_ns=3600 * 10**9,
        plan=b"",
    )
    assert 7 <= RemoteRecord(lambda _message: None, assignment).second() < 3600


def test_keys_of_both_encodings_pass_the_channel() -> None:
    """Conversations are text under the JSON subprotocol and bytes under the binary one."""
    told = Elsewhere([Acknowledged("text", 1, SENT_NS, 40), Acknowledged(b"\x00\xff", 2, SENT_NS, 40)])
    assert decode_from_master(encode(told)) == told
