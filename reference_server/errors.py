"""What the server refuses, told to clients by a stable code and one sentence."""


class RefusedError(Exception):
    """A request that is not carried out; clients see `code` and the message, never what lies behind them."""

    code = "bad_request"  # stable, for programs
    status = 400  # the HTTP status

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnauthenticatedError(RefusedError):
    """No valid token, or a login that fails."""

    code = "unauthenticated"
    status = 401


class ForbiddenError(RefusedError):
    """The caller may see it and may not do this to it."""

    code = "forbidden"
    status = 403


class NotFoundError(RefusedError):
    """No such thing, or none that the caller may know of: the two are not told apart."""

    code = "not_found"
    status = 404


class ConflictError(RefusedError):
    """The request contradicts what is stored."""

    code = "conflict"
    status = 409


class UnavailableError(RefusedError):
    """The database does not answer; the same request may succeed later."""

    code = "unavailable"
    status = 503
