"""Ties what the gateway delivers to the ledger and the histograms of a run."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from scenarios.client.gateway_client import EventHandler, GatewayClient
from scenarios.histograms import Recorder
from scenarios.ledger import Conversation, Ledger, Message, Recipient, SettledMessage
from scenarios.markers import read_marker

SettledHandler = Callable[[SettledMessage], None]


class DeliveryBooks:
    """Per delivery only the ledger's fast path runs; latencies are computed and recorded when a message settles.

    Measured per delivery, groups of 100: ledger 0.7 µs, settling 0.9 µs, histograms 0.2 µs.
    """

    def __init__(self, ledger: Ledger, token: str, clock_offset_ns: int = 0) -> None:
        self.ledger = ledger
        self._clock_offset_ns = clock_offset_ns  # of this host's clock against the run's, which markers are written by
        self.token = token  # of the run, in its messages' markers
        self.foreign = 0  # messages of other people in conversations that are none of ours

    def open_recipient(
        self, client: GatewayClient, name: str, memberships: Iterable[tuple[Hashable, int]]
    ) -> Recipient:
        """The books of who receives by this connection, which is to resume from where they begin.

        `memberships` are the conversations' wire ids, each with the last seq before the run; what has been sent since
        is another's.
        """
        recipient = self.ledger.add_recipient(name)
        for key, last_seq in memberships:
            conversation = self.ledger.conversations[key]
            base = max([last_seq, *(high for _, high in conversation.acknowledged)])
            recipient.join(conversation, base)
            client.last_seq[key] = base
        client.on_message = self.receiver(recipient)
        return recipient

    def receiver(self, recipient: Recipient) -> EventHandler:
        """The message-event handler of one connected recipient."""
        stream_of = recipient.streams.get

        def on_message(event: Any, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
            stream = stream_of(event.c)
            if stream is None:
                self._stranger(recipient, event, wire_bytes, arrival_ns, observed_ns)
                return
            message = stream.observe(event.n, arrival_ns, observed_ns, wire_bytes)
            if message is not None and message.intended_ns is None:
                self._introduce(message, event.b)

        return on_message

    def settle(self, now_ns: int, record: SettledHandler, *, everything: bool = False) -> None:
        """Hands every message whose books close to `record`."""
        for settled in self.ledger.settle(now_ns, everything=everything):
            record(settled)

    def _introduce(self, message: Message, content: str) -> None:
        """Reads, once per message, its intended time: recipients often hear before the sender's answer is back."""
        marker = read_marker(content)
        if marker is not None and marker.token == self.token:
            message.intended_ns = marker.intended_ns + self._clock_offset_ns
            message.content_bytes = len(content)  # ASCII

    def _stranger(self, recipient: Recipient, event: Any, wire_bytes: int, arrival_ns: int, observed_ns: int) -> None:
        """A message in a conversation that this recipient does not belong to: a leak if it is one of ours."""
        marker = read_marker(event.b)
        if event.c in self.ledger.conversations or (marker is not None and marker.token == self.token):
            recipient.observe(event.c, event.n, arrival_ns, observed_ns, wire_bytes)
        else:
            self.foreign += 1


class DeliverySeries:
    """Records settled messages into the delivery metrics, by group size."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._batches: dict[str, dict[str, Callable[[Iterable[int]], None]]] = {}

    def record_deliveries(self, settled: SettledMessage) -> None:
        """One message's deliveries, each by itself."""
        batches = self._for(settled.conversation)
        batches["delivery_us"](settled.latency_us())
        batches["delivery_observed_us"](settled.observed_us())
        batches["delivery_wire_bytes"](settled.wire_bytes)
        batches["delivery_content_bytes"]([settled.content_bytes] * len(settled.arrivals))

    def record_whole(self, settled: SettledMessage) -> None:
        """One message's first, median, p95 and last recipient, of all that the run has."""
        batches = self._for(settled.conversation)
        for metric, share in _REACHED:
            reached = settled.reached_us(share)
            if reached is not None:
                batches[metric]((reached,))

    def record(self, settled: SettledMessage) -> None:
        """Both, for a run in one process."""
        self.record_deliveries(settled)
        self.record_whole(settled)

    def _for(self, conversation: Conversation) -> dict[str, Callable[[Iterable[int]], None]]:
        group_size = conversation.labels["group_size"]
        batches = self._batches.get(group_size)
        if batches is None:
            batches = self._batches[group_size] = {
                metric: self._recorder.batch(metric, group_size=group_size) for metric in _METRICS
            }
        return batches


# Share of a message's recipients that must have it; 0 stands for the first one.
_REACHED = (
    ("delivery_first_us", 0.0),
    ("delivery_median_us", 0.5),
    ("delivery_p95_us", 0.95),
    ("delivery_last_us", 1.0),
)
_METRICS = (
    "delivery_us",
    "delivery_observed_us",
    "delivery_wire_bytes",
    "delivery_content_bytes",
    *(metric for metric, _ in _REACHED),
)
