"""Groups: who is in, in which role, and what the group is called. `sql/groups.sql` holds the rules."""

from uuid import UUID

import msgspec
from litestar import Response, delete, get, patch, post, put

from reference_server.errors import RefusedError
from reference_server.records import GroupChange, GroupInfo, NewParticipant, NewRole, ParticipantAnswer, ParticipantPage
from reference_server.routes.common import GROUP_CHANGE, WITH_NOT_FOUND, Caller, Cursor, PageLimit, answer, with_body

_PATH = "/conversations/{conversation_id:str}"


@get(_PATH + "/participants", tags=["groups"], responses=WITH_NOT_FOUND)
async def list_participants(
    conversation_id: UUID, caller: Caller, cursor: Cursor = None, limit: PageLimit = 100
) -> ParticipantPage:
    """Who is in a conversation, each with role and watermark."""
    return await caller.services.chat.list_participants(caller.user_id, conversation_id, cursor, limit)


@patch(_PATH, tags=["groups"], responses=with_body(GROUP_CHANGE))
async def update_group_info(conversation_id: UUID, data: GroupChange, caller: Caller) -> GroupInfo:
    """Changes a group's name or description. For admins and owners."""
    name = None if data.name is msgspec.UNSET else data.name
    description = None if data.description is msgspec.UNSET else data.description
    if name is None and description is None:
        raise RefusedError("nothing to change; name a new name or description")
    return await caller.services.groups.update_info(caller.user_id, conversation_id, name, description)


@post(
    _PATH + "/participants",
    tags=["groups"],
    status_code=201,
    responses=with_body({200: answer(ParticipantAnswer, "They were in already."), **GROUP_CHANGE}),
)
async def add_participant(conversation_id: UUID, data: NewParticipant, caller: Caller) -> Response[ParticipantAnswer]:
    """Adds somebody to a group, or takes back who was in before. They read all of it, and begin with nothing unread.

    For admins and owners.
    """
    groups = caller.services.groups
    participant, is_new = await groups.add_participant(caller.user_id, conversation_id, data.user_id)
    return Response(ParticipantAnswer(participant), status_code=201 if is_new else 200)


@delete(_PATH + "/participants/{user_id:str}", tags=["groups"], responses=GROUP_CHANGE)
async def remove_participant(conversation_id: UUID, user_id: UUID, caller: Caller) -> None:
    """Takes somebody out of a group: from then on they read nothing of it.

    For admins, who take out members, and owners, who take out members and admins too; nobody takes out an owner.
    """
    await caller.services.groups.remove_participant(caller.user_id, conversation_id, user_id)


@put(_PATH + "/participants/{user_id:str}/role", tags=["groups"], status_code=204, responses=with_body(GROUP_CHANGE))
async def set_role(conversation_id: UUID, user_id: UUID, data: NewRole, caller: Caller) -> None:
    """Promotes a member to admin, an admin to owner, or demotes an admin to member. For owners.

    One step at a time; an owner stays one. The role that somebody has already is no change, whoever asks.
    """
    await caller.services.groups.set_role(caller.user_id, conversation_id, user_id, data.role)


@post(_PATH + "/leave", tags=["groups"], status_code=204, responses=GROUP_CHANGE)
async def leave_group(conversation_id: UUID, caller: Caller) -> None:
    """Takes the caller out of a group. For members, admins and owners, but not the last owner while others stay."""
    await caller.services.groups.leave(caller.user_id, conversation_id)


HANDLERS = (list_participants, update_group_info, add_participant, remove_participant, set_role, leave_group)
