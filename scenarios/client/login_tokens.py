"""The access tokens of a run's users: asked for once, and again before they run out, beside what is being timed."""

import heapq
import time
from collections.abc import Callable
from random import Random
from uuid import UUID

import gevent

from fixtures.errors import InputError
from scenarios.client.chat_client import Login

# A token is renewed when this share of its lifetime is left, at most so many seconds.
_RENEW_AT_SHARE = 0.3
_RENEW_AT_SECONDS_MOST = 60.0
# Expiry is a whole second on the wire (RFC 7519's NumericDate as servers write it): it may come this much sooner.
_ROUNDING_SECONDS = 1.0
_LOOK_SECONDS = 0.1


class LoginTokens:
    """Logs users in through `login` and keeps their tokens fresh while `keep_fresh` runs.

    Users who logged in together are renewed at random moments, so that renewals do not make a burst of load.
    """

    def __init__(self, login: Callable[[UUID], Login], on_failure: Callable[[str], None]) -> None:
        self._login = login
        self._on_failure = on_failure
        self._random = Random(0)
        self._tokens: dict[UUID, tuple[str, float]] = {}  # token, and until when it is good
        self._due: list[tuple[float, UUID]] = []  # when to renew whose
        self._keeper: gevent.Greenlet | None = None
        self.renewals = 0

    def of(self, user: UUID) -> str:
        """A token that is good now; InputError when the server gives none."""
        token, good_until = self._tokens.get(user, ("", 0.0))
        return token if time.monotonic() < good_until else self._new(user)

    def keep_fresh(self) -> None:
        """Renews in a greenlet of its own from now on."""
        self._keeper = gevent.spawn(self._keep_fresh)

    def stop(self) -> None:
        """Renews no more."""
        if self._keeper is not None:
            self._keeper.kill(block=False)

    def _new(self, user: UUID) -> str:
        asked = time.monotonic()
        answer = self._login(user)
        if answer.expires_in is None:
            self._tokens[user] = (answer.access_token, float("inf"))
            return answer.access_token
        good_seconds = max(0.0, answer.expires_in - _ROUNDING_SECONDS)
        self._tokens[user] = (answer.access_token, asked + good_seconds)
        margin_seconds = min(_RENEW_AT_SECONDS_MOST, _RENEW_AT_SHARE * good_seconds)
        heapq.heappush(self._due, (asked + good_seconds - margin_seconds * self._random.uniform(0.5, 1), user))
        return answer.access_token

    def _keep_fresh(self) -> None:
        while True:
            while self._due and self._due[0][0] <= time.monotonic():
                _, user = heapq.heappop(self._due)
                try:
                    self._new(user)
                    self.renewals += 1
                except InputError as error:
                    # `of` tries again when the old one has run out.
                    self._on_failure(f"log in again: {error}")
            gevent.sleep(_LOOK_SECONDS)
