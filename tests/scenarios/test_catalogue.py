"""The list of scenarios is true."""

from scenarios.catalogue import SCENARIOS


def test_every_scenario_has_its_file_and_asks_a_question() -> None:
    """What the list names can be run."""
    assert {one.file.stem for one in SCENARIOS.values() if one.file.is_file()} == set(SCENARIOS)
    assert all(one.question.endswith("?") for one in SCENARIOS.values())
