"""The HTTP API: commands and reads under /v1, and what operators ask for. OpenAPI at /schema/openapi.json."""

import hmac
import logging
import math
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import Parameter
from litestar.types import Serializer

from fixtures import manifest as dataset_manifest
from fixtures.manifest import DatasetManifest
from reference_server import logs
from reference_server.chat import Chat
from reference_server.errors import RateLimitedError, RefusedError, UnauthenticatedError
from reference_server.frames import SUBPROTOCOLS
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
from reference_server.routes import operations
from reference_server.sending import Sender
from reference_server.services import Services
from reference_server.user_limits import UserLimits

BODY_BYTES_MAX = 1 << 20  # a group of 10 000 takes 390 kB
PAGE_LIMIT_MAX = 200

T = TypeVar("T")

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

PageLimit = Annotated[int, Parameter(ge=1, le=PAGE_LIMIT_MAX, description="Items per page.")]
Cursor = Annotated[
    str | None, Parameter(max_length=200, description="`next_cursor` of the page before; none for the first page.")
]


def _errors(**meanings: str) -> dict[int, ResponseSpec]:
    """How a route says no: status → why. Every one is an ErrorAnswer."""
    return {
        int(status.removeprefix("s")): ResponseSpec(ErrorAnswer, description=meaning, generate_examples=False)
        for status, meaning in meanings.items()
    }


_BAD = "Something in the request is not as described."
_NO_TOKEN = "No valid token."  # noqa: S105 - a sentence
_NOT_FOUND = "There is none, or none that the caller may know of."
_NO_DATABASE = "The database does not answer; try again."
_TOO_MANY = "More per second than one user may; `Retry-After` says when to come again."
_COMMON = _errors(s400=_BAD, s401=_NO_TOKEN, s429=_TOO_MANY, s503=_NO_DATABASE)
_WITH_NOT_FOUND = _errors(s400=_BAD, s401=_NO_TOKEN, s404=_NOT_FOUND, s429=_TOO_MANY, s503=_NO_DATABASE)


# OpenAPI's way to say that no token is needed; an empty list is left out by the framework, and the default applies.
_PUBLIC: list[dict[str, list[str]]] = [{}]


@dataclass(frozen=True)
class Caller:
    """An authenticated user, and what they may ask of.

    One dependency and not three: each costs a request 0.1 ms to resolve, more than the work of most of them.
    """

    user_id: UUID
    chat: Chat
    sender: Sender
    gateway_url: str
    limits: UserLimits


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
    responses=_errors(s400=_BAD, s401="Wrong login key, or no such user.", s503=_NO_DATABASE),
)
async def log_in(data: Login, services: Services) -> LoginAnswer:
    """A token that lets its bearer act as the user."""
    key_fits = hmac.compare_digest(data.login_key.encode(), services.settings.login_key.encode())
    if not key_fits or not await services.chat.user_exists(data.user_id):
        raise UnauthenticatedError("wrong login key, or no such user")
    return LoginAnswer(services.tokens.issue(data.user_id), services.tokens.lifetime_seconds)


@get(
    "/dataset",
    tags=["benchmark"],
    security=_PUBLIC,
    media_type=MediaType.JSON,
    responses={200: ResponseSpec(DatasetManifest, description="The manifest.", generate_examples=False)},
)
async def get_dataset(services: Services) -> Response[bytes]:
    """The manifest of the data set in this server's database: what a load generator may use."""
    return Response(dataset_manifest.encode(services.dataset), media_type=MediaType.JSON)


# --- what a user may ask ----------------------------------------------------------------------------------


@get("/gateway", tags=["access"], responses=_errors(s401=_NO_TOKEN, s429=_TOO_MANY))
async def get_gateway(caller: Caller) -> GatewayAnswer:
    """Where events come from."""
    return GatewayAnswer(caller.gateway_url, SUBPROTOCOLS)


@post(
    "/conversations/direct",
    tags=["conversations"],
    status_code=201,
    responses={
        200: ResponseSpec(ConversationAnswer, description="It existed.", generate_examples=False),
        **_WITH_NOT_FOUND,
    },
)
async def create_direct_conversation(data: NewDirectConversation, caller: Caller) -> Response[ConversationAnswer]:
    """The conversation of the caller and another user, made when there is none. The same one for both."""
    conversation, is_new = await caller.chat.create_direct_conversation(caller.user_id, data.user_id)
    return Response(ConversationAnswer(conversation), status_code=201 if is_new else 200)


@post("/conversations/group", tags=["conversations"], status_code=201, responses=_WITH_NOT_FOUND)
async def create_group_conversation(data: NewGroupConversation, caller: Caller) -> ConversationAnswer:
    """A new group that the caller owns."""
    return ConversationAnswer(await caller.chat.create_group_conversation(caller.user_id, data.name, data.user_ids))


@get("/conversations", tags=["conversations"], responses=_COMMON)
async def list_conversations(caller: Caller, cursor: Cursor = None, limit: PageLimit = 20) -> ConversationPage:
    """The caller's conversations, newest first, each with its unread count and last message."""
    return await caller.chat.list_conversations(caller.user_id, cursor, limit)


@get("/memberships", tags=["conversations"], responses=_COMMON)
async def list_memberships(caller: Caller, cursor: Cursor = None, limit: PageLimit = PAGE_LIMIT_MAX) -> MembershipPage:
    """Where the caller stands in each conversation: the seqs from which a later resume starts."""
    return await caller.chat.list_memberships(caller.user_id, cursor, limit)


@get("/conversations/{conversation_id:uuid}/messages", tags=["messages"], responses=_WITH_NOT_FOUND)
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
        **_WITH_NOT_FOUND,
    },
)
async def send_message(conversation_id: UUID, data: NewMessage, caller: Caller) -> Response[MessageAnswer]:
    """Stores a message and delivers it to everyone in the conversation. Retried with its client_id, it is sent once."""
    caller.limits.send(caller.user_id)
    message, is_new = await caller.sender.send(caller.user_id, conversation_id, data.content, data.client_id)
    return Response(MessageAnswer(message), status_code=201 if is_new else 200)


# --- how it is put together -------------------------------------------------------------------------------


def create_app(services: Services, gateway_url: str) -> Litestar:
    """The ASGI application of one server."""

    def caller(request: Request[Any, Any, Any]) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("this needs a token; log in and send it as `Authorization: Bearer …`")
        user_id = services.tokens.verify(token.strip())
        services.limits.request(user_id)
        return Caller(user_id, services.chat, services.sender, gateway_url, services.limits)

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
        ],
    )
    return Litestar(
        route_handlers=[api, *operations.HANDLERS],
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
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
            ),
            security=[{"token": []}],
        ),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
    )


def _answer(status: int, code: str, message: str) -> Response[ErrorAnswer]:
    return Response(ErrorAnswer(code, message), status_code=status, media_type=MediaType.JSON)


def _refused(_request: Request[Any, Any, Any], error: RefusedError) -> Response[ErrorAnswer]:
    answer = _answer(error.status, error.code, error.message)
    if isinstance(error, RateLimitedError):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    return answer


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
    fields = {"method": request.method, "path": request.url.path, "status": 500}
    logs.event(_log, logging.ERROR, "request_failed", error=error, **fields)
    return _answer(500, "internal", "the server failed; its log has the reason")
