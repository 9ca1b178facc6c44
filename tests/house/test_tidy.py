"""The house stays in order: file sizes, SQL headers, pinned packages, words that do not belong."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LINES_AT_MOST = 400  # past it, look for the second noun


def tracked_files() -> list[Path]:
    """The files of the checkout, as git lists them."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


TEXT_SUFFIXES = {".py", ".sql", ".md", ".toml", ".txt", ".html", ".css", ".yml", ""}
TEXTS = [path for path in tracked_files() if path.suffix in TEXT_SUFFIXES]
SCRIPTS = sorted((ROOT / "reference_server" / "sql").rglob("*.sql")) + sorted((ROOT / "scenarios").rglob("*.sql"))


def test_the_scan_sees_the_house() -> None:
    """The scans below read real files; an empty scan would pass whatever is there."""
    assert ROOT / "pyproject.toml" in TEXTS
    assert len(SCRIPTS) > 10


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".py"], ids=lambda path: path.name)
def test_a_file_has_one_noun(path: Path) -> None:
    """No Python file outgrows a reader."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_AT_MOST


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_sql_says_its_purpose(path: Path) -> None:
    """Every SQL file opens with its purpose, one sentence."""
    assert re.match(r"-- purpose: \S.*\.\n", path.read_text(encoding="utf-8"))


def test_every_dependency_has_a_reason_and_a_pin() -> None:
    """pyproject.toml says why each package is needed, and constraints.txt says which version is tested."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    pins = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for requirement in project["dependencies"] + project["optional-dependencies"]["dev"]:
        declared = next(line for line in lines if f'"{requirement}"' in line)
        assert re.search(r"#\s+\S+", declared), f"{requirement} has no reason"
        assert re.split(r"[<>=]", requirement)[0].lower() in pins, f"{requirement} has no pin"


def test_constraints_hold_no_addresses() -> None:
    """Pins are names and versions; where packages come from is the machine's business."""
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line), line


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_speak_of_the_product_alone(path: Path) -> None:
    """No machine's own paths and no left-over markers."""
    text = path.read_text(encoding="utf-8")
    for word in ("/wor" + "k/", "/home" + "/", "TO" + "DO", "FIX" + "ME", "XX" + "X"):
        assert word not in text, f"{path} holds {word!r}"


@pytest.mark.parametrize(
    "path", [path for path in TEXTS if path.match("tests/**/test_*.py")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_tests_do_not_sleep_to_hope(path: Path) -> None:
    """A test waits for what it expects, never for time to pass; a pause that is the input says so on its line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        paused = re.search(r"\b(time|asyncio|gevent)\.sleep\((?!0\))", line)
        assert not paused or "  # " in line, f"{path.name}: {line.strip()}"
