"""The migration's rules without I/O: its phases, its commands, and who is sent to the new chat."""

import hashlib
from typing import Literal
from uuid import UUID

Phase = Literal["off", "running", "paused", "complete", "rolled_back"]
Command = Literal["start", "pause", "resume", "abort", "roll_back"]

BUCKETS = 100
# In these, the new chat holds, or is given when it is asked for, what the older one holds.
ROUTED_PHASES: frozenset[Phase] = frozenset({"running", "paused", "complete"})
STARTABLE_PHASES: frozenset[Phase] = frozenset({"off", "rolled_back"})


def bucket_of(user_id: UUID) -> int:
    """The user's place in the roll-out, 0 to 99: the same on every machine, for ever.

    Python's own hash would differ from one process to the next, and the bits of a UUIDv7 follow the time.
    """
    return int.from_bytes(hashlib.sha256(user_id.bytes).digest()[:8], "big") % BUCKETS


def uses_new_chat(user_id: UUID, percentage: int, phase: Phase = "running") -> bool:
    """True for the users who are sent to the new chat; whoever is at 10 % is also at 20 %."""
    return phase in ROUTED_PHASES and bucket_of(user_id) < percentage
