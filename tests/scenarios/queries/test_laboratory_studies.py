"""Tests of what the laboratory looks into beside its blocks: walks, growth, plan modes, policies, causes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.queries.laboratory import LaboratoryResult, run_laboratory
from scenarios.queries.policies import STATEMENTS, policies
from scenarios.queries.request import LaboratoryOptions
from scenarios.run_folder import RunFolder
from scenarios.study import Growth, Study, Walk, study_of

STRATEGIES = ("none", "roadmap", "created_at_desc_id")
OPTIONS = LaboratoryOptions(
    strategies=STRATEGIES,
    statements=("list_messages", "list_members", "list_memberships", "send_message", "leave_group"),
    questions=("message_page", "direct_inbox"),
    size="tiny",
    blocks=2,
    executions=4,
    studies=True,
    policies=True,
)


@pytest.fixture(scope="module")
def run(
    cluster_url: str, tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[[Path], RunFolder]
) -> tuple[LaboratoryResult, RunFolder]:
    """One run with everything, for the tests of this module."""
    folder = make_folder(tmp_path_factory.mktemp("studies"))
    return run_laboratory(OPTIONS, cluster_url, folder), folder


@pytest.fixture(scope="module")
def study(run: tuple[LaboratoryResult, RunFolder]) -> Study:
    """What it found."""
    return study_of(run[1].read_manifest().scenarios[0].options)


def walk_of(study: Study, statement: str, *, with_inserts: bool) -> Walk:
    """A walk without indexes."""
    wanted = (statement, "none", with_inserts)
    return next(walk for walk in study.walks if (walk.statement, walk.strategy, walk.with_inserts) == wanted)


def growth_of(study: Study, statement: str, strategy: str) -> Growth:
    return next(item for item in study.growths if (item.statement, item.strategy) == (statement, strategy))


def test_nothing_went_wrong(run: tuple[LaboratoryResult, RunFolder]) -> None:
    """No reason against the run, and every block is there."""
    assert run[0].record.reasons == []
    assert not run[0].cut_short


@pytest.mark.parametrize("statement", ["list_messages", "page_by_seq", "page_by_created_at_and_id"])
@pytest.mark.parametrize("with_inserts", [False, True])
def test_total_orders_are_walked_without_loss(study: Study, statement: str, with_inserts: bool) -> None:
    """A cursor that names one row finds every other one, whatever comes in."""
    walk = walk_of(study, statement, with_inserts=with_inserts)
    assert walk.complete
    assert walk.rows > 2 * walk.page_limit


def test_a_time_cursor_loses_rows_on_ties(study: Study) -> None:
    """What shares the last row's time never comes."""
    walk = walk_of(study, "page_by_created_at", with_inserts=False)
    assert walk.lost > 0
    assert walk.repeated == 0
    assert walk.example is not None


def test_an_offset_repeats_rows_when_messages_come_in(study: Study) -> None:
    """One row per message that came in; quietly it repeats none."""
    quiet = walk_of(study, "page_by_offset", with_inserts=False)
    busy = walk_of(study, "page_by_offset", with_inserts=True)
    assert quiet.complete
    assert (busy.lost, busy.repeated) == (0, busy.pages - 1)


def test_an_offset_grows_with_depth_and_a_keyset_does_not(study: Study) -> None:
    """Both through the same index."""
    assert growth_of(study, "page_by_offset", "created_at_desc_id").order == "linear"
    assert growth_of(study, "page_by_created_at_and_id", "created_at_desc_id").order == "flat"
    assert growth_of(study, "page_by_seq", "none").order == "flat"


def test_the_cause_of_lost_hot_updates_is_named(study: Study) -> None:
    """By table, column and index, as the catalog and the changed row say."""
    told = {
        cause.sentence for cause in study.causes if (cause.statement, cause.strategy) == ("send_message", "roadmap")
    }
    assert (
        "HOT lost: conversations.last_message_at is in "
        "idx_conversations_user2_activity, idx_conversations_user_activity" in told
    )
    assert not [cause for cause in study.causes if cause.kind == "hot" and cause.strategy == "none"]


