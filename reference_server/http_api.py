"""The HTTP API: commands and reads under /v1, and what operators ask for. OpenAPI at /schema/openapi.json."""

import hmac
import logging
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get, post
from litestar.datastructures import ResponseHeader
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import Parameter
from litestar.types import Serializer
from prometheus_client import CONTENT_TYPE_LATEST

from fixtures import manifest as dataset_manifest
from reference_server.errors import RefusedError, UnauthenticatedError
from reference_server.frames import SUBPROTOCOLS
from reference_server.operator_access import OPERATOR_HEADER
from reference_server.records import (
    ConversationAnswer,
    ConversationPage,
    ErrorAnswer,
    GatewayAnswer,
    Login,
    LoginAnswer,
    MembershipPage,
    MessageAnswer,
    MessagePage,
    NewDirectConversation,
    NewGroupConversation,
    NewMessage,
)
from reference_server.request_metrics import request_metrics
from reference_server.routes import legacy, operator
from reference_server.routes.common import BAD, COMMON, NO_DATABASE, NO_TOKEN, WITH_NOT_FOUND, Caller, errors
from reference_server.services import Services

BODY_BYTES_MAX = 1 << 20  # a group of 10 000 takes 390 kB
PAGE_LIMIT_MAX = 200

T = TypeVar("T")

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

PageLimit = Annotated[int, Parameter(ge=1, le=PAGE_LIMIT_MAX, description="Items per page.")]
Cursor = Annotated[
    str | None, Parameter(max_length=200, description="`next_cursor` of the page before; none for the first page.")
]


# OpenAPI's way to say that no token is needed; an empty list is left out by the framework, and the default applies.
_PUBLIC: list[dict[str, list[str]]] = [{}]


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body, when it is no JSON, is the caller's mistake in every case."""

    async def json(self) -> Any:
        """The body's value; RefusedError for the two faults that msgspec reports as errors of other kinds."""
        try:
            return await super().json()
        except UnicodeDecodeError as error:
            raise RefusedError(f"the body holds a string that is no UTF-8: {error.reason}") from error
        except RecursionError as error:
            raise RefusedError("the body is nested too deeply") from error


class JsonResponse(Response[T]):
    """JSON by msgspec's own encoder; Litestar's, with its hooks, takes four times as long for a page of messages."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer | None = None) -> bytes:
        """The body."""
        if media_type == MediaType.JSON and not isinstance(content, bytes):
            return _encode(content)
        return (
            super().render(content, media_type) if enc_hook is None else super().render(content, media_type, enc_hook)
        )


# --- what anyone may ask ----------------------------------------------------------------------------------


@post(
    "/login",
    status_code=200,
    tags=["access"],
    security=_PUBLIC,
    responses=errors(s400=BAD, s401="Wrong login key, or no such user.", s503=NO_DATABASE),
)
async def log_in(data: Login, services: Services) -> LoginAnswer:
    """A token that lets its bearer act as the user."""
    key_fits = hmac.compare_digest(data.login_key.encode(), services.settings.login_key.encode())
    if not key_fits or not await services.chat.user_exists(data.user_id):
        raise UnauthenticatedError("wrong login key, or no such user")
    return LoginAnswer(services.tokens.issue(data.user_id), services.tokens.lifetime_seconds)


@get("/dataset", tags=["benchmark"], security=_PUBLIC, media_type=MediaType.JSON)
async def get_dataset(services: Services) -> Response[bytes]:
    """The manifest of the data set in this server's database: what a load generator may use."""
    return Response(dataset_manifest.encode(services.dataset), media_type=MediaType.JSON)


# --- what a user may ask ----------------------------------------------------------------------------------


@get("/gateway", tags=["access"], responses=errors(s401=NO_TOKEN))
async def get_gateway(caller: Caller) -> GatewayAnswer:
    """Where events come from."""
    return GatewayAnswer(caller.gateway_url, SUBPROTOCOLS)


@post(
    "/conversations/direct",
    tags=["conversations"],
    status_code=201,
    responses={
        200: ResponseSpec(ConversationAnswer, description="It existed.", generate_examples=False),
        **WITH_NOT_FOUND,
    },
)
async def create_direct_conversation(data: NewDirectConversation, caller: Caller) -> Response[ConversationAnswer]:
    """The conversation of the caller and another user, made when there is none. The same one for both."""
    conversation, is_new = await caller.chat.create_direct_conversation(caller.user_id, data.user_id)
    return Response(ConversationAnswer(conversation), status_code=201 if is_new else 200)


@post("/conversations/group", tags=["conversations"], status_code=201, responses=WITH_NOT_FOUND)
async def create_group_conversation(data: NewGroupConversation, caller: Caller) -> ConversationAnswer:
    """A new group that the caller owns."""
    return ConversationAnswer(await caller.chat.create_group_conversation(caller.user_id, data.name, data.user_ids))


