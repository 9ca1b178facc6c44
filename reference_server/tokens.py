"""Access tokens: Supabase-shaped claims, signed with HMAC-SHA256."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

import jwt

from reference_server.errors import UnauthenticatedError

AUDIENCE = "authenticated"
ALGORITHM = "HS256"
REMEMBERED_TOKENS = 10_000


def claims_text(user_id: UUID) -> str:
    """The claims that policies read through auth.uid(), as the database takes them."""
    return json.dumps({"sub": str(user_id), "role": AUDIENCE})


class Tokens:
    """Issues tokens and verifies their signature, expiry and audience."""

    def __init__(self, secret: str, lifetime_seconds: int, clock: Callable[[], float] = time.time) -> None:
        self.lifetime_seconds = lifetime_seconds
        self._secret = secret
        self._clock = clock
        # Verified ones and their expiry: a signature stays valid, so only the clock is asked again.
        self._verified: OrderedDict[str, tuple[UUID, float]] = OrderedDict()

    def issue(self, user_id: UUID) -> str:
        """A token by which its bearer acts as the user, until it expires."""
        now = int(self._clock())
        claims = {
            "sub": str(user_id),
            "role": AUDIENCE,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + self.lifetime_seconds,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def verify(self, token: str) -> UUID:
        """The user who bears the token; UnauthenticatedError when it is forged, expired or meant for others."""
        return self.verify_lasting(token)[0]

    def verify_lasting(self, token: str) -> tuple[UUID, float]:
        """The same, and for how many seconds the token is valid still."""
        user_id, expires_at = self._verified.get(token) or self._verify_signature(token)
        remaining_seconds = expires_at - self._clock()
        if remaining_seconds <= 0:
            self._verified.pop(token, None)
            raise UnauthenticatedError("the token has expired; log in again")
        return user_id, remaining_seconds

    def _verify_signature(self, token: str) -> tuple[UUID, float]:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["sub", "exp", "aud"], "verify_exp": False, "verify_iat": False},
            )
            verified = UUID(claims["sub"]), float(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise UnauthenticatedError("the token is not valid; log in again") from error
        self._verified[token] = verified
        if len(self._verified) > REMEMBERED_TOKENS:
            self._verified.popitem(last=False)
        return verified
