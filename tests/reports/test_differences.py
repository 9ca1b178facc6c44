"""What two runs differ in beside their numbers."""

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.manifest import DatasetManifest
from reports.differences import differences, obstacles
from scenarios.run_records import ArmRecord

OTHER_DATA = DatasetManifest(size="small", seed=7, sha256="cd" * 32, user_count=9, rows={}, conversations=())


def sentences(base: Any, head: Any) -> list[str]:
    return [one.sentence for one in obstacles(differences(base, head))]


def test_two_runs_of_one_setting_differ_in_nothing(parts: SimpleNamespace) -> None:
    """Addresses, ports and names of copies are chosen anew each time and are no difference."""
    one = parts.manifest(
        [parts.record("fanout", 1, options={"host": "http://127.0.0.1:1", "rate": 40})],
        server_settings={"database_url": "postgresql://a", "http_port": 1, "pool_size_max": 16},
    )
    other = parts.manifest(
        [parts.record("fanout", 2, options={"host": "http://127.0.0.1:2", "rate": 40})],
        server_settings={"database_url": "postgresql://b", "http_port": 2, "pool_size_max": 16},
    )
    assert differences(one, other) == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": {"cpu": "Example CPU", "cores": 4}}, "host: cores was 2 and is 4"),
        ({"versions": {"chatbench": "0.1.0", "python": "3.12.0", "postgresql": "18.4"}}, "versions: python was 3.11.9"),
        ({"dataset": OTHER_DATA}, "data set: size was tiny and is small"),
        ({"dataset": None}, "data set: sha256 was abababababab and is absent"),
        ({"postgres_settings": {"shared_buffers": "1GB"}}, "PostgreSQL settings: shared_buffers was 256MB and is 1GB"),
        ({"server_settings": {"pool_size": 20}}, "server settings: pool_size was 10 and is 20"),
        ({"server_settings": {"pool_size": 10, "replica_url": "x"}}, "server settings: replica was false and is true"),
        ({"seed": 8}, "workload: seed was 7 and is 8"),
        ({"options": {"size": "tiny", "strategy": "none"}}, "workload: strategy was absent and is none"),
        (
            {"arms": {"fanout": [ArmRecord(name="json", settings={"a": "b"})]}},
            "arms: arm json of fanout was absent and is there",
        ),
    ],
)
def test_what_differs_is_named(parts: SimpleNamespace, changes: dict[str, Any], sentence: str) -> None:
    """With both values, the earlier one first."""
    found = sentences(parts.manifest(), parts.manifest(**changes))
    assert any(one.startswith(sentence) for one in found), found


def test_a_setting_of_an_arm_is_named_alone(parts: SimpleNamespace) -> None:
    """Not with the forty that are the same; the arm's version is what a comparison is made for."""
    runs = [
        parts.manifest(
            arms={"duet": [ArmRecord(name="base", settings={"a": "b", "pool": size, "version": size})]},
        )
        for size in ("1", "2")
    ]
    assert sentences(*runs) == ["arm base of duet: pool was 1 and is 2"]


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("presence", {}, "scenarios: presence was absent and is there"),
        ("fanout", {"options": {"rate": 50}}, "workload of fanout: rate was 40 and is 50"),
        ("fanout", {"options": {"rate": 40}, "model": "closed"}, "workload of fanout: loop was open and is closed"),
        ("fanout", {"options": {"rate": 40}, "seconds": 20}, "workload of fanout: measured time was 16.0 s and is 20"),
    ],
)
def test_a_changed_workload_is_named(parts: SimpleNamespace, name: str, changes: dict[str, Any], sentence: str) -> None:
    """By scenario and option."""
    base = parts.manifest([parts.record("fanout", 0, options={"rate": 40})])
    head = parts.manifest([parts.record(name, 0, **changes)])
    assert any(one.startswith(sentence) for one in sentences(base, head)), sentences(base, head)


def test_code_is_a_difference_and_no_obstacle(parts: SimpleNamespace) -> None:
    """It is what two runs are compared for."""
    base, head = parts.manifest(), parts.manifest(commit="fedcba")
    assert [one.sentence for one in differences(base, head)] == ["code: commit was 0123456789abcdef and is fedcba"]
    assert sentences(base, head) == []


@pytest.mark.parametrize("off", [False, 0, "", "off", None, []])
def test_what_is_off_is_as_if_it_were_not_there(parts: SimpleNamespace, off: object) -> None:
    """A version that lacks an option and one that has it switched off do the same."""
    base = parts.manifest(server_settings={"pool_size": 10})
    assert sentences(base, parts.manifest(server_settings={"pool_size": 10, "new": off})) == []


def test_what_the_laboratory_found_is_no_difference(parts: SimpleNamespace) -> None:
    """Its record holds sizes and studies beside the workload; of that, which strategies and statements counts."""
    options = {"blocks_finished": 6, "strategies": {"none": {"index_bytes": 1}}, "study": {"walks": []}}
    base = parts.manifest([parts.record("queries", 0, options=options)])
    options = {"blocks_finished": 6, "strategies": {"none": {"index_bytes": 2}, "roadmap": {}}, "study": {"walks": [1]}}
    head = parts.manifest([parts.record("queries", 0, options=options)])
    assert sentences(base, head) == ["workload of queries: strategy roadmap was absent and is measured"]
