"""Warnings that say the same of many things."""

from types import SimpleNamespace

from reports.notices import notices
from scenarios.run_records import ScenarioRecord

PLANS = [f"list ({name}) changed its plan between blocks: see {name}* in plans/" for name in ("hot", "cold", "tie")]


def warned(parts: SimpleNamespace, *warnings: str) -> ScenarioRecord:
    record: ScenarioRecord = parts.record("queries", 0)
    record.warnings = list(warnings)
    return record


def test_alike_warnings_are_one_line_with_a_count(parts: SimpleNamespace) -> None:
    """What they share stays, what differs is a gap."""
    (notice,) = notices([warned(parts, *PLANS)])
    assert notice.line == "queries: 3 times: list … changed its plan between blocks: see … in plans/"


def test_a_grouped_warning_keeps_every_sentence(parts: SimpleNamespace) -> None:
    """Nothing is lost."""
    (notice,) = notices([warned(parts, *PLANS)])
    assert notice.sentences == tuple(PLANS)


def test_two_alike_warnings_are_told_one_by_one(parts: SimpleNamespace) -> None:
    """A gap would hide more than it saves."""
    assert [notice.line for notice in notices([warned(parts, *PLANS[:2])])] == [f"queries: {one}" for one in PLANS[:2]]


def test_different_warnings_stay_apart(parts: SimpleNamespace) -> None:
    """As many words are not the same words."""
    sentences = ["one two three four", "five six seven eight", "nine ten eleven twelve"]
    assert [notice.text for notice in notices([warned(parts, *sentences)])] == sentences


def test_the_same_warning_is_told_once(parts: SimpleNamespace) -> None:
    """However often it was raised."""
    assert [notice.text for notice in notices([warned(parts, "slow", "slow", "slow")])] == ["slow"]


def test_warnings_of_different_scenarios_stay_apart(parts: SimpleNamespace) -> None:
    """Each names its own."""
    other = warned(parts, PLANS[0])
    other.name = "fanout"
    assert [notice.scenario for notice in notices([other, warned(parts, *PLANS)])] == ["fanout", "queries"]
