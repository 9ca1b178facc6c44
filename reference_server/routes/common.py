"""What routes share: who asks, and how a route says no."""

from dataclasses import dataclass
from uuid import UUID

from litestar.openapi import ResponseSpec

from reference_server.chat import Chat
from reference_server.legacy import Legacy
from reference_server.records import ErrorAnswer
from reference_server.sending import Sender


@dataclass(frozen=True)
class Caller:
    """An authenticated user, and what they may ask of.

    One dependency and not three: each costs a request 0.1 ms to resolve, more than the work of most of them.
    """

    user_id: UUID
    chat: Chat
    sender: Sender
    legacy: Legacy
    gateway_url: str


def errors(**meanings: str) -> dict[int, ResponseSpec]:
    """How a route says no: status → why. Every one is an ErrorAnswer."""
    return {
        int(status.removeprefix("s")): ResponseSpec(ErrorAnswer, description=meaning, generate_examples=False)
        for status, meaning in meanings.items()
    }


BAD = "Something in the request is not as described."
NO_TOKEN = "No valid token."  # noqa: S105 - a sentence
NOT_FOUND = "There is none, or none that the caller may know of."
NO_DATABASE = "The database does not answer; try again."
COMMON = errors(s400=BAD, s401=NO_TOKEN, s503=NO_DATABASE)
WITH_NOT_FOUND = errors(s400=BAD, s401=NO_TOKEN, s404=NOT_FOUND, s503=NO_DATABASE)
