import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.cursors import (
    SEQ_MAX,
    ConversationCursor,
    MembershipCursor,
    MessageCursor,
    OffsetCursor,
    TimeCursor,
    decode_cursor,
    encode_cursor,
)
from reference_server.errors import RefusedError

CURSORS = st.one_of(
    st.builds(MessageCursor, st.integers(0, SEQ_MAX)),
    st.builds(ConversationCursor, st.datetimes(timezones=st.just(UTC)), st.uuids()),
    st.builds(MembershipCursor, st.uuids()),
    st.builds(TimeCursor, st.datetimes(timezones=st.just(UTC))),
    st.builds(OffsetCursor, st.integers(0, SEQ_MAX)),
)


@given(CURSORS)
def test_cursors_round_trip(cursor: Any) -> None:
    """A cursor comes back exactly, to the microsecond, from a word that needs no quoting in a URL."""
    word = encode_cursor(cursor)
    assert decode_cursor(word, type(cursor)) == cursor
    assert word.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=60))
def test_a_foreign_word_is_refused(word: str) -> None:
    """Anything else is refused, in words that quote it."""
    with pytest.raises(RefusedError, match="is no cursor of this list"):
        decode_cursor(word, MessageCursor)


def test_a_cursor_of_another_list_is_refused() -> None:
    """Each list takes its own kind."""
    with pytest.raises(RefusedError, match="is no cursor of this list"):
        decode_cursor(encode_cursor(MembershipCursor(UUID(int=1))), MessageCursor)


@pytest.mark.parametrize("seq", [-1, SEQ_MAX + 1])
def test_a_seq_beyond_the_column_is_refused(seq: int) -> None:
    """A forged seq that the database could not hold is refused here."""
    with pytest.raises(RefusedError, match="is no cursor of this list"):
        decode_cursor(encode_cursor(MessageCursor(seq)), MessageCursor)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2025, 1, 1),  # noqa: DTZ001 - the case
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))),
    ],
)
def test_a_moment_that_is_none_in_utc_is_refused(moment: datetime) -> None:
    """A forged moment without a time zone, or before or after all that can be told, is refused here."""
    word = base64.urlsafe_b64encode(msgspec.msgpack.encode(["c", moment.isoformat(), UUID(int=1).bytes])).decode()
    with pytest.raises(RefusedError, match="is no cursor of this list"):
        decode_cursor(word.rstrip("="), ConversationCursor)
