"""Which database may serve a page of a conversation: decided from positions in the WAL, without I/O.

What must be replayed first is kept per conversation, not per reader: it covers the reader's own writes there, and also
what the gateway has announced of others' messages, so that nobody reads a page that lacks an event they have seen.
A write's position is asked for after its commit; until the answer is there, a write is known by the question's number.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Policy = Literal["primary", "wait", "eventual"]
Source = Literal["primary", "replica"]
# Why the primary serves a page that the replica was meant for.
Fallback = Literal[
    "behind",  # policy `primary`: what was written is not replayed yet
    "late",  # policy `wait`: it was not replayed within the bound
    "down",  # the replica does not answer, or is no standby any more
    "failed",  # it answered before, and failed or cancelled this read
    "missing",  # it knows of no conversation that the reader may see: it may only be too old to know
]
Step = Literal["replica", "wait"] | Fallback

_UNKNOWN = 2**64  # beyond every position
_PAUSE_AWAITED_SECONDS = (0.001, 0.02)  # while somebody waits: from, doubling to
_PAUSE_UNREPLAYED_SECONDS = 0.02  # nobody waits, but there is something to learn
_PAUSE_IDLE_SECONDS = 0.5  # only whether it is alive, and the lag


@dataclass(frozen=True, slots=True)
class Need:
    """What must be replayed before the replica may serve a conversation."""

    position: int = 0  # in the WAL, bytes
    question: int | None = None  # the position is not known yet; this question will tell it


def decide(policy: Policy, need: Need, replayed: int | None, *, may_wait: bool) -> Step:
    """Where a page is read, or `wait` for news; `replayed` is the replica's position, None while it is down."""
    if replayed is None:
        return "down"
    if policy == "eventual" or (need.question is None and need.position <= replayed):
        return "replica"
    if policy == "primary":
        return "behind"
    return "wait" if may_wait else "late"


def poll_pause_seconds(*, is_awaited: bool, has_unreplayed: bool, unmoved_polls: int) -> float:
    """How long to leave the replica alone before its position is asked for again."""
    if is_awaited:
        first, longest = _PAUSE_AWAITED_SECONDS
        return min(first * 2.0 ** min(unmoved_polls, 10), longest)
    return _PAUSE_UNREPLAYED_SECONDS if has_unreplayed else _PAUSE_IDLE_SECONDS


class WrittenPositions:
    """Per conversation, the position that holds its last write; bounded, and forgotten once replayed."""

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._fresh: set[UUID] = set()  # written since the last question was asked
        self._asked: set[UUID] = set()  # written before the question that is under way
        self._known: OrderedDict[UUID, int] = OrderedDict()  # lowest position first: later answers are higher
        # What conversations that are not listed need: at first what was there before anything was written here, which
        # the first answer tells; later more than was replayed when they had no room.
        self._floor = _UNKNOWN
        self._replayed = 0  # where the replica was when last told
        self._replayed_before = 0  # the highest position where it ever was
        self._question = 0  # the one under way, or the last one
        self._answered = 0
        self._answer = 0

    @property
    def has_unreplayed(self) -> bool:
        """True when some conversation needs more than had been replayed when last told."""
        return bool(self._fresh or self._asked or self._known) or self._floor > self._replayed

    def wrote(self, conversation_id: UUID) -> None:
        """Something of the conversation has been committed."""
        self._fresh.add(conversation_id)

    def ask(self) -> None:
        """The primary is asked for its position now: the answer covers every write told before."""
        self._question += 1
        self._asked |= self._fresh
        self._fresh.clear()

    def answer(self, position: int) -> None:
        """The question's answer. A question that stays unanswered is asked again by `ask`."""
        if self._floor == _UNKNOWN:
            self._floor = position
        self._answered, self._answer = self._question, position
        for conversation_id in self._asked:
            self._known[conversation_id] = position
            self._known.move_to_end(conversation_id)
        self._asked.clear()
        while len(self._known) > self._kept_max:
            self._floor = max(self._floor, self._known.popitem(last=False)[1])

    def replayed(self, position: int) -> None:
        """The replica has come this far; one that crashed may come back with less than it had."""
        if position < self._replayed_before:
            self._floor = max(self._floor, self._replayed_before)  # what was replayed has been forgotten here
        self._replayed, self._replayed_before = position, max(self._replayed_before, position)
        while self._known and next(iter(self._known.values())) <= position:
            self._known.popitem(last=False)

    def need(self, conversation_id: UUID) -> Need:
        """What a reader of the conversation needs who comes now."""
        if conversation_id in self._fresh:
            return Need(question=self._question + 1)
        if conversation_id in self._asked:
            return Need(question=self._question)
        return Need(self._known.get(conversation_id, self._floor))

    def resolved(self, need: Need) -> Need:
        """The same need, its position filled in when the answer has come."""
        if need.question is not None and need.question <= self._answered:
            return Need(self._answer)
        return need
