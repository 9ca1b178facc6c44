"""Tests of scenarios/queries/builds.py."""

import asyncio

from reference_server.statements import find_strategy
from scenarios.queries.arms import open_arms
from scenarios.queries.builds import BuildTimes, time_builds
from scenarios.queries.findings import Findings


def test_what_strategies_share_is_built_once(cluster_url: str, bare_template: str) -> None:
    """Every index of every strategy has its times, and one that both have made has the same; all are there after."""
    strategies = [find_strategy(name) for name in ("roadmap", "roadmap_membership")]

    async def build() -> tuple[dict[tuple[str, str], BuildTimes], list[set[str]]]:
        findings = Findings()
        async with open_arms(
            cluster_url,
            bare_template,
            strategies,
            [],
            findings=findings,
            statement_timeout_seconds=10,
            progress=lambda _step, _share: None,
        ) as opened:
            times = await time_builds(opened.arms, findings)
            assert findings.warnings == []
            assert times.keys() == {(arm.name, name) for arm in opened.arms for name in arm.applied.new_indexes}
            there = [{index.name for index in await arm.indexes()} for arm in opened.arms]
            assert all(set(arm.applied.new_indexes) <= names for arm, names in zip(opened.arms, there, strict=True))
            return times, there

    times, _ = asyncio.run(build())
    shared = {name for strategy, name in times if strategy == "roadmap"}
    assert len(shared) == 3
    assert all(times["roadmap", name] is times["roadmap_membership", name] for name in shared)
    assert all(item.plain_ms > 0 and item.concurrent_ms > 0 for item in times.values())
