"""How messages are paged through: by seq, or, to be compared with it, by created_at or by OFFSET.

The cursor stays one opaque word: clients do not see which way it is, except by what they wait and what they miss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

from reference_server.cursors import (
    NEWEST_BY_OFFSET,
    NEWEST_BY_TIME,
    NEWEST_MESSAGES,
    MessageCursor,
    OffsetCursor,
    TimeCursor,
)
from reference_server.records import Message

MessagePaging = Literal["seq", "created_at", "offset"]
PageCursor = MessageCursor | TimeCursor | OffsetCursor


@dataclass(frozen=True)
class Paging:
    """One way to page: its statement, which takes a conversation, a place and a limit, and its cursors."""

    statement: str
    newest: PageCursor
    place: Callable[[Any], int | datetime]  # of a cursor of this way
    following: Callable[[Any, Sequence[Message]], PageCursor]  # the cursor behind a page that is not empty


PAGINGS: dict[MessagePaging, Paging] = {
    "seq": Paging(
        "list_messages", NEWEST_MESSAGES, attrgetter("before_seq"), lambda _before, page: MessageCursor(page[-1].seq)
    ),
    "created_at": Paging(
        "list_messages_by_created_at",
        NEWEST_BY_TIME,
        attrgetter("before_created_at"),
        lambda _before, page: TimeCursor(page[-1].created_at),
    ),
    "offset": Paging(
        "list_messages_by_offset",
        NEWEST_BY_OFFSET,
        attrgetter("offset"),
        lambda before, page: OffsetCursor(before.offset + len(page)),
    ),
}
