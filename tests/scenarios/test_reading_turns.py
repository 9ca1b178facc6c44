from hypothesis import given
from hypothesis import strategies as st

from scenarios.reading_turns import ReadingTurns


@given(readers=st.integers(1, 5), unread=st.integers(1, 4), written=st.lists(st.integers(0, 3), max_size=30))
def test_everybody_reads_everything_once_and_in_order(readers: int, unread: int, written: list[int]) -> None:
    """Against plain lists: each reader's seqs are 1, 2, 3 …, nobody is ahead by two, nothing unwritten is read."""
    turns = ReadingTurns(range(readers), 0, unread)
    read: dict[int, list[int]] = {number: [] for number in range(readers)}
    for more in written:
        turns.last_seq += more
        assert turns.needs_more == (turns.last_seq - min(map(len, read.values())) < unread)
        turn = turns.take()
        if turn is None:
            assert all(seqs[-1:] == ([turns.last_seq] if turns.last_seq else []) for seqs in read.values())
            continue
        read[turn[0]].append(turn[1])
        assert turn[1] <= turns.last_seq
    lengths = [len(seqs) for seqs in read.values()]
    assert max(lengths) - min(lengths) <= 1
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in read.values())
