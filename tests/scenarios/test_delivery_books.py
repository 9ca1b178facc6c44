"""The books of who receives, from the moment when they begin to listen."""

from scenarios.client.delivery_books import DeliveryBooks
from scenarios.client.gateway_client import GatewayClient
from scenarios.ledger import Ledger


def test_who_comes_later_is_not_owed_what_was_sent_before() -> None:
    """Of messages 4 to 6, sent before the second one came, none is theirs; the seventh is, and resuming asks from 6."""
    books = DeliveryBooks(Ledger("fanout", deadline_ns=10**9, settle_after_ns=10**9), "token")
    books.ledger.add_conversation("room", {"group_size": "2"})
    books.open_recipient(GatewayClient(), "early", [("room", 3)])
    for seq in (4, 5, 6):
        books.ledger.sent("room", seq, 1)
    client = GatewayClient()
    late = books.open_recipient(client, "late", [("room", 3)])
    assert client.last_seq == {"room": 6}
    assert late.streams["room"].after == 6
    books.ledger.sent("room", 7, 1)
    (totals,) = books.ledger.reconcile()
    assert (totals.messages, totals.expected) == (4, 5)
