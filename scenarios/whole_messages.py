"""Contract: messages whose recipients are spread over several workers, put together again. Pure."""

from collections.abc import Iterable, Iterator

from scenarios.ledger import Conversation, Ledger, SettledMessage
from scenarios.worker_messages import Key, MessagePart


class WholeMessages:
    """Collects each worker's part of each message; a message is whole when every worker left has told its own."""

    def __init__(self, ledger: Ledger, workers: Iterable[str]) -> None:
        self._ledger = ledger  # knows the conversations
        self._workers = set(workers)
        self._parts: dict[tuple[Key, int], dict[str, MessagePart]] = {}

    def add(self, worker: str, part: MessagePart) -> SettledMessage | None:
        """Takes one part; the message, when it is whole with it."""
        parts = self._parts.setdefault((part.key, part.seq), {})
        parts[worker] = part
        return self._taken(part.key, part.seq) if self._workers <= parts.keys() else None

    def without(self, worker: str) -> Iterator[SettledMessage]:
        """Waits for a lost worker no longer; the messages that only its part was missing of."""
        self._workers.discard(worker)
        for (key, seq), parts in list(self._parts.items()):
            if self._workers <= parts.keys():
                yield self._taken(key, seq)

    def rest(self) -> Iterator[SettledMessage]:
        """At the end: what is not whole, as far as it came."""
        for key, seq in list(self._parts):
            yield self._taken(key, seq)

    def _taken(self, key: Key, seq: int) -> SettledMessage:
        parts = list(self._parts.pop((key, seq)).values())
        conversation: Conversation = self._ledger.conversations[key]
        return SettledMessage(
            conversation=conversation,
            seq=seq,
            intended_ns=parts[0].intended_ns,
            content_bytes=max(part.content_bytes for part in parts),
            expected=sum(part.expected for part in parts),
            arrivals=[arrival for part in parts for arrival in part.arrivals],
            observed=[],
            wire_bytes=[],
            superseded=[arrival for part in parts for arrival in part.superseded],
        )
