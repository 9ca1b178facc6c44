"""Tests of scenarios/queries/sittings.py: which runs can go on, and which not."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest

from fixtures.errors import InputError
from scenarios.provenance import current_commit, host_fingerprint, versions
from scenarios.queries.laboratory import run_laboratory
from scenarios.queries.request import LaboratoryOptions
from scenarios.queries.sittings import find_record, keep_files, unfinished_options
from scenarios.run_folder import RunFolder
from scenarios.run_records import RunManifest
from scenarios.runner import RunOptions, resume

OPTIONS = LaboratoryOptions(size="tiny", statements=("find_user",), blocks=3, executions=4)


@pytest.fixture
def interrupted(cluster_url: str, run_folder: RunFolder) -> RunFolder:
    """A run of this chatbench on this machine that ended in its second block."""
    manifest = run_folder.read_manifest()
    manifest.commit, manifest.versions, manifest.host = current_commit(), versions(), host_fingerprint()
    manifest.options = {"laboratory": asdict(OPTIONS)}
    run_folder.write_manifest(manifest)

    def interrupt(step: str, _share: float) -> None:
        if step.startswith("block 2: "):
            raise asyncio.CancelledError  # what Ctrl-C becomes in a coroutine

    run_laboratory(OPTIONS, cluster_url, run_folder, interrupt)
    return run_folder


def changed(folder: RunFolder, change: Callable[[RunManifest], None]) -> RunFolder:
    """The folder with another manifest."""
    manifest = folder.read_manifest()
    change(manifest)
    folder.write_manifest(manifest)
    return folder


def test_an_unfinished_run_says_what_it_was_asked_for(interrupted: RunFolder) -> None:
    """The options are the run's own, all of them."""
    assert unfinished_options(interrupted) == OPTIONS


def test_a_run_goes_on_twice(cluster_url: str, interrupted: RunFolder, tmp_path: Path) -> None:
    """A line that was written and not recorded is measured anew, and the sittings are told."""
    torn = next(interrupted.read_queries())
    interrupted.append_queries([msgspec.structs.replace(torn, block=1)])
    options = RunOptions(database_url=cluster_url, out=tmp_path)

    def interrupt(step: str, _share: float) -> None:
        if step.startswith("block 3: "):
            raise asyncio.CancelledError

    resume(interrupted.path, options, interrupt)
    assert [line.block for line in interrupted.read_queries()].count(1) == [
        line.block for line in interrupted.read_queries()
    ].count(0)
    resume(interrupted.path, options, lambda _step, _share: None)
    record = find_record(interrupted)
    assert record is not None
    assert record.options["sittings"] == [0, 1, 2]
    assert record.reasons == []
    assert interrupted.read_manifest().verdict == "VALID"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda manifest: setattr(manifest, "title", "tour"),
            "is a run of 'tour', and only one of",
        ),
        (lambda manifest: manifest.scenarios.clear(), "holds no finished block to continue from"),
        (lambda manifest: manifest.options.clear(), "by a chatbench that could not continue runs"),
        (lambda manifest: setattr(manifest, "commit", "abc"), "different commit of chatbench .abc then"),
        (
            lambda manifest: manifest.versions.update(asyncpg="0.1"),
            r"different set of packages \(asyncpg: 0.1 then, .* now\)",
        ),
        (lambda manifest: manifest.host.update(cores=999), r"different machine \(cores: 999 then, \d+ now\)"),
    ],
)
def test_runs_that_cannot_go_on(interrupted: RunFolder, change: Callable[[RunManifest], None], sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(InputError, match=sentence):
        unfinished_options(changed(interrupted, change))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda manifest: manifest.postgres_settings.update(work_mem="1kB"),
            "different PostgreSQL .work_mem: 1kB",
        ),
        (lambda manifest: manifest.scenarios[0].options.update(template="older"), "different data set .older then"),
    ],
)
def test_a_refused_run_stays_as_it_is(
    cluster_url: str, interrupted: RunFolder, tmp_path: Path, change: Callable[[RunManifest], None], sentence: str
) -> None:
    """Another server or other data is noticed once the copies are there, before anything is changed."""
    changed(interrupted, change)
    before = [(interrupted.path / name).read_bytes() for name in ("run.json", "queries.jsonl")]
    with pytest.raises(InputError, match=sentence):
        resume(interrupted.path, RunOptions(database_url=cluster_url, out=tmp_path), lambda _step, _share: None)
    assert [(interrupted.path / name).read_bytes() for name in ("run.json", "queries.jsonl")] == before


def test_what_is_no_run_folder_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere."""
    with pytest.raises(InputError, match="nowhere is no run folder"):
        unfinished_options(RunFolder(tmp_path / "nowhere"))


def test_a_set_up_elsewhere_is_not_kept(run_folder: RunFolder, tmp_path: Path) -> None:
    """It would be another one when the run goes on."""
    (tmp_path / "below").mkdir()
    (tmp_path / "setup.sql").write_text("-- purpose: More.\nSELECT 1\n")
    statement = tmp_path / "below" / "mine.sql"
    statement.write_text("-- purpose: Mine.\n-- setup: ../setup.sql\nSELECT 1\n")
    with pytest.raises(InputError, match=r"the set-up setup\.sql of .* lies elsewhere; put it beside"):
        keep_files(LaboratoryOptions(statement_files=(str(statement),)), run_folder)
