"""Arms as people write them: what a text means, and one sentence for what cannot be."""

from dataclasses import replace
from typing import Any

import pytest

from fixtures.errors import InputError
from scenarios.arms import Arm, arms_of, crossed_arms, parse_arm
from scenarios.catalogue import SCENARIOS

OPTIONS = ["--rate", "--group-sizes", "--subprotocol"]


def parse(text: str) -> Arm:
    return parse_arm(text, size="small", strategy="roadmap", allowed_options=OPTIONS)


def arms(*given: str, **changes: Any) -> tuple[Arm, ...]:
    return arms_of(
        SCENARIOS["fanout"],
        given,
        changes.get("preset"),
        size="small",
        strategy="roadmap",
        allowed_options=OPTIONS,
    )


def test_a_name_alone_is_an_arm_like_the_run() -> None:
    """Its size and indexes are the run's."""
    assert parse("plain") == Arm("plain", "small", "roadmap")


def test_settings_go_where_they_belong() -> None:
    """To the server, to the generator, to the indexes and to the data set."""
    arm = parse("other:pool_size_max=8,subprotocol=chat.v1.msgpack,strategy=none,size=tiny")
    assert arm == Arm("other", "tiny", "none", ("pool_size_max=8",), {"--subprotocol": "chat.v1.msgpack"})


def test_a_comma_within_a_value_belongs_to_it() -> None:
    """Lists of numbers need no quoting."""
    arm = parse("big:group-sizes=10,100,1000,pool_size_max=8")
    assert arm.scenario_options == {"--group-sizes": "10,100,1000"}
    assert arm.server_settings == ("pool_size_max=8",)


def test_the_record_holds_everything_that_tells_an_arm_apart() -> None:
    """Settings, options, indexes and size; of one's own strategy the file's name, not where it lies."""
    arm = replace(parse("other:pool_size_max=8,rate=5"), strategy="/elsewhere/mine.sql")
    record = arm.record()
    assert record.name == "other"
    assert record.settings == {"pool_size_max": "8", "rate": "5", "strategy": "mine.sql", "size": "small"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no name"),
        (":pool_size_max=8", "has no name"),
        ("a b:pool_size_max=8", "has no name"),
        ("a:pool_size_max", "names no value"),
        ("a:nonsense=1", "names no setting"),
        ("a:pool_size_max=many", "does not fit"),
        ("a:pool_size_max=1", "a pool of 4 to 1 connections is impossible"),
        ("a:database_url=postgresql://elsewhere", "which the run decides"),
        ("a:strategy=nonsense", "no index strategy named 'nonsense'"),
        ("a:size=huge", "huge"),
    ],
)
def test_what_cannot_be_is_one_sentence(text: str, sentence: str) -> None:
    """With the text and the way out."""
    with pytest.raises(InputError, match=sentence) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("a",), "nothing to be compared with"),
        (("a", "a:pool_size_max=8"), "share a name"),
    ],
)
def test_a_comparison_needs_arms_with_names_of_their_own(given: tuple[str, ...], sentence: str) -> None:
    """Two at least."""
    with pytest.raises(InputError, match=sentence):
        arms(*given)


def test_a_crossing_is_every_combination_once() -> None:
    """The first values are the baseline's; each arm is named by its values, and takes them."""
    found = arms(*crossed_arms(["subprotocol=chat.v1.json,chat.v1.msgpack", "message_coalescing_seconds=0,0.005,0.05"]))
    assert [arm.name for arm in found] == [
        f"{encoding}-{window}" for encoding in ("chat.v1.json", "chat.v1.msgpack") for window in ("0", "0.005", "0.05")
    ]
    assert found[4].scenario_options == {"--subprotocol": "chat.v1.msgpack"}
    assert found[4].server_settings == ("message_coalescing_seconds=0.005",)
    assert crossed_arms([]) == ()


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        (["subprotocol"], "has no values to compare"),
        (["subprotocol=chat.v1.json"], "has no values to compare"),
        (["subprotocol=chat.v1.json,chat.v1.json"], "has no values to compare"),
        (["subprotocol=chat.v1.json,"], "has no values to compare"),
        (["=1,2"], "has no values to compare"),
        (["size=tiny,small", "size=small,medium"], "names size twice"),
    ],
)
def test_a_crossing_needs_values(axes: list[str], sentence: str) -> None:
    """Two different ones at least for each setting, given once."""
    with pytest.raises(InputError, match=sentence):
        crossed_arms(axes)


def test_without_arms_there_is_one_server() -> None:
    """As ever."""
    assert arms() == ()


def test_an_unknown_preset_names_those_there_are() -> None:
    """And how to give arms of one's own."""
    with pytest.raises(InputError, match="no arms named 'nonsense'"):
        arms(preset="nonsense")


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_the_catalogues_arms_can_be(scenario: Any) -> None:
    """Every arm that the catalogue names parses, under its scenario's own options."""
    for texts in (scenario.arms, *scenario.arm_presets.values()):
        found = arms_of(scenario, texts, None, size="tiny", strategy="roadmap", allowed_options=list(scenario.options))
        assert len(found) == len(texts)
