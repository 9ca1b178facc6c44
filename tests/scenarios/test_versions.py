"""Git refs as arms: checked out apart, with the packages they need."""

import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.errors import InputError
from scenarios.versions import parse_version


def git(folder: Path, *arguments: str) -> str:
    """Runs git in a folder, as somebody."""
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose first commit has no server, whose second has one, and whose third needs another package."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["one"]\n')
    (folder / "constraints.txt").write_text("one==1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "nothing")
    git(folder, "tag", "before")
    (folder / "reference_server").mkdir()
    (folder / "reference_server" / "__main__.py").write_text("VERSION = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "server")
    git(folder, "tag", "server")
    (folder / "constraints.txt").write_text("one==no-version\n")
    git(folder, "commit", "--quiet", "-am", "pins")
    git(folder, "tag", "unbuildable")
    git(folder, "checkout", "--quiet", "server")
    monkeypatch.chdir(folder)
    return folder


def test_a_ref_is_checked_out_apart(checkout: Path, tmp_path: Path) -> None:
    """Its own tree, this Python when it needs the same packages; the working tree stays as it is."""
    (checkout / "reference_server" / "__main__.py").write_text("VERSION = 2\n")
    version = parse_version("server", tmp_path / "versions", allow_remote=False)
    assert version.tree is not None
    assert (version.tree / "reference_server" / "__main__.py").read_text() == "VERSION = 1\n"
    assert version.python == sys.executable
    assert version.identity == git(checkout, "rev-parse", "server")[:12]
    assert (checkout / "reference_server" / "__main__.py").read_text() == "VERSION = 2\n"


def test_the_same_commit_is_checked_out_once(checkout: Path, tmp_path: Path) -> None:
    """By whatever name."""
    names = ("server", git(checkout, "rev-parse", "server"))
    first, second = (parse_version(name, tmp_path / "versions", allow_remote=False) for name in names)
    assert first.tree == second.tree
    assert len(list((tmp_path / "versions").iterdir())) == 1


def test_an_interrupted_checkout_is_not_taken_for_whole(checkout: Path, tmp_path: Path) -> None:
    """What is left of one is thrown away."""
    part = tmp_path / "versions" / f".{git(checkout, 'rev-parse', 'server')[:12]}.part"
    (part / "reference_server").mkdir(parents=True)
    (part / "reference_server" / "half.py").touch()
    version = parse_version("server", tmp_path / "versions", allow_remote=False)
    assert version.tree is not None
    assert [path.name for path in (version.tree / "reference_server").iterdir()] == ["__main__.py"]
    assert not part.exists()


def test_a_ref_without_a_server_is_refused(checkout: Path, tmp_path: Path) -> None:
    """By name, with the way out."""
    with pytest.raises(InputError, match="holds no reference server; name a newer commit"):
        parse_version("before", tmp_path / "versions", allow_remote=False)


def test_a_ref_that_does_not_build_is_refused(checkout: Path, tmp_path: Path) -> None:
    """Its pins differ, so it gets packages of its own, and those cannot be installed."""
    with pytest.raises(InputError, match="'unbuildable' does not build"):
        parse_version("unbuildable", tmp_path / "versions", allow_remote=False)


def test_what_is_installed_is_known_by_its_content(tmp_path: Path) -> None:
    """Another version in the same place makes a data set of its own; the same one shares it."""
    package = tmp_path / "installed" / "reference_server"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "installed"} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    identities = []
    for text in ("SELECT 1", "SELECT 1", "SELECT 2"):
        (package / "schema.sql").write_text(text)
        identities.append(parse_version(f"python:{python}", tmp_path, allow_remote=False).identity)
    assert identities[0] == identities[1] != identities[2]
    assert "" not in identities
