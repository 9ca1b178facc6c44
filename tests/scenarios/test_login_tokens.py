from uuid import UUID

import gevent
import pytest
from gevent.event import Event

from fixtures.errors import InputError
from scenarios.client.chat_client import Login
from scenarios.client.login_tokens import LoginTokens

ANN, BEN = UUID(int=1), UUID(int=2)


class Counter:
    """A login that numbers its tokens, and refuses when it is told to."""

    def __init__(self, expires_in: float | None) -> None:
        self.expires_in = expires_in
        self.logins: list[UUID] = []
        self.refuses = False
        self.again = Event()  # somebody logged in a second time
        self.problems: list[str] = []
        self.tokens = LoginTokens(self.login, self.failed)

    def login(self, user: UUID) -> Login:
        """A new token; the second one lasts."""
        self.logins.append(user)
        if self.refuses:
            raise InputError("no")
        if self.logins.count(user) == 2:
            self.again.set()
            self.expires_in = 3600
        return Login(f"{user.int} {len(self.logins)}", self.expires_in)

    def failed(self, problem: str) -> None:
        """Notes a renewal that was refused."""
        self.problems.append(problem)
        self.again.set()


@pytest.mark.parametrize("expires_in", [None, 3600])
def test_a_token_is_asked_for_once(expires_in: float | None) -> None:
    """As long as it is good, or when the server does not say how long that is."""
    counter = Counter(expires_in)
    assert [counter.tokens.of(user) for user in (ANN, BEN, ANN, BEN)] == ["1 1", "2 2", "1 1", "2 2"]


def test_a_token_that_ran_out_is_asked_for_anew() -> None:
    """Whole seconds on the wire: one that is good for a second may have run out already."""
    counter = Counter(1)
    assert [counter.tokens.of(ANN) for _ in range(3)] == ["1 1", "1 2", "1 2"]


def test_tokens_are_renewed_before_they_run_out() -> None:
    """Beside whatever goes on, so that who uses one next does not wait for a login."""
    counter = Counter(1.5)
    counter.tokens.keep_fresh()
    assert counter.tokens.of(ANN) == "1 1"
    assert counter.again.wait(timeout=10)
    counter.tokens.stop()
    gevent.sleep(0)
    assert counter.tokens.of(ANN) == "1 2"
    assert counter.logins == [ANN, ANN]


def test_a_refused_renewal_is_told() -> None:
    """And the run goes on with the old one while that is good."""
    counter = Counter(1.5)
    counter.tokens.of(ANN)
    counter.refuses = True
    counter.tokens.keep_fresh()
    assert counter.again.wait(timeout=10)
    counter.tokens.stop()
    assert counter.problems == ["log in again: no"]
