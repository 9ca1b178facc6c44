from scenarios.offered_rates import Achievements, RateWindow, joined

SECOND = 1_000_000_000


def window(arm: str, rate: float, begin: int, seconds: int, done_at: list[int]) -> RateWindow:
    """A window with operations done at these seconds."""
    made = RateWindow(arm, rate, begin * SECOND, (begin + seconds) * SECOND)
    for moment in done_at:
        made.done(moment * SECOND)
    return made


def test_what_is_done_after_the_window_does_not_count() -> None:
    """The last moment of the window does."""
    assert window("a", 5, 10, 2, [10, 11, 12, 13, 20]).in_time == 3


def test_windows_of_one_rate_add_up() -> None:
    """Operations by seconds, over all windows; a ratio needs both arms, and one that did something."""
    achievements = Achievements()
    for one in (
        window("a", 5, 0, 2, [1, 1, 2]),
        window("a", 5, 10, 3, [11, 12]),
        window("b", 5, 20, 2, [21, 21, 21, 22]),
        window("b", 9, 30, 2, []),
        window("a", 9, 40, 2, [41, 41, 41]),
    ):
        achievements.add(one)
    assert achievements.per_second("a", 5) == 1.0
    assert achievements.per_second("b", 5) == 2.0
    assert achievements.ratio("a", "b", 5) == 0.5
    assert achievements.ratio("b", "a", 9) == 0.0
    assert achievements.ratio("a", "b", 9) is None
    assert achievements.per_second("a", 7) is None
    assert achievements.ratio("a", "b", 7) is None
    assert achievements.most_per_second("a") == 1.5
    assert achievements.most_per_second("b") == 2.0
    assert achievements.most_per_second("c") is None


def test_windows_of_several_processes_are_one() -> None:
    """Operations add up, time does not; a window that one of them has not whole is left out."""
    here = [window("a", 5, 0, 2, [1, 2]), window("b", 5, 2, 2, [3]), window("a", 9, 4, 2, [5])]
    there = [window("a", 5, 0, 2, [1]), window("b", 5, 2, 2, [3, 4, 4])]
    found = joined([here, there])
    assert [(one.arm, one.rate, one.in_time, one.seconds) for one in found] == [("a", 5, 3, 2.0), ("b", 5, 4, 2.0)]
    assert here[0].in_time == 2
