"""The directory: whom one may write to. Every user may read all of it, here and by SQL."""

from uuid import UUID

from litestar import get

from reference_server.records import UserAnswer, UserPage
from reference_server.routes.common import COMMON, WITH_NOT_FOUND, Caller, Cursor, PageLimit


@get("/users", tags=["users"], responses=COMMON)
async def list_users(caller: Caller, cursor: Cursor = None, limit: PageLimit = 100) -> UserPage:
    """Everyone there is, by id."""
    return await caller.services.chat.list_users(caller.user_id, cursor, limit)


@get("/users/{user_id:str}", tags=["users"], responses=WITH_NOT_FOUND)
async def get_user(user_id: UUID, caller: Caller) -> UserAnswer:
    """One user."""
    return UserAnswer(await caller.services.chat.get_user(caller.user_id, user_id))


HANDLERS = (list_users, get_user)
