"""What the laboratory's tests share: a data set without indexes, and run folders."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.postgres import EmbeddedPostgres
from reference_server.seed import ensure_template
from scenarios.run_folder import RunFolder
from scenarios.run_records import RunManifest


@pytest.fixture(scope="module", autouse=True)
def turn(laboratory_turn: None) -> None:
    """One module of these at a time."""


@pytest.fixture(scope="session")
def cluster_url(postgres: EmbeddedPostgres) -> str:
    """The administrator's URL of the test cluster."""
    return postgres.url("postgres")


@pytest.fixture(scope="session")
def bare_template(cluster_url: str) -> str:
    """A database with the data set `tiny` and keys only, to clone."""
    return asyncio.run(ensure_template(cluster_url, "tiny", 1, "none"))


@pytest.fixture
def run_folder(tmp_path: Path) -> RunFolder:
    """A run that has just begun."""
    return new_folder(tmp_path)


@pytest.fixture(scope="session")
def make_folder() -> Callable[[Path], RunFolder]:
    """Begins a run below a folder, for fixtures that live longer than one test."""
    return new_folder


def new_folder(parent: Path) -> RunFolder:
    folder = RunFolder.create(parent, "queries")
    folder.write_manifest(
        RunManifest(
            run_id=folder.path.name,
            title="queries",
            started_at="2026-01-01T00:00:00.000+00:00",
            seed=1,
            commit=None,
            versions={},
            host={},
            dataset=None,
            postgres_settings={},
            server_settings={},
            options={},
        )
    )
    return folder
