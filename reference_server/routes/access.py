"""Who one is, where events come from, and what there is to load."""

import hmac
from typing import Any

from litestar import MediaType, Request, Response, get, post

from fixtures import manifest as dataset_manifest
from fixtures.manifest import DatasetManifest
from reference_server.errors import UnauthenticatedError
from reference_server.frames import SUBPROTOCOLS
from reference_server.records import GatewayAnswer, Login, LoginAnswer
from reference_server.routes.common import (
    BAD,
    NO_DATABASE,
    NO_TOKEN,
    PUBLIC,
    TOO_MANY,
    TOO_MANY_LOGINS,
    Caller,
    answer,
    errors,
    with_body,
)
from reference_server.services import Services


@post(
    "/login",
    status_code=200,
    tags=["access"],
    security=PUBLIC,
    responses=with_body(
        errors(s400=BAD, s401="Wrong login key, or no such user.", s429=TOO_MANY_LOGINS, s503=NO_DATABASE)
    ),
)
async def log_in(data: Login, request: Request[Any, Any, Any], services: Services) -> LoginAnswer:
    """A token that lets its bearer act as the user."""
    services.limits.login(request.client.host if request.client is not None else "")
    key_fits = hmac.compare_digest(data.login_key.encode(), services.settings.login_key.encode())
    if not key_fits or not await services.chat.user_exists(data.user_id):
        raise UnauthenticatedError("wrong login key, or no such user")
    return LoginAnswer(services.tokens.issue(data.user_id), services.tokens.lifetime_seconds)


@get(
    "/dataset",
    tags=["benchmark"],
    security=PUBLIC,
    media_type=MediaType.JSON,
    responses={200: answer(DatasetManifest, "The manifest.")},
)
async def get_dataset(services: Services) -> Response[bytes]:
    """The manifest of the data set in this server's database: what a load generator may use."""
    return Response(dataset_manifest.encode(services.dataset), media_type=MediaType.JSON)


@get("/gateway", tags=["access"], responses=errors(s401=NO_TOKEN, s429=TOO_MANY))
async def get_gateway(caller: Caller) -> GatewayAnswer:
    """Where events come from."""
    return GatewayAnswer(caller.gateway_url, SUBPROTOCOLS)


HANDLERS = (log_in, get_dataset, get_gateway)
