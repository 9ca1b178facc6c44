"""reference_server.migration: who is sent to the new chat."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.identifiers import user_id
from reference_server.migration import ROUTED_PHASES, bucket_of, uses_new_chat


def test_a_bucket_is_for_ever() -> None:
    """The same on every machine and in every version: these were written down once."""
    assert [bucket_of(UUID(int=number)) for number in range(4)] == [69, 11, 32, 10]


@given(st.uuids(), st.integers(0, 100), st.integers(0, 100))
def test_raising_the_percentage_sends_nobody_back(user: UUID, one: int, other: int) -> None:
    """Whoever is in at a lower percentage is in at a higher one; nobody at 0, everybody at 100."""
    low, high = sorted((one, other))
    assert uses_new_chat(user, low) <= uses_new_chat(user, high)
    assert not uses_new_chat(user, 0)
    assert uses_new_chat(user, 100)


@pytest.mark.parametrize("percentage", [1, 10, 50])
def test_the_percentage_is_about_that_of_the_users(percentage: int) -> None:
    """Of ten thousand users, as many are in as the percentage says, give or take four standard deviations."""
    share = percentage / 100
    users = 10_000
    expected, deviation = users * share, (users * share * (1 - share)) ** 0.5
    sent = sum(uses_new_chat(user_id(1, index), percentage) for index in range(users))
    assert abs(sent - expected) < 4 * deviation


@pytest.mark.parametrize("phase", ["off", "running", "paused", "complete", "rolled_back"])
def test_nobody_is_sent_where_nothing_is(phase: str) -> None:
    """Before the start and after a roll back, everyone is in the older chat, whatever the percentage."""
    assert uses_new_chat(UUID(int=1), 100, phase) is (phase in ROUTED_PHASES)  # type: ignore[arg-type]
    assert (phase in ROUTED_PHASES) is (phase not in ("off", "rolled_back"))
