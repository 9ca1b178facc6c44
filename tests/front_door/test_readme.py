"""The README's commands do what it says, in its order, on the embedded PostgreSQL."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MARK = "<!-- These commands run in the tests, in this order, in an empty folder. -->"


def documented_commands() -> list[str]:
    """The lines of the README's block of commands."""
    block = (ROOT / "README.md").read_text(encoding="utf-8").split(MARK)[1]
    return re.search(r"```sh\n(.*?)```", block, re.DOTALL)[1].splitlines()


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """Not pytest's own: those are closed to other users, and root's embedded PostgreSQL runs as another user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_the_readmes_commands_run(empty_folder: Path) -> None:
    """Every line succeeds; a run on a busy machine may call itself INVALID, and then its generator says why."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHATBENCH_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    commands = documented_commands()
    assert len(commands) >= 5
    for command in commands:
        result = subprocess.run(
            ["bash", "-c", command], cwd=empty_folder, env=environment, capture_output=True, text=True, check=False
        )
        busy = result.returncode == 3 and "generator" in result.stderr
        assert result.returncode == 0 or busy, f"{command}\n{result.stdout}\n{result.stderr}"
        assert result.stdout.strip()
    assert len(list(empty_folder.glob("out/runs/*/report.html"))) == 2


def test_the_two_commands_are_in_the_makefile() -> None:
    """`make bench` and `make test` are targets, beside the other verbs of CONTRIBUTING.md."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"^    make (\w+)|^make (\w+)", (ROOT / document).read_text(), re.MULTILINE):
            assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target


def test_ci_runs_what_the_readme_says() -> None:
    """CI's test command is the README's."""
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
