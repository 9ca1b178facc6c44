"""The older chat's routes, served in parallel with the new one's, and the way from one to the other."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter

from reference_server.errors import RefusedError
from reference_server.migration_records import (
    ChatRoute,
    LegacyConnectionAnswer,
    LegacyConnectionPage,
    LegacyMessageAnswer,
    LegacyMessagePage,
    LegacyReadAnswer,
    MigratedConversationAnswer,
    NewLegacyConnection,
    NewLegacyMessage,
)
from reference_server.routes.common import COMMON, WITH_NOT_FOUND, Caller, PageLimit, errors, with_body

BeforeId = Annotated[
    UUID | None, Parameter(query="before", description="The last id of the page before; none for the first page.")
]
BeforeMoment = Annotated[
    datetime | None,
    Parameter(
        query="before",
        description="`created_at` of the last message of the page before, with its offset from UTC. Messages "
        "that share a timestamp across two pages are lost: the older chat pages like this, the new one does not.",
    ),
]


@get("/legacy/connections", tags=["legacy"], responses=COMMON)
async def list_legacy_connections(
    caller: Caller, before: BeforeId = None, limit: PageLimit = 50
) -> LegacyConnectionPage:
    """The caller's connections, newest first, each with its unread count."""
    return await caller.services.legacy.list_connections(caller.user_id, before, limit)


@post(
    "/legacy/connections",
    tags=["legacy"],
    status_code=201,
    responses=with_body(
        {**WITH_NOT_FOUND, **errors(s409="The two have a connection already, or one that waits for an answer.")}
    ),
)
async def create_legacy_connection(data: NewLegacyConnection, caller: Caller) -> LegacyConnectionAnswer:
    """Asks another user for a connection."""
    return LegacyConnectionAnswer(await caller.services.legacy.connect(caller.user_id, data.user_id))


_ANSWERED = {**WITH_NOT_FOUND, **errors(s409="It is not waiting for the caller's answer.")}


@post("/legacy/connections/{connection_id:str}/accept", tags=["legacy"], status_code=200, responses=_ANSWERED)
async def accept_legacy_connection(connection_id: UUID, caller: Caller) -> LegacyConnectionAnswer:
    """Accepts a connection: from now on the two can write to each other."""
    return LegacyConnectionAnswer(await caller.services.legacy.answer(caller.user_id, connection_id, accepted=True))


@post("/legacy/connections/{connection_id:str}/decline", tags=["legacy"], status_code=200, responses=_ANSWERED)
async def decline_legacy_connection(connection_id: UUID, caller: Caller) -> LegacyConnectionAnswer:
    """Declines a connection."""
    return LegacyConnectionAnswer(await caller.services.legacy.answer(caller.user_id, connection_id, accepted=False))


@get("/legacy/connections/{connection_id:str}/messages", tags=["legacy"], responses=WITH_NOT_FOUND)
async def list_legacy_messages(
    connection_id: UUID, caller: Caller, before: BeforeMoment = None, limit: PageLimit = 50
) -> LegacyMessagePage:
    """A connection's messages, newest first."""
    if before is not None and before.tzinfo is None:
        raise RefusedError(f"before: {before.isoformat()} has no offset from UTC; add one, such as Z")
    return await caller.services.legacy.list_messages(caller.user_id, connection_id, before, limit)


@post(
    "/legacy/connections/{connection_id:str}/messages",
    tags=["legacy"],
    status_code=201,
    responses=with_body({**WITH_NOT_FOUND, **errors(s409="The connection has not been accepted.")}),
)
async def send_legacy_message(connection_id: UUID, data: NewLegacyMessage, caller: Caller) -> LegacyMessageAnswer:
    """Sends a message over a connection. Once the connection is migrated, the new chat's listeners hear it too."""
    caller.services.limits.send(caller.user_id)
    return LegacyMessageAnswer(await caller.services.legacy.send(caller.user_id, connection_id, data.content))


@post("/legacy/connections/{connection_id:str}/read", tags=["legacy"], status_code=200, responses=WITH_NOT_FOUND)
async def read_legacy_messages(connection_id: UUID, caller: Caller) -> LegacyReadAnswer:
    """Marks everything that the other one has sent as read, in both chats."""
    return LegacyReadAnswer(await caller.services.legacy.read(caller.user_id, connection_id))


@get("/legacy/connections/{connection_id:str}/conversation", tags=["legacy"], responses=WITH_NOT_FOUND)
async def get_conversation_by_connection_id(connection_id: UUID, caller: Caller) -> MigratedConversationAnswer:
    """The conversation that a connection has become. While a migration runs, asking migrates it."""
    return MigratedConversationAnswer(await caller.services.legacy.conversation_id(caller.user_id, connection_id))


@get("/chat_route", tags=["legacy"], responses=COMMON)
async def get_chat_route(caller: Caller) -> ChatRoute:
    """Which of the two chats the caller is sent to."""
    return await caller.services.legacy.route(caller.user_id)


HANDLERS = (
    list_legacy_connections,
    create_legacy_connection,
    accept_legacy_connection,
    decline_legacy_connection,
    list_legacy_messages,
    send_legacy_message,
    read_legacy_messages,
    get_conversation_by_connection_id,
    get_chat_route,
)
