"""What is shown of what was acknowledged."""

from hypothesis import given
from hypothesis import strategies as st

from scenarios.completeness import completeness


@given(st.sets(st.text("abcdef", min_size=1), max_size=20), st.lists(st.text("abcdef", min_size=1), max_size=40))
def test_completeness_is_set_arithmetic(acknowledged: set[str], found: list[str]) -> None:
    """Missing is what nobody shows; a second copy is a duplicate; what was not sent in the run is not counted."""
    totals = completeness("migration", {"chat": "old"}, acknowledged, found)
    assert totals.missing == len(acknowledged - set(found))
    assert totals.delivered == len(acknowledged & set(found))
    assert totals.duplicate == sum(max(0, found.count(one) - 1) for one in acknowledged)
    assert totals.expected == len(acknowledged)
