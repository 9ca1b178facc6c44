"""The books of coming and going: what is true, what was told, and which of it was wrong."""

from hypothesis import given
from hypothesis import strategies as st

from scenarios.churn_book import ABSENT, ChurnBook

GRACE_NS = 5_000
Converged = list[tuple[str, int, int]]


def book(watchers: int = 2) -> tuple[ChurnBook, Converged]:
    """One user "u" with watchers 0, 1, …, and what has converged."""
    converged: Converged = []
    made = ChurnBook(GRACE_NS, 0, lambda *what: converged.append(what))
    made.add("u", range(watchers))
    return made, converged


def test_a_change_has_converged_when_every_watcher_knows() -> None:
    """From the change to the last of them."""
    churn, converged = book()
    churn.set_status("u", "away", 100)
    churn.tell(0, "u", 1, "away", 130)
    assert (converged, churn.outstanding(131)) == ([], 1)
    churn.tell(1, "u", 1, "away", 150)
    assert (converged, churn.outstanding(151)) == ([("update", 2, 50)], 0)
    assert churn.counts["false_offline"] == 0


def test_a_newer_change_supersedes_the_one_before() -> None:
    """Only the newer one is waited for."""
    churn, converged = book()
    churn.set_status("u", "away", 100)
    churn.set_status("u", "online", 200)
    for watcher in (0, 1):
        churn.tell(watcher, "u", 2, "online", 250)
    assert converged == [("update", 2, 50)]
    assert churn.counts["superseded"] == 1


def test_offline_within_the_grace_is_false() -> None:
    """Before the period is over, and after a return that was in time."""
    churn, _ = book()
    churn.lose("u", 1_000)
    churn.tell(0, "u", 1, ABSENT, 1_000 + GRACE_NS - 1)
    churn.come_back("u", 1_000 + GRACE_NS - 1)
    churn.tell(1, "u", 1, ABSENT, 1_000 + 2 * GRACE_NS)
    assert churn.counts["false_offline"] == 2
    assert churn.counts["returns_in_grace"] == 1


def test_offline_after_the_grace_is_true_and_so_is_one_under_way_at_the_return() -> None:
    """Loss, convergence from the loss on, and a late return that is a change."""
    churn, converged = book()
    churn.lose("u", 0)
    assert churn.outstanding(GRACE_NS - 1) == 0
    assert churn.outstanding(GRACE_NS) == 2
    churn.tell(0, "u", 1, ABSENT, GRACE_NS + 10)
    churn.tell(1, "u", 1, ABSENT, GRACE_NS + 20)
    churn.come_back("u", GRACE_NS + 30)
    churn.tell(0, "u", 1, ABSENT, GRACE_NS + 35)
    for watcher in (0, 1):
        churn.tell(watcher, "u", 2, "online", GRACE_NS + 40)
    assert converged == [("loss", 2, GRACE_NS + 20), ("return", 2, 10)]
    assert churn.counts["false_offline"] == 0
    assert churn.counts["returns_late"] == 1


def test_a_return_in_time_of_who_was_online_is_no_change() -> None:
    """Nobody is to be told anything; one who was away comes back online, which is one."""
    churn, _ = book()
    churn.lose("u", 0)
    churn.come_back("u", 10)
    assert (churn.counts["changes"], churn.outstanding(20)) == (0, 0)
    churn.set_status("u", "away", 30)
    churn.lose("u", 40)
    churn.come_back("u", 50)
    assert churn.counts["changes"] == 2
    assert churn.outstanding(60) == 2


def test_what_a_watcher_holds_is_stale_unless_it_is_the_truth() -> None:
    """By version and status; who was never told anything is stale as well."""
    churn, _ = book(watchers=3)
    churn.know(0, "u", 3, "online")
    churn.tell(0, "u", 4, "away", 1)
    churn.know(0, "u", 3, "online")  # an answer that an event has overtaken
    churn.know(1, "u", 3, "online")
    assert churn.stale({"u": (4, "away")}) == [(1, "u"), (2, "u")]


class TruthfulServer:
    """Shows every watcher the truth at once, after the grace period where somebody is lost."""

    def __init__(self) -> None:
        self.churn, _ = book()
        self.person = self.churn.people["u"]
        self.now = 0
        self.version = 0
        self.shown = "online"
        for watcher in (0, 1):
            self.churn.know(watcher, "u", self.version, self.shown)

    def show(self, status: str) -> None:
        """Tells of a change."""
        if status != self.shown:
            self.version, self.shown = self.version + 1, status
            for watcher in (0, 1):
                self.churn.tell(watcher, "u", self.version, status, self.now)

    def live(self, step: str, pause: int) -> None:
        """Time passes, and the user does something that can be done."""
        self.now += pause
        if not self.person.is_absent:
            if step == "flip":
                self.churn.set_status("u", "away" if self.person.status == "online" else "online", self.now)
                self.show(self.person.status)
            elif step == "lose":
                self.churn.lose("u", self.now)
            return
        if self.person.has_been_absent(GRACE_NS, self.now):
            self.show(ABSENT)
        if step == "back":
            self.churn.come_back("u", self.now)
            self.show("online")


@given(steps=st.lists(st.tuples(st.sampled_from(["flip", "lose", "back"]), st.integers(1, 2 * GRACE_NS)), max_size=40))
def test_a_server_that_tells_the_truth_at_once_is_never_blamed(steps: list[tuple[str, int]]) -> None:
    """Whatever users do: nothing is false, stale or outstanding."""
    server = TruthfulServer()
    for step, pause in steps:
        server.live(step, pause)
        assert server.churn.outstanding(server.now) == 0
    assert server.churn.counts["false_offline"] == 0
    assert server.churn.stale({"u": (server.version, server.shown)}) == []
