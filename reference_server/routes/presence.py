"""Who is present and who is typing, asked once; changes come from the gateway."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import Parameter

from reference_server.errors import NotFoundError
from reference_server.frames import PresenceEvent
from reference_server.records import PresenceAnswer, TypingAnswer, UserPresence
from reference_server.routes.common import COMMON, WITH_NOT_FOUND, Caller

PRESENCE_USERS_MAX = 100

UserIds = Annotated[
    list[UUID],
    Parameter(query="user_id", min_items=1, max_items=PRESENCE_USERS_MAX, description="Whom to ask about; repeat it."),
]


@get("/presence", tags=["presence"], responses=COMMON)
async def get_presence(caller: Caller, user_ids: UserIds) -> PresenceAnswer:
    """The status of each of the users, in their order; offline in version 0 when they were never seen."""
    users = await caller.services.live_state.presence(caller.user_id, user_ids)
    return PresenceAnswer([_user_presence(event) for event in users])


@get("/conversations/{conversation_id:str}/typing", tags=["presence"], responses=WITH_NOT_FOUND)
async def get_typing(conversation_id: UUID, caller: Caller) -> TypingAnswer:
    """Who is typing in a conversation now, the caller excepted."""
    if not await caller.services.chat.is_member(caller.user_id, conversation_id):
        raise NotFoundError(f"there is no conversation {conversation_id} for you")
    return TypingAnswer(list(await caller.services.live_state.typists(caller.user_id, conversation_id)))


HANDLERS = (get_presence, get_typing)


def _user_presence(event: PresenceEvent) -> UserPresence:
    last_seen_at = None if event.last_seen_ms is None else datetime.fromtimestamp(event.last_seen_ms / 1000, UTC)
    return UserPresence(event.user_id, event.status, event.version, last_seen_at)
