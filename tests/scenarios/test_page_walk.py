from hypothesis import given
from hypothesis import strategies as st

from scenarios.page_walk import PageWalk, depth_label


def pages(seqs: list[int], size: int) -> list[list[int]]:
    return [seqs[at : at + size] for at in range(0, len(seqs), size)]


@given(count=st.integers(1, 200), size=st.integers(1, 30), data=st.data())
def test_every_lost_and_repeated_row_is_found(count: int, size: int, data: st.DataObject) -> None:
    """Rows left out of the pages are lost, rows shown again are repeated; nothing else is either."""
    everything = list(range(count, 0, -1))
    lost = data.draw(st.sets(st.sampled_from(everything[1:]))) if count > 1 else set()
    shown = [seq for seq in everything if seq not in lost]
    repeated = data.draw(st.sets(st.sampled_from(shown)))
    sent = [copy for seq in shown for copy in ([seq, seq] if seq in repeated else [seq])]
    walk = PageWalk()
    parts = pages(sent, size)
    for number, part in enumerate(parts, start=1):
        walk.take(part, has_more=number < len(parts))
    assert (walk.expected, walk.lost, walk.repeated) == (count, len(lost), len(repeated))
    assert walk.is_over


def test_a_walk_from_a_deep_place_expects_what_is_below() -> None:
    """A bookmark says which seq came last; what lies above it is not this walk's."""
    walk = PageWalk(page=7, before_seq=11)
    walk.take([10, 9, 7], has_more=True)
    assert (walk.page, walk.expected, walk.lost) == (8, 4, 1)
    assert not walk.is_over


def test_an_empty_page_that_promises_more_ends_the_walk() -> None:
    """A server that never ends does not hold a user for ever."""
    walk = PageWalk()
    walk.take([], has_more=True)
    assert walk.is_over


def test_depths_have_one_bucket_each() -> None:
    """Buckets meet without gap or overlap."""
    labels = [depth_label(page) for page in (1, 2, 9, 10, 99, 100, 999, 1000, 5000)]
    assert labels == ["1", "2-9", "2-9", "10-99", "10-99", "100-999", "100-999", "1000+", "1000+"]
