"""Contract: service-level objectives: what one number of a run must keep, and whether it did.

    delivery_ms_p99<=100        a measure of scenarios/run_measures.py, a comparison, a bound
    missing==0
    bytes_per_delivery<=200

Pure: the numbers come from whoever has them, by name. What was not measured is not kept.
"""

import difflib
import operator
import re
from collections.abc import Callable, Collection
from typing import Literal, cast

import msgspec

from fixtures.errors import InputError

Comparison = Literal["<=", ">=", "==", "<", ">"]

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_GRAMMAR = re.compile(
    r"\s*(?P<measure>\S.*?)(?<![<>=!\s])\s*(?P<comparison><=|>=|==|<|>)\s*(?P<bound>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*",
    re.IGNORECASE,
)


class Objective(msgspec.Struct, frozen=True):
    """One promise about one number."""

    measure: str  # the number's name
    comparison: Comparison
    bound: float  # in the unit that the measure's name says

    @property
    def text(self) -> str:
        """As it is written: `delivery_ms_p99<=100`."""
        return f"{self.measure}{self.comparison}{self.bound:g}"


class Outcome(msgspec.Struct, frozen=True):
    """What became of one objective."""

    objective: Objective
    value: float | None  # None: not measured
    met: bool  # False for what was not measured

    @property
    def sentence(self) -> str:
        """For people: the objective, what was found, and whether that is kept."""
        if self.value is None:
            return f"{self.objective.text} is missed: {self.objective.measure} was not measured"
        return f"{self.objective.text} is {'met' if self.met else 'missed'}: it is {self.value:.4g}"


def parse_objective(text: str) -> Objective:
    """The objective that a text writes; InputError with the grammar for one that writes none."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is no objective; write MEASURE, one of {' '.join(_COMPARE)}, and a number, "
            "such as 'delivery_ms_p99<=100' or 'missing==0'"
        )
    return Objective(match["measure"], cast("Comparison", match["comparison"]), float(match["bound"]))


def require_known(objective: Objective, known: Collection[str]) -> None:
    """InputError, naming what there is and what comes nearest, when no number has the objective's name."""
    if objective.measure in known:
        return
    near = difflib.get_close_matches(objective.measure, known, n=3)
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    raise InputError(
        f"objective {objective.text!r}: there is no number named {objective.measure!r}{meant} "
        f"Known are: {', '.join(sorted(known)) or 'none'}"
    )


def judge(objective: Objective, value: float | None) -> Outcome:
    """Whether a value keeps the objective; None, and what is no number, does not."""
    met = value is not None and _COMPARE[objective.comparison](value, objective.bound)
    return Outcome(objective, value, met)
