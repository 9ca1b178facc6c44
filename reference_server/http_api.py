"""The HTTP API: commands and reads under /v1, and what operators ask for. OpenAPI at /schema/openapi.json.

The routes are in `routes/`, one module per subject; this puts them together and says how errors are answered.
"""

import logging
import math
from typing import Any, TypeVar
from uuid import UUID

from litestar import Litestar, MediaType, Request, Response, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import HTTPScope, Receive, Scope, Send

from reference_server import logs
from reference_server.cursors import SEQ_MAX
from reference_server.errors import RateLimitedError, RefusedError, UnauthenticatedError
from reference_server.injected_delay import delayed_requests
from reference_server.operator_access import OPERATOR_HEADER, operator_guard
from reference_server.prompt_requests import authorization_of, prompt_requests
from reference_server.records import ErrorAnswer
from reference_server.request_metrics import request_metrics
from reference_server.routes import (
    access,
    conversations,
    groups,
    indexes,
    legacy,
    messages,
    operations,
    operator,
    presence,
    users,
)
from reference_server.routes.common import Caller, JsonResponse
from reference_server.services import Services

BODY_BYTES_MAX = 1 << 20  # a group of 10 000 takes 390 kB

_ID_FORM = "UUID; write 8-4-4-4-12 hexadecimal digits"
_SEQ_FORM = f"message number; write a whole number from 1 to {SEQ_MAX}"

T = TypeVar("T")

_log = logging.getLogger(__name__)


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


def create_app(services: Services, gateway_url: str) -> Litestar:
    """The ASGI application of one server."""

    def bearer(authorization: str) -> UUID:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("this needs a token; log in and send it as `Authorization: Bearer …`")
        return services.tokens.verify(token.strip())

    def identify(authorization: str) -> Caller:
        user_id = bearer(authorization)
        services.limits.request(user_id)
        return Caller(user_id, services, gateway_url)

    def user_of(scope: Scope) -> UUID | None:
        try:
            return bearer(authorization_of(scope))
        except UnauthenticatedError:
            return None  # its refusal is worded elsewhere

    def caller(request: Request[Any, Any, Any]) -> Caller:
        return identify(request.headers.get("authorization", ""))

    prompt = prompt_requests(identify, _answer_error, BODY_BYTES_MAX)
    delay = services.delay
    slowed = [] if delay is None or delay.kind != "requests" else [delayed_requests(delay, user_of)]
    api = Router(
        "/v1",
        route_handlers=[
            *access.HANDLERS,
            *conversations.HANDLERS,
            *messages.HANDLERS,
            *groups.HANDLERS,
            *presence.HANDLERS,
            *users.HANDLERS,
            *legacy.HANDLERS,
            Router(
                "/", route_handlers=[*indexes.HANDLERS, *operator.HANDLERS], guards=[operator_guard(services.settings)]
            ),
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
        middleware=[request_metrics(services.metrics), *slowed, prompt],
        exception_handlers={RefusedError: _refused, HTTPException: _bad_request, Exception: _failed},
        openapi_config=OpenAPIConfig(
            title="chatbench reference server",
            version="1",
            description="A minimal chat. Events come from the WebSocket gateway, named by `GET /v1/gateway`.",
            use_handler_docstrings=True,
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


async def _answer_error(scope: HTTPScope, receive: Receive, send: Send, error: Exception) -> None:
    """Answers an error that was met outside the framework's routes as it is answered inside."""
    request: Request[Any, Any, Any] = JsonRequest(scope)
    response = _refused(request, error) if isinstance(error, RefusedError) else _failed(request, error)
    await response.to_asgi_response(request.app, request)(scope, receive, send)


def _refused(_request: Request[Any, Any, Any], error: RefusedError) -> Response[ErrorAnswer]:
    answer = _answer(error.status, error.code, error.message)
    if isinstance(error, RateLimitedError):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    return answer


def _bad_request(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorAnswer]:
    """What the framework refuses: no such route, a body that does not fit, a parameter out of range."""
    if error.status_code == 413:
        return _answer(413, "too_large", f"the body is longer than {BODY_BYTES_MAX} bytes; send less at a time")
    codes = {404: "not_found", 405: "method_not_allowed"}
    problems = error.extra if isinstance(error.extra, list) else []
    told = "; ".join(_told(problem, request.path_params) for problem in problems if isinstance(problem, dict))
    return _answer(error.status_code, codes.get(error.status_code, "bad_request"), told or error.detail)


def _told(problem: dict[str, Any], path_parameters: dict[str, Any]) -> str:
    key = problem.get("key")
    if key in path_parameters:  # routes take any text there, lest a wrong one be no route at all
        return f"{key}: {path_parameters[key]!r} is no {_SEQ_FORM if key == 'seq' else _ID_FORM}"
    if problem.get("message") == "'data'":  # a KeyError of the framework's, when there is no body
        return "the body is missing; send a JSON object"
    return f"{problem['key']}: {problem['message']}" if "key" in problem else str(problem.get("message", problem))


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorAnswer]:
    """A mistake of ours: logged whole, told without what lies behind it."""
    fields = {"method": request.method, "path": request.url.path, "status": 500}
    logs.event(_log, logging.ERROR, "request_failed", error=error, **fields)
    return _answer(500, "internal", "the server failed; its log has the reason")
