"""Users who lost their connections come back: what each missed, and when everybody has everything. Pure.

Times are CLOCK_REALTIME in ns, passed in.
"""

from collections.abc import Hashable, Mapping

from scenarios.ledger import Recipient


def missed_messages(recipient: Recipient) -> dict[Hashable, set[int]]:
    """The acknowledged messages, by conversation, that lie behind the last one a recipient holds."""
    missed: dict[Hashable, set[int]] = {}
    for key, stream in recipient.streams.items():
        seqs: set[int] = set()
        for start, stop in stream.conversation.acknowledged:
            seqs.update(range(max(start, stream.high + 1), stop + 1))
        if seqs:
            missed[key] = seqs
    return missed


class Comeback:
    """One user's way back."""

    def __init__(self, intended_ns: int, missed: Mapping[Hashable, set[int]]) -> None:
        self.intended_ns = intended_ns
        self.missed_count = sum(len(seqs) for seqs in missed.values())
        self.connect_began_ns = intended_ns  # of the attempt that succeeded
        self.ready_ns: int | None = None  # authenticated
        self.subscribed_ns: int | None = None  # the replay is over
        self.last_missed_ns: int | None = None  # arrival of the last missed message so far
        self._missing = {key: set(seqs) for key, seqs in missed.items()}
        self._missing_count = self.missed_count

    def observe(self, key: Hashable, seq: int, arrival_ns: int) -> None:
        """Notes a message that came; only the first copy of one that was missed matters."""
        missing = self._missing.get(key)
        if missing is not None and seq in missing:
            missing.remove(seq)
            self._missing_count -= 1
            self.last_missed_ns = max(arrival_ns, self.last_missed_ns or 0)

    @property
    def is_whole(self) -> bool:
        """Whether the user is subscribed again and has everything that was missed."""
        return self.subscribed_ns is not None and not self._missing_count

    @property
    def whole_ns(self) -> int | None:
        """When that was; None as long as it is not."""
        if self.subscribed_ns is None or self._missing_count:
            return None
        return max(self.subscribed_ns, self.last_missed_ns or 0)


class Storm:
    """Everybody's way back from one outage."""

    def __init__(self, begin_ns: int) -> None:
        self.begin_ns = begin_ns  # the first may come back
        self.comebacks: list[Comeback] = []

    def recovered_ns(self) -> int | None:
        """When everybody was back and had everything; None when somebody never was or had."""
        moments = [comeback.whole_ns for comeback in self.comebacks]
        whole = [moment for moment in moments if moment is not None]
        return max(whole) if whole and len(whole) == len(moments) else None

    def connected_ns(self) -> int | None:
        """When the last one was authenticated; None when somebody never was."""
        moments = [comeback.ready_ns for comeback in self.comebacks]
        ready = [moment for moment in moments if moment is not None]
        return max(ready) if ready and len(ready) == len(moments) else None
