import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import InputError
from scenarios.objectives import Objective, judge, parse_objective, require_known

MEASURES = st.from_regex(r"[a-z][a-z_0-9]*(\.[a-z_]+=[a-z0-9]([a-z0-9 ]*[a-z0-9])?)?", fullmatch=True)
BOUNDS = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).map(lambda bound: float(f"{bound:g}"))


@given(MEASURES, st.sampled_from(["<=", ">=", "==", "<", ">"]), BOUNDS)
def test_what_is_written_is_read_back(measure: str, comparison: str, bound: float) -> None:
    """Text → objective → text loses nothing, spaces or not."""
    objective = parse_objective(f" {measure} {comparison} {bound:g} ")
    assert objective == Objective(measure, comparison, bound)  # type: ignore[arg-type]
    assert parse_objective(objective.text) == objective


@pytest.mark.parametrize("text", ["", "missing", "missing=0", "<=3", "missing<=", "missing<=many", "missing=<0"])
def test_what_is_no_objective_is_refused_with_the_grammar(text: str) -> None:
    """The sentence holds the text and an example."""
    with pytest.raises(InputError, match=r"is no objective; write MEASURE.*delivery_ms_p99<=100"):
        parse_objective(text)


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("a<=100", 100, True),
        ("a<=100", 100.1, False),
        ("a<100", 100, False),
        ("a>=5", 5, True),
        ("a>5", 5, False),
        ("missing==0", 0, True),
        ("missing==0", 1, False),
        ("a<=100", None, False),
        ("a<=100", math.nan, False),
    ],
)
def test_a_value_keeps_an_objective_or_not(text: str, value: float | None, met: bool) -> None:
    """Bounds count as written; what was not measured is not kept."""
    outcome = judge(parse_objective(text), value)
    assert outcome.met is met
    assert ("met" if met else "missed") in outcome.sentence


def test_an_unknown_number_is_refused_naming_the_known_ones() -> None:
    """The sentence says what comes nearest, and all there is."""
    with pytest.raises(InputError, match=r"named 'delivery_ms_p9'; did you mean delivery_ms_p99.*Known are:.*missing"):
        require_known(parse_objective("delivery_ms_p9<=1"), ["delivery_ms_p99", "missing"])


def test_what_was_not_measured_is_not_kept() -> None:
    """And the sentence says that it was not measured, not that it was too high."""
    outcome = judge(parse_objective("delivery_ms_p99<=100"), None)
    assert not outcome.met
    assert "was not measured" in outcome.sentence
