import time
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.errors import UnauthenticatedError
from reference_server.tokens import ALGORITHM, AUDIENCE, Tokens

SECRET = "0123456789abcdef0123456789abcdef"
USER = UUID(int=7)


def forged(secret: str = SECRET, algorithm: str = ALGORITHM, **changes: Any) -> str:
    claims = {"sub": str(USER), "role": AUDIENCE, "aud": AUDIENCE, "exp": int(time.time()) + 60, **changes}
    return jwt.encode({key: value for key, value in claims.items() if value is not None}, secret, algorithm)


@given(st.uuids())
def test_a_token_names_its_user(user_id: UUID) -> None:
    """What was issued to a user is verified as that user's, twice."""
    tokens = Tokens(SECRET, 60)
    token = tokens.issue(user_id)
    assert tokens.verify(token) == tokens.verify(token) == user_id


def test_a_token_is_shaped_like_supabase_s() -> None:
    """Policies of such databases find sub, role and aud."""
    claims = jwt.decode(Tokens(SECRET, 60).issue(USER), SECRET, [ALGORITHM], audience=AUDIENCE)
    assert (claims["sub"], claims["role"], claims["aud"]) == (str(USER), AUDIENCE, AUDIENCE)


def test_a_token_expires_also_when_it_is_remembered() -> None:
    """A verified token is refused from its expiry on."""
    now = [1_000.0]
    tokens = Tokens(SECRET, 60, clock=lambda: now[0])
    token = tokens.issue(USER)
    now[0] = 1_059.9
    assert tokens.verify(token) == USER
    now[0] = 1_060.0
    with pytest.raises(UnauthenticatedError, match="expired"):
        tokens.verify(token)
    with pytest.raises(UnauthenticatedError, match="expired"):
        tokens.verify(token)


@pytest.mark.parametrize(
    "token",
    [
        forged(secret="another secret, as long as ours is"),
        forged(aud="anon"),
        forged(aud=None),
        forged(exp=None),
        forged(sub=None),
        forged(sub="not-a-uuid"),
        forged(secret="", algorithm="none"),
        "",
        "a.b.c",
        forged()[:-4] + "AAAA",
    ],
)
def test_a_forged_token_is_refused(token: str) -> None:
    """Another signature, algorithm or audience, or missing claims: no user."""
    with pytest.raises(UnauthenticatedError):
        Tokens(SECRET, 60).verify(token)


def test_two_servers_do_not_share_tokens() -> None:
    """Each server's secret is its own."""
    with pytest.raises(UnauthenticatedError):
        Tokens("f" * 32, 60).verify(Tokens(SECRET, 60).issue(USER))
