"""Contract: the marker that opens every message a load run sends.

It carries the run, the message's number and its intended time, so that a recipient in any process can time the
delivery without asking the sender. Its width is fixed, because it is read once per message.
"""

from dataclasses import dataclass
from random import Random

from fixtures.words import COMMON_WORDS

_PREFIX = "cb1."
_STRIDE = 7919  # a prime: neighbours begin far apart
TOKEN_LENGTH = 8
MARKER_LENGTH = len(_PREFIX) + TOKEN_LENGTH + 1 + 8 + 1 + 16 + 1


def _shuffled(count: int) -> str:
    """So many words in no order: a text that repeated itself would be compressed to nothing."""
    return " ".join(Random("the text of marked messages").choices(COMMON_WORDS, k=count))


_TEXT = _shuffled(20_000)  # every message holds another piece of it


@dataclass(frozen=True)
class Marker:
    """What a marked message says of itself."""

    token: str  # of the run: 8 hexadecimal digits
    number: int  # of the message within the run
    intended_ns: int  # CLOCK_REALTIME of its intended send


def marked_content(marker: Marker, length: int) -> str:
    """A message of `length` characters (at least the marker's), all of them ASCII, that opens with the marker."""
    assert len(marker.token) == TOKEN_LENGTH
    head = f"{_PREFIX}{marker.token}.{marker.number & 0xFFFFFFFF:08x}.{marker.intended_ns:016x} "
    filler = max(0, length - len(head))
    assert filler < len(_TEXT)
    start = marker.number * _STRIDE % (len(_TEXT) - filler)
    return head + _TEXT[start : start + filler]


def read_marker(content: str) -> Marker | None:
    """The marker of a message; None when it has none, as messages of other people do."""
    if not content.startswith(_PREFIX) or len(content) < MARKER_LENGTH:
        return None
    try:
        return Marker(token=content[4:12], number=int(content[13:21], 16), intended_ns=int(content[22:38], 16))
    except ValueError:
        return None
