"""Who of a conversation's readers reads next, and how far: one message each, in turn. Pure."""

from collections.abc import Sequence


class ReadingTurns:
    """The readers of one conversation; none gets more than one message ahead of another."""

    def __init__(self, numbers: Sequence[int], last_seq: int, unread: int) -> None:
        self.last_seq = last_seq  # of what there is to read
        self._numbers = numbers
        self._unread = unread  # messages that are to be there for every reader
        self._turns = 0

    @property
    def next_seq(self) -> int:
        """Up to where the next reader reads."""
        return self._turns // len(self._numbers) + 1

    @property
    def needs_more(self) -> bool:
        """Whether too little is left to read."""
        return self.last_seq - self.next_seq + 1 < self._unread

    def take(self) -> tuple[int, int] | None:
        """Who reads now, and up to which message; None when there is nothing to read."""
        seq = self.next_seq
        if seq > self.last_seq:
            return None
        number = self._numbers[self._turns % len(self._numbers)]
        self._turns += 1
        return number, seq
