"""What the laboratory must reveal of the roadmap's indexes: each a sentence of the report on one real run.

On `small`, because in `tiny` nobody is in enough conversations for an OR to cost more than a UNION ALL.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.report import summarise
from scenarios.queries.laboratory import run_laboratory
from scenarios.queries.request import LaboratoryOptions
from scenarios.run_folder import RunFolder
from scenarios.study import study_of

OPTIONS = LaboratoryOptions(
    strategies=("none", "roadmap", "created_at_desc_id"),
    statements=("list_members", "list_memberships", "send_message"),
    questions=("message_page", "direct_inbox"),
    size="small",
    blocks=2,
    executions=10,
    studies=True,
    policies=True,
)
COUNT = "[0-9\u202f]+"

BUFFERS = rf"\({COUNT} to {COUNT} buffers\)"
OR_GROWS = (
    rf"With the conversations of the user, under “roadmap”, [^.]*inbox_or {BUFFERS}[^.]* while [^.]*"
    rf"inbox_union_all {BUFFERS} stay flat\."
)
OFFSET_GROWS = (
    rf"With the messages before the page, under “created_at_desc_id”, page_by_offset {BUFFERS} grows while [^.]*"
    rf"page_by_created_at_and_id {BUFFERS}[^.]* stay flat\."
)
ROWS_ARE_LOST = rf"Walked in pages of 50, page_by_created_at loses {COUNT} of {COUNT} rows on ties alone\."
HOT_IS_LOST = (
    r"Under “roadmap”, send_message \(\w+\) goes from (9[0-9]\.[0-9]|100) % heap-only updates to 0 % and writes "
    r"1\.[1-9][0-9] × the WAL of “none” \(HOT lost: conversations\.last_message_at is in "
    r"idx_conversations_user2_activity, idx_conversations_user_activity\)\."
)
THE_THIRD_SERVES_FAN_OUT = (
    rf"idx_active_group_members of “roadmap” serves [^.]*list_members (where no policy binds it )?"
    rf"\({COUNT} to {COUNT} buffers[^.]*, saves little of [^.]*list_memberships {BUFFERS}"
)
TYPE_HAS_TO_BE_SAID = (
    r"idx_conversations_user_activity of “roadmap” serves [^.]*inbox_or [^.]*, and cannot serve [^.]*"
    r"inbox_or_any_type[^.]* \(its predicate type = 'direct' is not implied by the statement\)\."
)
POLICIES_CHANGE_PLACES = (
    r"The policy that reads the fewest buffers for \w+ changes with the memberships: [^.]*few memberships: [^.]*"
    r"many memberships"
)

# Fact → the report's section, and its sentence with the figures left open.
FACTS = {
    "an OR grows with the user's conversations, a UNION ALL of two pages does not": ("index_answers", OR_GROWS),
    "OFFSET grows with the depth, a keyset does not": ("index_answers", OFFSET_GROWS),
    "a cursor by created_at alone loses rows on ties": ("index_answers", ROWS_ARE_LOST),
    "the inbox's indexes take heap-only updates away, and each send writes more WAL": ("index_costs", HOT_IS_LOST),
    "the third index serves fan-out and not one's own conversations": ("index_choice", THE_THIRD_SERVES_FAN_OUT),
    "the inbox's indexes serve nobody who does not say the type": ("index_choice", TYPE_HAS_TO_BE_SAID),
    "which form of a policy is the cheapest changes with the memberships": ("index_plans", POLICIES_CHANGE_PLACES),
}


@pytest.fixture(scope="module")
def folder(
    cluster_url: str, tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[[Path], RunFolder]
) -> RunFolder:
    """One run for the tests of this module: half a minute, for which all facts are measured together."""
    made = make_folder(tmp_path_factory.mktemp("reveals"))
    run_laboratory(OPTIONS, cluster_url, made)
    return made


@pytest.fixture(scope="module")
def readings(folder: RunFolder) -> dict[str, str]:
    """What each section of the run's report says."""
    return {section.name: section.reading for section in summarise(folder.path).sections}


@pytest.mark.parametrize("fact", FACTS)
def test_the_report_states_it(readings: dict[str, str], fact: str) -> None:
    """As one of its sentences, with this run's figures."""
    section, sentence = FACTS[fact]
    assert re.search(sentence, readings[section]), readings[section]


def test_the_figures_are_the_runs_own(folder: RunFolder, readings: dict[str, str]) -> None:
    """The buffers that a sentence names were counted on the way from the smallest to the largest list."""
    (growth,) = [
        growth
        for growth in study_of(folder.read_manifest().scenarios[0].options).growths
        if (growth.statement, growth.strategy) == ("inbox_or", "roadmap")
    ]
    first, last = growth.compared[0].buffers, growth.compared[-1].buffers
    assert last > 3 * first
    assert f"inbox_or ({first} to {last} buffers)" in readings["index_answers"]
