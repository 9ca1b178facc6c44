"""Who may use the operator's routes: whoever holds the operator's key."""

import hmac
from typing import Any

from litestar import Request

from reference_server.errors import UnauthenticatedError
from reference_server.settings import Settings

OPERATOR_HEADER = "Operator-Key"


def require_operator(request: Request[Any, Any, Any], settings: Settings) -> None:
    """UnauthenticatedError unless the request carries the operator's key."""
    given = request.headers.get(OPERATOR_HEADER, "")
    if not hmac.compare_digest(given.encode(), settings.operator_key.encode()):
        raise UnauthenticatedError("this needs the operator's key; send it as `Operator-Key: …`")
