"""Who may use the operator's routes: whoever holds the operator's key."""

import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from reference_server.errors import UnauthenticatedError
from reference_server.settings import Settings

OPERATOR_HEADER = "Operator-Key"


def operator_guard(settings: Settings) -> Guard:
    """A guard that lets through requests with the operator's key; others are refused before their body is read."""

    def require_operator(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        given = connection.headers.get(OPERATOR_HEADER)
        if given is None:
            raise UnauthenticatedError("this needs the operator's key; send it as `Operator-Key: …`")
        if not hmac.compare_digest(given.encode(), settings.operator_key.encode()):
            raise UnauthenticatedError("this is not the operator's key; send the one that the server was started with")

    return require_operator
