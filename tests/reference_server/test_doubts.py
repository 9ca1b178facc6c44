"""reference_server.doubts: what is in doubt, and for how long."""

import asyncio

import pytest

from reference_server.doubts import Doubts
from reference_server.errors import ConflictError


def lose(doubts: Doubts, key: str, error: type[BaseException] = ConnectionResetError) -> None:
    with pytest.raises(error), doubts.noted(key):
        raise error("as told")


@pytest.mark.parametrize("error", [ConnectionResetError, TimeoutError, asyncio.CancelledError])
def test_what_has_no_answer_is_in_doubt_once(error: type[BaseException]) -> None:
    """Until somebody settles it, however often it was lost."""
    doubts = Doubts()
    lose(doubts, "one", error)
    lose(doubts, "one", error)
    assert [doubts.settle(key) for key in ("other", "one", "one")] == [False, True, False]


def test_what_is_answered_is_not_in_doubt() -> None:
    """Done or refused, it is known."""
    doubts = Doubts()
    with doubts.noted("done"):
        pass
    lose(doubts, "refused", ConflictError)
    assert not doubts.settle("done")
    assert not doubts.settle("refused")


def test_the_oldest_doubt_is_forgotten() -> None:
    """Beyond the bound; one that was lost again is among the newest."""
    doubts = Doubts(kept_max=2)
    for key in ("first", "second", "first", "third"):
        lose(doubts, key)
    assert [doubts.settle(key) for key in ("first", "second", "third")] == [True, False, True]
