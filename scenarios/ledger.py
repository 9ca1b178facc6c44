"""Contract: the delivery ledger: what each recipient should have received against what came.

Deliveries are keyed (conversation, seq): a message's seq, or the version of a user's presence. A recipient's stream
of one conversation is normally in order, and then one integer comparison keeps its books; sets of ranges hold the
exceptions. Clock and sockets are the caller's: times are passed in, as CLOCK_REALTIME in ns.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from scenarios.run_records import LedgerTotals
from scenarios.seq_ranges import SeqRanges

_FOREVER = (1 << 63) - 1


class Message:
    """One message (or status change) on its way to its recipients."""

    __slots__ = (
        "acknowledged",
        "arrivals",
        "content_bytes",
        "expected",
        "intended_ns",
        "observed",
        "superseded",
        "wire_bytes",
    )

    def __init__(self) -> None:
        self.intended_ns: int | None = None  # unknown until its sender or its marker told
        self.acknowledged = False
        self.content_bytes = 0
        self.expected: int | None = None  # recipients; None until it is acknowledged
        # First copies, in order of reading: kernel's time, time of reading, bytes on the wire.
        self.arrivals: list[int] = []
        self.observed: list[int] = []
        self.wire_bytes: list[int] = []
        self.superseded: list[int] = []  # arrivals of a newer version at recipients that skipped this one


@dataclass(frozen=True)
class SettledMessage:
    """A message whose deliveries are counted: all came, or the wait is over."""

    conversation: "Conversation"
    seq: int
    intended_ns: int
    content_bytes: int
    expected: int | None  # None: deliveries that came after it was settled, or of a send never acknowledged
    arrivals: list[int]
    observed: list[int]
    wire_bytes: list[int]
    superseded: list[int]

    def latency_us(self) -> list[int]:
        """Intended send → arrival, per recipient."""
        return [(arrival - self.intended_ns) // 1000 for arrival in self.arrivals]

    def observed_us(self) -> list[int]:
        """Intended send → read by the generator's code, per recipient."""
        return [(observed - self.intended_ns) // 1000 for observed in self.observed]

    @cached_property
    def _known_ns(self) -> list[int]:
        """When recipients knew, ascending; sorted once, because there may be ten thousand of them."""
        return sorted(self.arrivals + self.superseded)

    def reached_us(self, share: float) -> int | None:
        """Intended send → `share` (0 … 1] of its recipients know; None when that many never did. 0: the first."""
        known = self._known_ns
        needed = max(1, ceil(share * (self.expected or 0)))
        return (known[needed - 1] - self.intended_ns) // 1000 if self.expected and len(known) >= needed else None


class Stream:
    """What one recipient received of one conversation it belongs to: everything up to `high` except `holes`."""

    __slots__ = ("_ledger", "after", "conversation", "high", "holes", "until")

    def __init__(self, ledger: "Ledger", conversation: "Conversation", after: int) -> None:
        self._ledger = ledger
        self.conversation = conversation
        self.after = after  # membership covers seqs after … until
        self.until = _FOREVER
        self.high = after
        self.holes = SeqRanges()

    def observe(self, seq: int, arrival_ns: int, observed_ns: int, wire_bytes: int) -> Message | None:
        """Notes one delivery; the message's books when it is a member's first copy, else None (and counted)."""
        if seq == self.high + 1 and seq <= self.until:
            self.high = seq
        elif not self._ledger.exception(self, seq, arrival_ns):
            return None
        message = self.conversation.open.get(seq)
        if message is None:
            message = self.conversation.message(seq)
        message.arrivals.append(arrival_ns)
        message.observed.append(observed_ns)
        message.wire_bytes.append(wire_bytes)
        return message


class Conversation:
    """The books of one conversation."""

    def __init__(self, key: Hashable, labels: Mapping[str, str]) -> None:
        self.key = key
        self.labels = dict(labels)
        self.streams: list[Stream] = []
        self.acknowledged = SeqRanges()
        self.acknowledged_elsewhere = 0  # of these, by senders in other processes of the run
        self.open: dict[int, Message] = {}
        self.expired: dict[int, int | None] = {}  # settled incomplete: seq → intended time
        self.duplicate = 0
        self.reordered = 0
        self.late = 0
        self.leaked = 0

    def message(self, seq: int) -> Message:
        """The open books of message `seq`."""
        message = self.open.get(seq)
        if message is None:
            message = self.open[seq] = Message()
            message.intended_ns = self.expired.get(seq)
        return message

    def expected(self, seq: int) -> int:
        """How many recipients should receive message `seq`."""
        return sum(1 for stream in self.streams if stream.after < seq <= stream.until)


class Recipient:
    """One connected receiver: what it belongs to, and what came."""

    __slots__ = ("_ledger", "name", "streams")

    def __init__(self, ledger: "Ledger", name: str) -> None:
        self._ledger = ledger
        self.name = name
        self.streams: dict[Hashable, Stream] = {}

    def join(self, conversation: Conversation, after_seq: int) -> None:
        """From now on every message after `after_seq` is expected here."""
        stream = Stream(self._ledger, conversation, after_seq)
        self.streams[conversation.key] = stream
        conversation.streams.append(stream)

    def leave(self, conversation: Conversation, after_seq: int) -> None:
        """Nothing after `after_seq` is expected here any more; what still comes is a leak."""
        self.streams[conversation.key].until = after_seq

    def stop_listening(self) -> None:
        """Closes the books where they stand: a receiver that left on purpose misses nothing from now on."""
        for stream in self.streams.values():
            stream.until = min(stream.until, stream.high)

    def catch_up(self, key: Hashable, seq: int, told_ns: int) -> None:
        """A state told at once supersedes every version up to `seq` that this recipient had not received."""
        stream = self.streams[key]
        assert self._ledger.superseding, "a message is not told by a later one"
        for skipped in range(stream.high + 1, seq + 1):
            stream.conversation.message(skipped).superseded.append(told_ns)
        stream.holes.add_range(stream.high + 1, seq)
        stream.high = max(stream.high, seq)

    def observe(self, key: Hashable, seq: int, arrival_ns: int, observed_ns: int, wire_bytes: int) -> Message | None:
        """Notes one delivery; the message's books when it is a first copy to a member, else None (and counted)."""
        stream = self.streams.get(key)
        if stream is None:
            self._ledger.leak(key)
            return None
        return stream.observe(seq, arrival_ns, observed_ns, wire_bytes)


class Ledger:
    """The books of one scenario.

    `superseding`: a newer seq tells everything that older ones did (presence), so one skipped on the way to a newer
    one is superseded, not missing.
    """

    def __init__(self, scenario: str, *, deadline_ns: int, settle_after_ns: int, superseding: bool = False) -> None:
        self.scenario = scenario
        self.deadline_ns = deadline_ns  # a delivery after this is late
        self.settle_after_ns = settle_after_ns  # how long a message's own figures wait for its last recipient
        self.superseding = superseding
        self.conversations: dict[Hashable, Conversation] = {}
        # Told of every send acknowledged here: key, seq, intended time, bytes of content.
        self.on_acknowledged: Callable[[Hashable, int, int, int], None] = lambda *_: None
        self.is_closed_to_sends = False  # True: what is acknowledged here from now on, others do not learn in time
        self.acknowledged_too_late = 0
        self.coalesced = 0  # acknowledged changes that share their version with an earlier one
        self.leaked_elsewhere = 0  # in conversations that these books do not hold

    def add_conversation(self, key: Hashable, labels: Mapping[str, str]) -> Conversation:
        """Opens the books of a conversation; `labels` group the totals."""
        return self.conversations.setdefault(key, Conversation(key, labels))

    def add_recipient(self, name: str) -> Recipient:
        """Opens the books of a receiver."""
        return Recipient(self, name)

    def sent(
        self, key: Hashable, seq: int, intended_ns: int, content_bytes: int = 0, *, elsewhere: bool = False
    ) -> None:
        """Notes an acknowledged send: every member should receive it; `elsewhere`: another process's books count it."""
        if self.is_closed_to_sends and not elsewhere:
            self.acknowledged_too_late += 1
            return
        conversation = self.conversations[key]
        if not conversation.acknowledged.add(seq):
            self.coalesced += 1
            return
        conversation.acknowledged_elsewhere += elsewhere
        if not elsewhere:
            self.on_acknowledged(key, seq, intended_ns, content_bytes)
        message = conversation.message(seq)
        message.acknowledged = True
        message.intended_ns = intended_ns
        message.content_bytes = content_bytes

    def leak(self, key: Hashable) -> None:
        """Counts a delivery to someone who is no member."""
        conversation = self.conversations.get(key)
        if conversation is None:
            self.leaked_elsewhere += 1
        else:
            conversation.leaked += 1

    def exception(self, stream: Stream, seq: int, arrival_ns: int) -> bool:
        """Notes a delivery that was not the next in order; whether it is a member's first copy."""
        conversation = stream.conversation
        if self.superseding and seq <= stream.after:
            return False  # under way when the state was asked for, which told as much
        if not stream.after < seq <= stream.until:
            conversation.leaked += 1
            return False
        if seq > stream.high:
            if self.superseding:
                for skipped in range(stream.high + 1, seq):
                    conversation.message(skipped).superseded.append(arrival_ns)
            stream.holes.add_range(stream.high + 1, seq - 1)
            stream.high = seq
            return True
        if stream.holes.remove(seq):
            conversation.reordered += 1
            return not self.superseding  # it was counted when the newer version came
        conversation.duplicate += 1
        return False

    def settle(self, now_ns: int, *, everything: bool = False) -> Iterator[SettledMessage]:
        """Closes the books of messages that reached everyone, waited long enough, or (at the end) all of them."""
        for conversation in self.conversations.values():
            for seq, message in list(conversation.open.items()):
                settled = self._settle(conversation, seq, message, now_ns, everything)
                if settled is not None:
                    yield settled

    def _settle(
        self, conversation: Conversation, seq: int, message: Message, now_ns: int, everything: bool
    ) -> SettledMessage | None:
        reopened = seq in conversation.expired
        intended_ns = message.intended_ns
        if intended_ns is None:
            # Nobody of this run sent it as far as we know yet; the sender's acknowledgement may still come.
            first_ns = min(message.arrivals + message.superseded, default=now_ns)
            if everything or now_ns - first_ns > self.settle_after_ns:
                del conversation.open[seq]
                conversation.expired[seq] = None
            return None
        if message.acknowledged and not reopened and message.expected is None:
            message.expected = conversation.expected(seq)
        waiting = message.expected is None or len(message.arrivals) + len(message.superseded) < message.expected
        if waiting and not reopened and not everything and now_ns - intended_ns <= self.settle_after_ns:
            return None
        del conversation.open[seq]
        if waiting:
            conversation.expired[seq] = intended_ns
        late_after_ns = intended_ns + self.deadline_ns
        conversation.late += sum(1 for arrival in message.arrivals if arrival > late_after_ns)
        return SettledMessage(
            conversation,
            seq,
            intended_ns,
            message.content_bytes,
            None if reopened else message.expected,
            message.arrivals,
            message.observed,
            message.wire_bytes,
            message.superseded,
        )

    def outstanding(self) -> int:
        """Deliveries that are expected and have not come."""
        if any(conversation.expired for conversation in self.conversations.values()):
            return sum(totals.missing for totals in self.reconcile())
        # Asked many times while a run drains: open messages are few, and recipients may be thousands.
        missing = 0
        for conversation in self.conversations.values():
            for seq, message in conversation.open.items():
                if message.acknowledged and message.expected is None:
                    message.expected = conversation.expected(seq)
                missing += max(0, (message.expected or 0) - len(message.arrivals) - len(message.superseded))
        return missing

    def reconcile(self) -> list[LedgerTotals]:
        """Expected against observed, per set of labels, as it stands now; settle first, so that `late` is complete."""
        groups: dict[tuple[tuple[str, str], ...], list[Conversation]] = {}
        for conversation in self.conversations.values():
            groups.setdefault(tuple(sorted(conversation.labels.items())), []).append(conversation)
        totals = [self._totals(dict(labels), group) for labels, group in groups.items()]
        if self.leaked_elsewhere:
            totals.append(self._totals({}, [], leaked_elsewhere=self.leaked_elsewhere))
        return totals

    def _totals(
        self, labels: dict[str, str], conversations: Iterable[Conversation], leaked_elsewhere: int = 0
    ) -> LedgerTotals:
        messages = expected = missing = superseded = duplicate = reordered = late = 0
        leaked = leaked_elsewhere
        for conversation in conversations:
            messages += len(conversation.acknowledged) - conversation.acknowledged_elsewhere
            duplicate += conversation.duplicate
            reordered += conversation.reordered
            late += conversation.late
            leaked += conversation.leaked
            for stream in conversation.streams:
                low, high = stream.after + 1, stream.until
                expected += conversation.acknowledged.count_between(low, high)
                skipped = stream.holes.count_shared(conversation.acknowledged, low, high)
                missing += conversation.acknowledged.count_between(stream.high + 1, high)
                if self.superseding:
                    superseded += skipped
                else:
                    missing += skipped
        return LedgerTotals(
            scenario=self.scenario,
            labels=labels,
            messages=messages,
            expected=expected,
            delivered=expected - missing - superseded,
            missing=missing,
            duplicate=duplicate,
            reordered=reordered,
            late=late,
            leaked=leaked,
            superseded=superseded,
        )
