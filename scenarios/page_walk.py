"""Contract: walking back through a conversation, and what a walk found lost or repeated. Pure."""

from collections.abc import Sequence

# Depth buckets: pages from the newest one, counted from 1.
DEPTHS = ((1, "1"), (9, "2-9"), (99, "10-99"), (999, "100-999"))
DEEPEST = "1000+"


def depth_label(page: int) -> str:
    """The bucket of page number `page`, 1 being the newest."""
    return next((label for upper, label in DEPTHS if page <= upper), DEEPEST)


class PageWalk:
    """Checks that the pages of one walk hold every seq exactly once, newest first, down to 1.

    Seqs are gap-free per conversation, so what is lost is known without asking anyone.
    """

    def __init__(self, page: int = 1, before_seq: int | None = None) -> None:
        self.page = page  # the next one to fetch
        self.before_seq = before_seq  # the last seq seen; None before the first page
        self.expected = 0
        self.lost = 0
        self.repeated = 0
        self.is_over = False

    def take(self, seqs: Sequence[int], *, has_more: bool) -> None:
        """Enters one page as it came."""
        for seq in seqs:
            if self.before_seq is None:
                self.expected += 1
            elif seq >= self.before_seq:
                self.repeated += 1
                continue
            else:
                self.expected += self.before_seq - seq
                self.lost += self.before_seq - seq - 1
            self.before_seq = seq
        self.page += 1
        # A page without messages that promises more would be walked for ever.
        self.is_over = not has_more or not seqs
        if self.is_over and self.before_seq is not None and self.before_seq > 1:
            self.expected += self.before_seq - 1
            self.lost += self.before_seq - 1
            self.before_seq = 1
