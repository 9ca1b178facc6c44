from hypothesis import given
from hypothesis import strategies as st

from scenarios.client.meetings import Meetings
from scenarios.worker_messages import Arrived, FromMaster, Meet

WORKERS = ("a", "b", "c")


class Told:
    """What the master said, to whom."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Meet]] = []

    def send(self, message: FromMaster, worker_id: str) -> None:
        """Notes it."""
        assert isinstance(message, Meet)
        self.messages.append((worker_id, message))


def test_nobody_goes_on_alone() -> None:
    """The word comes when the last has come, to all, with one moment, every value in order, and one to tell of them."""
    told = Told()
    meetings = Meetings(told.send)
    for worker in ("c", "a"):
        meetings.arrived(worker, Arrived(1, worker.encode()))
        meetings.let_go(WORKERS)
    assert told.messages == []
    meetings.arrived("b", Arrived(1, b"b"))
    meetings.let_go(WORKERS)
    assert [worker for worker, _ in told.messages] == list(WORKERS)
    assert len({message.at_ns for _, message in told.messages}) == 1
    assert all(message.values == [b"a", b"b", b"c"] and message.number == 1 for _, message in told.messages)
    assert [message.is_teller for _, message in told.messages] == [True, False, False]


def test_a_lost_worker_is_not_waited_for() -> None:
    """Those that wait go on without it, and what it brought does not count."""
    told = Told()
    meetings = Meetings(told.send)
    for worker in ("a", "c"):
        meetings.arrived(worker, Arrived(1, worker.encode()))
    meetings.let_go(("b", "c"))
    assert told.messages == []
    meetings.arrived("b", Arrived(1, b"b"))
    meetings.let_go(("b", "c"))
    assert [(worker, message.values, message.is_teller) for worker, message in told.messages] == [
        ("b", [b"b", b"c"], True),
        ("c", [b"b", b"c"], False),
    ]


@given(order=st.permutations([worker for worker in WORKERS for _ in range(3)]))
def test_points_are_passed_in_order(order: list[str]) -> None:
    """However the arrivals come, no worker hears of a point twice, nor of a later one before an earlier one."""
    told, waiting = Told(), dict.fromkeys(WORKERS, 0)
    meetings = Meetings(told.send)
    for worker in order:
        waiting[worker] += 1
        meetings.arrived(worker, Arrived(waiting[worker], b""))
        meetings.let_go(WORKERS)
    for worker in WORKERS:
        assert [message.number for name, message in told.messages if name == worker] == [1, 2, 3]