def test_leaving_is_measured_as_a_write(run: tuple[LaboratoryResult, RunFolder], study: Study) -> None:
    """With its WAL and its HOT share, which an index over those who are still there takes away."""
    lines = [line for line in run[1].read_queries() if line.statement == "leave_group" and line.policy is None]
    assert len(lines) == OPTIONS.blocks * len(STRATEGIES)
    assert all(line.wal_bytes > 0 and line.wal_records for line in lines)
    shares = {
        name: {line.hot_share for line in lines if line.strategy == name and line.hot_share is not None}
        for name in STRATEGIES
    }
    assert shares["roadmap"] == {0}
    assert max(shares["none"]) > 0  # where the page has room for another version
    told = {cause.sentence for cause in study.causes if (cause.statement, cause.strategy) == ("leave_group", "roadmap")}
    assert "HOT lost: conversation_participants.left_at is in idx_active_group_members" in told


def test_an_index_that_a_statement_cannot_use_is_explained(study: Study) -> None:
    """Without the type the planner cannot know that the partial index holds every row."""
    told = [
        cause.sentence
        for cause in study.causes
        if (cause.statement, cause.strategy, cause.kind) == ("inbox_or_any_type", "roadmap", "unused")
    ]
    assert told
    assert all("its predicate type = 'direct' is not implied by the statement" in sentence for sentence in told)


def test_the_third_index_serves_fan_out(study: Study) -> None:
    """List of members through it; the pair of the inbox serves the inbox, and lists of memberships do without."""
    uses = {use.name: use for use in study.index_uses if use.strategy == "roadmap"}
    assert "list_members" in uses["idx_active_group_members"].statements
    (fan_out,) = [scan for scan in uses["idx_active_group_members"].scans if scan.statement == "list_members"]
    assert fan_out.buffers <= 0.5 * fan_out.baseline_buffers
    assert fan_out.index_only
    assert not fan_out.index_only_with_policies
    (own_list,) = [scan for scan in uses["idx_active_group_members"].scans if scan.statement == "list_memberships"]
    assert own_list.buffers > 0.8 * own_list.baseline_buffers
    pair = uses["idx_conversations_user_activity"]
    assert pair.unfit_for["list_memberships"] == "its predicate type = 'direct' is not implied by the statement"
    assert "inbox_or" in pair.statements
    assert {"inbox_or_any_type", "list_memberships"} <= set(pair.passed_over_by)


def test_plan_modes_are_compared_with_their_plans(study: Study, run: tuple[LaboratoryResult, RunFolder]) -> None:
    """Each cell of a read has both counts, and two plan files where the plans differ."""
    assert {(mode.statement, mode.strategy) for mode in study.plan_modes} >= {("list_messages", s) for s in STRATEGIES}
    assert all(mode.custom_buffers > 0 or mode.generic_buffers > 0 for mode in study.plan_modes)
    for mode in study.plan_modes:
        assert mode.same_plan == (mode.custom_plan is None) == (mode.generic_plan is None)
        for plan in (mode.custom_plan, mode.generic_plan):
            assert plan is None or (run[1].plans / plan).exists()


def test_policies_are_lines_of_their_own(run: tuple[LaboratoryResult, RunFolder]) -> None:
    """Each form on each statement and class in every block; the table of strategies leaves them out."""
    lines = [line for line in run[1].read_queries() if line.policy is not None]
    assert {line.policy for line in lines} == set(policies())
    assert {line.statement for line in lines} == set(STATEMENTS)
    assert len(lines) == OPTIONS.blocks * len(policies()) * len(STATEMENTS) * 3
    assert len({line.rows for line in lines if line.statement == "get_conversation"}) == 1
    assert not {cell.strategy for cell in run[0].cells} - set(STRATEGIES)


def test_no_policy_reads_least(run: tuple[LaboratoryResult, RunFolder]) -> None:
    """What a policy asks costs buffers: one that costs none would not be in force."""
    lines = [line for line in run[1].read_queries() if line.statement == "list_messages" and line.policy is not None]
    bare = {line.parameter_class: line.buffers_hit for line in lines if line.policy == "rls_off"}
    assert len(bare) == 3
    for line in lines:
        assert line.policy == "rls_off" or line.buffers_hit + line.buffers_read > bare[line.parameter_class]


def test_index_costs_have_sizes_and_times(study: Study) -> None:
    """Every index of every strategy, fresh and after the writes."""
    costs = {(cost.strategy, cost.name): cost for cost in study.index_costs}
    assert len(costs) == 4
    for cost in costs.values():
        assert cost.churned_bytes is not None
        assert cost.churned_bytes >= cost.fresh_bytes >= 8192
        assert cost.build_ms is not None
        assert cost.concurrent_build_ms is not None
        assert min(cost.build_ms, cost.concurrent_build_ms) > 0
        assert cost.concurrent_sends is not None
        assert cost.concurrent_sends > 0
