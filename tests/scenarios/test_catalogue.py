import pytest

from fixtures.errors import InputError
from scenarios.catalogue import SCENARIOS, scenario


def test_every_scenario_has_its_file() -> None:
    """What the list names can be run."""
    assert {one.file.stem for one in SCENARIOS.values() if one.file.is_file()} == set(SCENARIOS)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """The error shows the value and the way out."""
    with pytest.raises(InputError, match=r"'fan-out'.*pagination, fanout, presence"):
        scenario("fan-out")


def test_a_known_name_gives_its_entry() -> None:
    """And asks its question."""
    assert scenario("fanout").question.endswith("?")
