import itertools

from hypothesis import given
from hypothesis import strategies as st

from scenarios.seq_ranges import SeqRanges

seqs = st.integers(0, 40)
operations = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), seqs, seqs) | st.tuples(st.just("range"), seqs, seqs), max_size=40
)


@given(operations=operations, low=seqs, high=seqs)
def test_behaves_as_a_set(operations: list[tuple[str, int, int]], low: int, high: int) -> None:
    """After any operations, members, size, ranges and counts are those of a plain set."""
    ranges, model = SeqRanges(), set[int]()
    for operation, first, second in operations:
        if operation == "add":
            assert ranges.add(first) == (first not in model)
            model.add(first)
        elif operation == "remove":
            assert ranges.remove(first) == (first in model)
            model.discard(first)
        else:
            ranges.add_range(first, second)
            model.update(range(first, second + 1))
    assert {seq for start, stop in ranges for seq in range(start, stop + 1)} == model
    assert len(ranges) == len(model)
    assert all((seq in ranges) == (seq in model) for seq in range(42))
    assert ranges.count_between(low, high) == len([seq for seq in model if low <= seq <= high])
    pieces = list(ranges)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(pieces))


@given(first=st.sets(seqs), second=st.sets(seqs), low=seqs, high=seqs)
def test_shared_members_are_counted(first: set[int], second: set[int], low: int, high: int) -> None:
    """The intersection within bounds has the size of the sets' intersection."""
    one, two = SeqRanges(), SeqRanges()
    for seq in first:
        one.add(seq)
    for seq in second:
        two.add(seq)
    assert one.count_shared(two, low, high) == len([seq for seq in first & second if low <= seq <= high])


def test_a_run_in_order_is_one_range() -> None:
    """A million seqs in order cost one range."""
    ranges = SeqRanges()
    for seq in range(1, 10_001):
        ranges.add(seq)
    assert list(ranges) == [(1, 10_000)]
