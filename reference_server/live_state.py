"""Who is present and who is typing, now: the question, and memory's answer to it. Tables answer in `live_tables`."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from reference_server.frames import PresenceEvent
from reference_server.presence import Presence
from reference_server.typists import Typists


class LiveState(Protocol):
    """Answers for a caller, who has been let in. UnavailableError when there is no answer."""

    async def presence(self, caller_id: UUID, user_ids: Sequence[UUID]) -> tuple[PresenceEvent, ...]:
        """The status of each of the users, in their order; offline in version 0 when they were never seen."""

    async def typists(self, caller_id: UUID, conversation_id: UUID) -> tuple[UUID, ...]:
        """Who is typing in a conversation, by what has been told, in the order of their ids; never the caller."""


class MemoryState:
    """What this process knows since it started."""

    def __init__(self, presence: Presence, typists: Typists) -> None:
        self._presence = presence
        self._typists = typists

    async def presence(self, caller_id: UUID, user_ids: Sequence[UUID]) -> tuple[PresenceEvent, ...]:  # noqa: ARG002
        """Answers at once."""
        return tuple(self._presence.state(user_id) for user_id in user_ids)

    async def typists(self, caller_id: UUID, conversation_id: UUID) -> tuple[UUID, ...]:
        """Answers at once."""
        return tuple(sorted(user_id for user_id in self._typists.told(conversation_id) if user_id != caller_id))
