"""What was achieved of the rates that were offered, in windows that take turns. Pure.

Times are CLOCK_REALTIME in ns, passed in.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace


@dataclass(slots=True)
class RateWindow:
    """One stretch of time in which one arm was offered one rate."""

    arm: str
    rate: float  # intended starts per second
    begin_ns: int
    end_ns: int
    in_time: int = 0  # operations of this window that were done by its end

    def done(self, moment_ns: int) -> None:
        """An operation that was intended in this window is done."""
        self.in_time += moment_ns <= self.end_ns

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.begin_ns) / 1e9


def joined(shares: Iterable[Iterable[RateWindow]]) -> list[RateWindow]:
    """The windows of a run, each with what all its processes achieved in it; all begin the same ones in turn."""
    # One that is whole here may have been cut off elsewhere: the last.
    together = zip(*shares, strict=False)
    return [replace(windows[0], in_time=sum(window.in_time for window in windows)) for windows in together]


@dataclass
class Achievements:
    """Whole windows, added up."""

    _in_time: dict[tuple[str, float], int] = field(default_factory=lambda: defaultdict(int))
    _seconds: dict[tuple[str, float], float] = field(default_factory=lambda: defaultdict(float))

    def add(self, window: RateWindow) -> None:
        """Adds a window that was neither cut short nor left alone."""
        self._in_time[window.arm, window.rate] += window.in_time
        self._seconds[window.arm, window.rate] += window.seconds

    def per_second(self, arm: str, rate: float) -> float | None:
        """Operations done per second of windows at this rate; None when there was none."""
        seconds = self._seconds.get((arm, rate))
        return self._in_time[arm, rate] / seconds if seconds else None

    def ratio(self, arm: str, other: str, rate: float) -> float | None:
        """What one arm achieved by what another did; None when either was not offered the rate, or achieved nothing."""
        mine, theirs = self.per_second(arm, rate), self.per_second(other, rate)
        return mine / theirs if mine is not None and theirs else None

    def most_per_second(self, arm: str) -> float | None:
        """The most that an arm achieved at any rate; None when it was offered none."""
        achieved = [self.per_second(arm, rate) for known, rate in self._seconds if known == arm]
        return max((one for one in achieved if one is not None), default=None)
