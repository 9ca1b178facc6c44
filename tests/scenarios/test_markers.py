import zlib

from hypothesis import given
from hypothesis import strategies as st

from scenarios.markers import MARKER_LENGTH, Marker, marked_content, read_marker

markers = st.builds(
    Marker,
    token=st.text("0123456789abcdef", min_size=8, max_size=8),
    number=st.integers(0, 2**32 - 1),
    intended_ns=st.integers(0, 2**63 - 1),
)


@given(marker=markers, length=st.integers(0, 3000))
def test_round_trip_at_any_length(marker: Marker, length: int) -> None:
    """What a content says is what was put in, and it is as long as asked, never shorter than its marker."""
    content = marked_content(marker, length)
    assert read_marker(content) == marker
    assert len(content) == max(length, MARKER_LENGTH)
    assert content.isascii()


@given(content=st.text(max_size=60) | st.text("cb1.0f ", max_size=60).map(lambda rest: "cb1." + rest))
def test_other_people_s_messages_have_none(content: str) -> None:
    """Any text is read without an error."""
    marker = read_marker(content)
    assert marker is None or content.startswith("cb1.")


def test_texts_cannot_be_compressed_to_nothing() -> None:
    """A long message keeps more than a third of its bytes, and no two are alike: as with what people write."""
    texts = [marked_content(Marker("0" * 8, number, 0), 1500)[MARKER_LENGTH:] for number in range(50)]
    assert len(set(texts)) == 50
    assert min(len(zlib.compress(text.encode(), 9)) / len(text) for text in texts) > 1 / 3