@get("/conversations", tags=["conversations"], responses=COMMON)
async def list_conversations(caller: Caller, cursor: Cursor = None, limit: PageLimit = 20) -> ConversationPage:
    """The caller's conversations, newest first, each with its unread count and last message."""
    return await caller.chat.list_conversations(caller.user_id, cursor, limit)


@get("/memberships", tags=["conversations"], responses=COMMON)
async def list_memberships(caller: Caller, cursor: Cursor = None, limit: PageLimit = PAGE_LIMIT_MAX) -> MembershipPage:
    """Where the caller stands in each conversation: the seqs from which a later resume starts."""
    return await caller.chat.list_memberships(caller.user_id, cursor, limit)


@get("/conversations/{conversation_id:uuid}/messages", tags=["messages"], responses=WITH_NOT_FOUND)
async def list_messages(
    conversation_id: UUID, caller: Caller, before: Cursor = None, limit: PageLimit = 50
) -> MessagePage:
    """A conversation's messages, newest first."""
    return await caller.chat.list_messages(caller.user_id, conversation_id, before, limit)


@post(
    "/conversations/{conversation_id:uuid}/messages",
    tags=["messages"],
    status_code=201,
    responses={
        200: ResponseSpec(MessageAnswer, description="It had been sent before.", generate_examples=False),
        409: ResponseSpec(ErrorAnswer, description="client_id names another message.", generate_examples=False),
        **WITH_NOT_FOUND,
    },
)
async def send_message(conversation_id: UUID, data: NewMessage, caller: Caller) -> Response[MessageAnswer]:
    """Stores a message and delivers it to everyone in the conversation. Retried with its client_id, it is sent once."""
    message, is_new = await caller.sender.send(caller.user_id, conversation_id, data.content, data.client_id)
    return Response(MessageAnswer(message), status_code=201 if is_new else 200)


# --- what operators ask -----------------------------------------------------------------------------------


@get("/healthz", tags=["operations"], security=_PUBLIC, media_type=MediaType.TEXT)
async def healthz() -> str:
    """Answers while the process does."""
    return "ok"


@get(
    "/metrics",
    tags=["operations"],
    security=_PUBLIC,
    media_type=MediaType.TEXT,
    response_headers=[ResponseHeader(name="content-type", value=CONTENT_TYPE_LATEST)],
)
async def metrics(services: Services) -> Response[bytes]:
    """Everything the server counts of itself, in Prometheus's text format."""
    return Response(services.metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})


# --- how it is put together -------------------------------------------------------------------------------


def create_app(services: Services, gateway_url: str) -> Litestar:
    """The ASGI application of one server."""

    def caller(request: Request[Any, Any, Any]) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("this needs a token; log in and send it as `Authorization: Bearer …`")
        return Caller(
            services.tokens.verify(token.strip()), services.chat, services.sender, services.legacy, gateway_url
        )

    api = Router(
        "/v1",
        route_handlers=[
            log_in,
            get_dataset,
            get_gateway,
            create_direct_conversation,
            create_group_conversation,
            list_conversations,
            list_memberships,
            list_messages,
            send_message,
            *legacy.HANDLERS,
            *operator.HANDLERS,
        ],
    )
    return Litestar(
        route_handlers=[api, healthz, metrics],
        dependencies={
            "services": Provide(lambda: services, sync_to_thread=False, use_cache=True),
            "caller": Provide(caller, sync_to_thread=False),
        },
        request_class=JsonRequest,
        response_class=JsonResponse,
        middleware=[request_metrics(services.metrics)],
        exception_handlers={RefusedError: _refused, HTTPException: _bad_request, Exception: _failed},
        openapi_config=OpenAPIConfig(
            title="chatbench reference server",
            version="1",
            description="A minimal chat. Events come from the WebSocket gateway, named by `GET /v1/gateway`.",
            render_plugins=[JsonRenderPlugin()],
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                    "operator": SecurityScheme(type="apiKey", name=OPERATOR_HEADER, security_scheme_in="header"),
                }
            ),
            security=[{"token": []}],
        ),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
    )


def _answer(status: int, code: str, message: str) -> Response[ErrorAnswer]:
    return Response(ErrorAnswer(code, message), status_code=status, media_type=MediaType.JSON)


def _refused(_request: Request[Any, Any, Any], error: RefusedError) -> Response[ErrorAnswer]:
    return _answer(error.status, error.code, error.message)


def _bad_request(_request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorAnswer]:
    """What the framework refuses: no such route, a body that does not fit, a parameter out of range."""
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    problems = error.extra if isinstance(error.extra, list) else []
    told = "; ".join(_told(problem) for problem in problems if isinstance(problem, dict))
    return _answer(error.status_code, codes.get(error.status_code, "bad_request"), told or error.detail)


def _told(problem: dict[str, Any]) -> str:
    if problem.get("message") == "'data'":  # a KeyError of the framework's, when there is no body
        return "the body is missing; send a JSON object"
    return f"{problem['key']}: {problem['message']}" if "key" in problem else str(problem.get("message", problem))


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorAnswer]:
    """A mistake of ours: logged whole, told without what lies behind it."""
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(500, "internal", "the server failed; its log has the reason")
