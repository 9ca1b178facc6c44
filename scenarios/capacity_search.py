"""Finds the highest load that keeps an objective, when each step at a load only says, with noise, kept or missed.

Pure: it names the next load, is told the outcome, and says at any time what is known.

    bracket   doubling from the start (or halving, when that is missed already) until one load is kept and a higher one
              missed; a miss counts when a second step confirms it
    knee      rounds of three steps where the capacity may lie, in random order, each round from all steps before it

What is known is a posterior over the capacity `c` and the width `s` of the knee, under P(kept at load x) =
γ + (1 − 2γ) · logistic((ln c − ln x) / s). Placing steps by the posterior is QUEST (Watson and Pelli 1983, Perception &
Psychophysics 33:113), with the slope unknown as in the psi method (Kontsevich and Tyler 1999, Vision Research 39:2729);
intervals from it hold with few trials, where maximum likelihood's do not (Kuss, Jäkel and Wichmann 2005, Journal of
Vision 5:8). Computed on a grid, exactly up to its resolution. Tests check the coverage on simulated systems.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
import numpy.typing as npt

from scenarios.workload import Row

Outcome = Literal["kept", "missed", "generator"]  # generator: it gave way, so the step says nothing of the server
Phase = Literal["bracket", "knee"]
Kind = Literal["found", "at_least", "below", "nothing"]

WORKLOAD = {
    "lapse_share": Row(0.02, "of steps", "guess: a hiccup of the machine decides a step whatever its load"),
    "width_min": Row(0.01, "of ln load", "guess: no served system turns within less than a percent"),
    "width_max": Row(0.3, "of ln load", "guess: beyond it there is no knee to speak of"),
    "grid_step": Row(0.004, "of ln load", "by definition: the resolution of the answer, 0.4 %"),
    "confidence": Row(0.95, "", "by convention"),
    "wall_ratio": Row(1.15, "×", "guess: nearer than this to where the generator gives way, steps are wasted"),
    "outer_quantile": Row(0.2, "", "guess: three steps at 20, 50 and 80 % of the posterior"),
}
_WIDTHS = 10


@dataclass(frozen=True)
class Plan:
    """The next step."""

    load: float
    phase: Phase
    round: int  # of the knee, from 1; 0 while bracketing


@dataclass(frozen=True)
class Capacity:
    """What is known. `found`: an estimate with its interval; otherwise a bound, or nothing yet."""

    kind: Kind
    load: float | None = None  # found: the estimate; at_least: the highest load kept; below: the lowest, missed
    low: float | None = None
    high: float | None = None
    generator_limit: float | None = None  # the lowest load at which the generator gave way


def step_load(load: float) -> float:
    """A load as it is asked for: three significant digits."""
    return float(f"{load:.3g}")


class CapacitySearch:
    """One search between `lowest` and `highest`, from `start`."""

    def __init__(self, *, start: float, lowest: float, highest: float, rounds: int, seed: int) -> None:
        assert 0 < lowest <= start <= highest, "bounds are checked where they come in"
        self._start, self._lowest, self._highest = start, lowest, highest
        self._rounds = rounds
        self._random = Random(f"capacity {seed}")
        self._steps: list[tuple[float, bool]] = []  # load, kept; in the order of the steps
        self._gave_way: Counter[float] = Counter()
        self._plans: list[Plan] = []  # of the round under way
        self._round = 0
        self._posterior = _Posterior(lowest, highest)

    def next_step(self) -> Plan | None:
        """The next step; None when the search is at its end. The same until its outcome is recorded."""
        if self._plans:
            return self._plans[0]
        load = self._bracketing_load()
        if load is not None:
            self._plans = [Plan(step_load(load), "bracket", 0)]
        elif self._is_bracketed and self._round < self._rounds:
            self._round += 1
            self._plans = self._round_of_plans()
        return self._plans[0] if self._plans else None

    def record(self, load: float, outcome: Outcome) -> None:
        """The outcome of the step that was named last. One of which the generator gave way is repeated once."""
        if outcome == "generator":
            self._gave_way[load] += 1
            if self._gave_way[load] > 1:
                # What is planned up there is of no use either.
                self._plans = [plan for plan in self._plans[1:] if plan.load < load]
            return
        self._plans = self._plans[1:]
        self._steps.append((load, outcome == "kept"))
        self._posterior.learn(load, kept=outcome == "kept")

    def result(self) -> Capacity:
        """What all steps so far say."""
        limit = self._wall
        kept = [load for load, was_kept in self._steps if was_kept]
        if self._is_bracketed:
            low, load, high = self._posterior.quantiles(_tails(float(WORKLOAD["confidence"].value)))
            return Capacity("found", load, low, high, limit)
        if kept:
            return Capacity("at_least", max(kept), generator_limit=limit)
        if self._confirmed_misses():
            return Capacity("below", min(self._confirmed_misses()), generator_limit=limit)
        return Capacity("nothing", generator_limit=limit)

    @property
    def _wall(self) -> float | None:
        """The lowest load at which the generator gave way twice."""
        return min((load for load, times in self._gave_way.items() if times > 1), default=None)

    def _confirmed_misses(self) -> list[float]:
        """Loads missed at least twice, and more often than kept."""
        missed = Counter(load for load, kept in self._steps if not kept)
        kept = Counter(load for load, was_kept in self._steps if was_kept)
        return [load for load, times in missed.items() if times > 1 and times > kept[load]]

    @property
    def _is_bracketed(self) -> bool:
        misses = self._confirmed_misses()
        return bool(misses) and any(kept and load < max(misses) for load, kept in self._steps)

    def _bracketing_load(self) -> float | None:
        """The next load to look at before the knee is known; None when there is none."""
        if self._round or self._is_bracketed:
            return None
        if not self._steps and not self._gave_way:
            return self._start
        pending = self._unconfirmed_miss()
        if pending is not None:
            return pending
        kept = [load for load, was_kept in self._steps if was_kept]
        if not kept:
            return self._lower_load()
        return self._higher_load(max(kept))

    def _unconfirmed_miss(self) -> float | None:
        """A load whose steps so far do not decide: missed once, or as often as kept."""
        last, was_kept = self._steps[-1] if self._steps else (0.0, True)
        if was_kept or last in self._confirmed_misses():
            return None
        return last

    def _lower_load(self) -> float | None:
        seen = [*self._confirmed_misses(), *([self._wall] if self._wall is not None else [])]
        tried = min(seen, default=self._start)
        return None if tried <= step_load(self._lowest) else max(tried / 2, self._lowest)

    def _higher_load(self, highest_kept: float) -> float | None:
        wall = self._wall
        if wall is not None and wall > highest_kept:
            ratio = wall / highest_kept
            return math.sqrt(highest_kept * wall) if ratio > float(WORKLOAD["wall_ratio"].value) else None
        return None if highest_kept >= step_load(self._highest) else min(highest_kept * 2, self._highest)

    def _round_of_plans(self) -> list[Plan]:
        outer = float(WORKLOAD["outer_quantile"].value)
        loads = [step_load(load) for load in self._posterior.quantiles((outer, 0.5, 1 - outer))]
        wall = self._wall
        below = [load for load in loads if wall is None or load < wall]
        self._random.shuffle(below)
        return [Plan(load, "knee", self._round) for load in below]


class _Posterior:
    """What steps say of the capacity: a grid over ln c and the knee's width, uniform in ln of both to begin with."""

    def __init__(self, lowest: float, highest: float) -> None:
        # The capacity may lie somewhat beyond the loads that may be asked for.
        low, high, step = math.log(lowest / 2), math.log(highest * 2), float(WORKLOAD["grid_step"].value)
        self._capacities: npt.NDArray[np.float64] = np.linspace(low, high, math.ceil((high - low) / step) + 1)
        self._widths = np.geomspace(float(WORKLOAD["width_min"].value), float(WORKLOAD["width_max"].value), _WIDTHS)
        self._log_weights = np.zeros((len(self._capacities), _WIDTHS))

    def learn(self, load: float, *, kept: bool) -> None:
        """One step more."""
        lapse = float(WORKLOAD["lapse_share"].value)
        distance = (self._capacities[:, None] - math.log(load)) / self._widths[None, :]
        kept_share = lapse + (1 - 2 * lapse) / (1 + np.exp(-np.clip(distance, -60, 60)))
        self._log_weights += np.log(kept_share if kept else 1 - kept_share)

    def quantiles(self, shares: Sequence[float]) -> tuple[float, ...]:
        """The loads below which the capacity lies with these probabilities."""
        weights = np.exp(self._log_weights - self._log_weights.max()).sum(axis=1)
        cumulated = np.cumsum(weights) / weights.sum()
        return tuple(float(np.exp(np.interp(share, cumulated, self._capacities))) for share in shares)


def _tails(confidence: float) -> tuple[float, float, float]:
    return (1 - confidence) / 2, 0.5, (1 + confidence) / 2
