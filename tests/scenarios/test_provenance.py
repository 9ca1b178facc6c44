"""A run says where its numbers come from."""

import subprocess
from pathlib import Path

from scenarios import provenance


def test_a_manifest_names_commit_host_and_versions() -> None:
    """Everything a reader needs to run it again, and the verdict stays INVALID until someone finishes the run."""
    manifest = provenance.new_manifest(run_id="x", title="tour", seed=7, options={"size": "tiny"})
    head = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert manifest.commit is not None
    assert manifest.commit.removesuffix("-dirty") == head
    assert {"cpu", "cores", "memory_mib", "kernel"} <= manifest.host.keys()
    assert {"chatbench", "python", "locust", "websockets", "asyncpg"} <= manifest.versions.keys()
    assert (manifest.verdict, manifest.finished_at) == ("INVALID", None)
