from hypothesis import given
from hypothesis import strategies as st

from scenarios.unread_books import UnreadBooks

READER, CONVERSATIONS = "r", ("a", "b")


class World:
    """A server on which every operation begins, takes effect at one moment, and is answered later, if at all."""

    def __init__(self, last_seq: int, read_seq: int) -> None:
        self.books = UnreadBooks()
        self.last = dict.fromkeys(CONVERSATIONS, last_seq)
        self.read = dict.fromkeys(CONVERSATIONS, read_seq)
        for conversation in CONVERSATIONS:
            self.books.open(READER, conversation, last_seq, read_seq)
        self.begun: list[tuple[str, str, int]] = []
        self.done: list[tuple[str, str, int]] = []

    def unread(self, conversation: str) -> int:
        """What a list made now says."""
        return max(0, self.last[conversation] - self.read[conversation])

    def begin(self, kind: str, conversation: str, back: int) -> None:
        """A send or a mark leaves its client."""
        if kind == "send":
            self.books.send_begins(conversation)
            self.begun.append((kind, conversation, 0))
        else:
            seq = max(1, self.books.last_seq(conversation) - back)
            self.books.mark_begins(READER, conversation, seq)
            self.begun.append((kind, conversation, seq))

    def take_effect(self, which: int) -> None:
        """One of those under way happens on the server."""
        kind, conversation, seq = self.begun.pop(which % len(self.begun))
        if kind == "send":
            self.last[conversation] += 1
            self.done.append((kind, conversation, self.last[conversation]))
        else:
            self.read[conversation] = max(self.read[conversation], seq)
            self.done.append((kind, conversation, self.read[conversation]))

    def answer(self, which: int) -> None:
        """One of those that happened is acknowledged."""
        kind, conversation, seq = self.done.pop(which % len(self.done))
        if kind == "send":
            self.books.send_acknowledged(conversation, seq)
        else:
            self.books.mark_acknowledged(READER, conversation, seq)

    def step(self, step: tuple[str, str, int]) -> None:
        """One event of a story, when it is possible."""
        what, conversation, number = step
        if what in {"send", "mark"}:
            self.begin(what, conversation, number)
        elif what == "effect" and self.begun:
            self.take_effect(number)
        elif what == "answer" and self.done:
            self.answer(number)


steps = st.lists(
    st.tuples(st.sampled_from(["send", "mark", "effect", "answer"]), st.sampled_from(CONVERSATIONS), st.integers(0, 3)),
    max_size=25,
)


@given(last_seq=st.integers(1, 5), read_seq=st.integers(0, 5), earlier=steps, meanwhile=steps, after=steps)
def test_a_correct_list_is_always_within_its_bounds(
    last_seq: int,
    read_seq: int,
    earlier: list[tuple[str, str, int]],
    meanwhile: list[tuple[str, str, int]],
    after: list[tuple[str, str, int]],
) -> None:
    """Wherever between its request and its answer a list is made, and whatever else is under way."""
    world = World(last_seq, min(read_seq, last_seq))
    for step in earlier:
        world.step(step)
    before = world.books.before(READER)
    for step in meanwhile:
        world.step(step)
    listed = {conversation: world.unread(conversation) for conversation in CONVERSATIONS}
    for step in after:
        world.step(step)
    for conversation, unread in listed.items():
        bounds = world.books.bounds(READER, before, conversation)
        assert bounds is not None
        assert bounds[0] <= unread <= bounds[1]


@given(last_seq=st.integers(1, 5), read_seq=st.integers(0, 5), story=steps)
def test_at_rest_there_is_one_truth(last_seq: int, read_seq: int, story: list[tuple[str, str, int]]) -> None:
    """Once all is answered, the bounds meet at what the server holds; before, nothing doubtful is said."""
    world = World(last_seq, min(read_seq, last_seq))
    for step in story:
        world.step(step)
    under_way = {conversation for _, conversation, _ in world.begun}
    for conversation in CONVERSATIONS:
        truth = world.books.at_rest(READER, conversation)
        if truth is not None and conversation not in under_way:
            assert truth == world.unread(conversation)
    while world.begun:
        world.take_effect(0)
    while world.done:
        world.answer(0)
    before = world.books.before(READER)
    for conversation in CONVERSATIONS:
        truth = world.unread(conversation)
        assert world.books.at_rest(READER, conversation) == truth
        assert world.books.bounds(READER, before, conversation) == (truth, truth)


def test_a_send_that_was_never_answered_leaves_doubt() -> None:
    """It may be there or not: both counts are within bounds, and neither is the truth."""
    books = UnreadBooks()
    books.open(READER, "a", 5, 3)
    before = books.before(READER)
    books.send_begins("a")
    assert books.bounds(READER, before, "a") == (2, 3)
    assert books.at_rest(READER, "a") is None
    assert books.bounds(READER, before, "unknown") is None
    assert books.at_rest(READER, "unknown") is None
