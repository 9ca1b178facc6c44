"""What one user, or one client address, may do per second: the settings' rate limits, by the clock, counted."""

import time
from collections.abc import Callable, Hashable
from uuid import UUID

from reference_server.errors import RateLimitedError
from reference_server.metrics import Metrics
from reference_server.rate_limits import RateLimit
from reference_server.settings import Settings


class UserLimits:
    """The limits of requests, sends, gateway commands and logins."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        seconds = settings.rate_burst_seconds
        self._requests = RateLimit(settings.requests_per_second_max, seconds)
        self._sends = RateLimit(settings.sends_per_second_max, seconds)
        self._commands = RateLimit(settings.commands_per_second_max, seconds)
        self._logins = RateLimit(settings.logins_per_second_max, seconds)
        # Refusals have a limit too, the same one: a client that goes on all the same is closed.
        self._refusals = RateLimit(settings.commands_per_second_max, seconds)
        self._limited = {
            what: metrics.rate_limited.labels(what) for what in ("requests", "sends", "commands", "logins")
        }

    def request(self, user_id: UUID) -> None:
        """Counts an HTTP request; RateLimitedError when it is one too many."""
        self._check(self._requests, "requests", user_id)

    def send(self, user_id: UUID) -> None:
        """Counts a message to be sent; RateLimitedError when it is one too many."""
        self._check(self._sends, "sends", user_id)

    def command(self, user_id: UUID) -> None:
        """Counts a gateway command; RateLimitedError when it is one too many."""
        self._check(self._commands, "commands", user_id)

    def login(self, address: str) -> None:
        """Counts a login from a client's address; RateLimitedError when it is one too many."""
        self._check(self._logins, "logins", address)

    def goes_on(self, user_id: UUID) -> bool:
        """Counts a refused command; True when there were so many that the connection is to be closed."""
        return self._refusals.wait_seconds(user_id, self._clock()) > 0

    def _check(self, limit: RateLimit, what: str, key: Hashable) -> None:
        wait_seconds = limit.wait_seconds(key, self._clock())
        if wait_seconds > 0:
            self._limited[what].inc()
            message = f"at most {limit.per_second:g} {what} per second; come again in {wait_seconds:.2g} s"
            raise RateLimitedError(message, wait_seconds)
