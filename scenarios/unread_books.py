"""What a list of conversations may say of unread messages while others write, and must say once all is quiet. Pure.

An unread count is the conversation's last seq less the reader's watermark; both only grow. Between the moment before
a request and the moment of its answer, each was at least what had been acknowledged before, and at most what had been
begun by then. Every write to these conversations is entered here, before it is begun and when it is acknowledged; who
sends is never one of the readers, whose watermarks a send of their own would move.
"""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class Place:
    """How far a conversation, or a reader in it, is."""

    known: int  # at least so far: acknowledged
    begun: int  # at most so far: once everything that was begun is done

    @property
    def is_certain(self) -> bool:
        """Whether the two are the same."""
        return self.known == self.begun


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of a reader's conversations when a list was asked for."""

    last_seqs: dict[Hashable, int]
    read_seqs: dict[Hashable, int]


class UnreadBooks:
    """The conversations of all readers of a run."""

    def __init__(self) -> None:
        self._written: dict[Hashable, Place] = {}  # conversation
        self._read: dict[Hashable, dict[Hashable, Place]] = {}  # reader → conversation

    def open(self, reader: Hashable, conversation: Hashable, last_seq: int, read_seq: int) -> None:
        """Begins the books of a reader's conversation by what holds while nobody writes."""
        self._written.setdefault(conversation, Place(last_seq, last_seq))
        self._read.setdefault(reader, {})[conversation] = Place(read_seq, read_seq)

    def last_seq(self, conversation: Hashable) -> int:
        """The newest message that is certainly there."""
        return self._written[conversation].known

    # --- writes -----------------------------------------------------------------------------------------

    def send_begins(self, conversation: Hashable) -> None:
        """A message is about to be sent."""
        self._written[conversation].begun += 1

    def send_acknowledged(self, conversation: Hashable, seq: int) -> None:
        """A message is there."""
        place = self._written[conversation]
        place.known = max(place.known, seq)

    def mark_begins(self, reader: Hashable, conversation: Hashable, seq: int) -> None:
        """The reader is about to mark everything up to `seq` as read."""
        place = self._read[reader][conversation]
        place.begun = max(place.begun, seq)

    def mark_acknowledged(self, reader: Hashable, conversation: Hashable, read_seq: int) -> None:
        """The reader's watermark is at least there."""
        place = self._read[reader][conversation]
        place.known = max(place.known, read_seq)

    # --- lists ------------------------------------------------------------------------------------------

    def before(self, reader: Hashable) -> Before:
        """To be taken when the reader asks for a list."""
        read = self._read[reader]
        return Before(
            {conversation: self._written[conversation].known for conversation in read},
            {conversation: place.known for conversation, place in read.items()},
        )

    def bounds(self, reader: Hashable, before: Before, conversation: Hashable) -> tuple[int, int] | None:
        """The least and the most that the answer, which has just come, may say; None for one not in the books."""
        place = self._read[reader].get(conversation)
        if place is None:
            return None
        least = before.last_seqs[conversation] - place.begun
        most = self._written[conversation].begun - before.read_seqs[conversation]
        return max(0, least), max(0, most)

    def at_rest(self, reader: Hashable, conversation: Hashable) -> int | None:
        """What the list must say now; None when something was begun and never answered, or it is not in the books."""
        place = self._read[reader].get(conversation)
        if place is None or not place.is_certain or not self._written[conversation].is_certain:
            return None
        return max(0, self._written[conversation].known - place.known)
