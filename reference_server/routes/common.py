"""What routes share: the caller, the parameters of pages, and how a route says no in the OpenAPI document."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from litestar import MediaType, Response
from litestar.openapi import ResponseSpec
from litestar.params import Parameter
from litestar.types import Serializer

from reference_server.records import ErrorAnswer
from reference_server.services import Services

PAGE_LIMIT_MAX = 200

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode

PageLimit = Annotated[int, Parameter(ge=1, le=PAGE_LIMIT_MAX, description="Items per page.")]
Cursor = Annotated[
    str | None, Parameter(max_length=200, description="`next_cursor` of the page before; none for the first page.")
]

# OpenAPI's way to say that no token is needed; an empty list is left out by the framework, and the default applies.
PUBLIC: list[dict[str, list[str]]] = [{}]
# That the operator's key is needed instead of a token; `operator_access` looks at it.
OPERATOR_SECURITY: list[dict[str, list[str]]] = [{"operator": []}]


class JsonResponse(Response[T]):
    """JSON by msgspec's own encoder; Litestar's, with its hooks, takes four times as long for a page of messages."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer | None = None) -> bytes:
        """The body."""
        if media_type == MediaType.JSON and not isinstance(content, bytes):
            return _encode(content)
        return (
            super().render(content, media_type) if enc_hook is None else super().render(content, media_type, enc_hook)
        )


@dataclass(frozen=True)
class Caller:
    """An authenticated user, and what they may ask of.

    One dependency and not three: each costs a request 0.1 ms to resolve, more than the work of most of them.
    """

    user_id: UUID
    services: Services
    gateway_url: str


def answer(record: type, meaning: str) -> ResponseSpec:
    """One more way a route answers."""
    return ResponseSpec(record, description=meaning, generate_examples=False)


def errors(**meanings: str) -> dict[int, ResponseSpec]:
    """How a route says no: status → why. Every one is an ErrorAnswer."""
    return {int(status.removeprefix("s")): answer(ErrorAnswer, meaning) for status, meaning in meanings.items()}


def with_body(responses: dict[int, ResponseSpec]) -> dict[int, ResponseSpec]:
    """What a route answers that takes a body: also when that is too long."""
    return {**responses, **errors(s413=TOO_LARGE)}


BAD = "Something in the request is not as described."
NO_KEY = "No operator's key, or a wrong one."
NO_TOKEN = "No valid token."  # noqa: S105 - a sentence
FORBIDDEN = "The caller's role does not allow it."
NOT_FOUND = "There is none, or none that the caller may know of."
CONFLICT = "What is stored does not allow it."
NO_DATABASE = "The database does not answer; try again."
TOO_MANY = "More per second than one user may; `Retry-After` says when to come again."
TOO_MANY_LOGINS = "More logins per second than one address may; `Retry-After` says when to come again."
TOO_LARGE = "The body is longer than any that a route takes."
COMMON = errors(s400=BAD, s401=NO_TOKEN, s429=TOO_MANY, s503=NO_DATABASE)
WITH_NOT_FOUND = {**COMMON, **errors(s404=NOT_FOUND)}
GROUP_CHANGE = {**WITH_NOT_FOUND, **errors(s403=FORBIDDEN, s409=CONFLICT)}
