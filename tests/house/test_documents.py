"""The documents name everything that there is: verbs, options, scenarios, strategies, folders, metrics."""

import re
from pathlib import Path

import pytest
import typer

from chatbench import app
from reference_server.statements import shipped_strategies
from scenarios.catalogue import SCENARIOS
from scenarios.run_records import ServerSecond

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
VERBS = sorted(typer.main.get_group(app).commands)


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_names_every_verb(verb: str) -> None:
    """A verb has its line in the table of verbs."""
    assert re.search(rf"^\| `chatbench {verb}\b", README, re.MULTILINE)


def test_the_readme_names_no_verb_that_is_not_there() -> None:
    """What the table promises, the command line has."""
    assert set(re.findall(r"^\| `chatbench (\w+)", README, re.MULTILINE)) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_does(verb: str) -> None:
    """--help is never blank."""
    for parameter in typer.main.get_group(app).commands[verb].params:
        assert getattr(parameter, "help", None), f"{verb} {parameter.name}"


@pytest.mark.parametrize("name", [*SCENARIOS, "queries"])
def test_the_readme_names_every_scenario(name: str) -> None:
    """A scenario has its line in the table of scenarios."""
    assert re.search(rf"^\| `{name}` \|", README, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(shipped_strategies()))
def test_every_strategy_says_what_it_is_for(name: str) -> None:
    """An index strategy has a purpose and names the statements it is meant for."""
    strategy = shipped_strategies()[name]
    assert strategy.purpose.endswith(".")
    assert strategy.statements


def test_links_lead_somewhere() -> None:
    """Every relative link of the documents exists."""
    for document in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_table_of_capabilities_is_true() -> None:
    """Every file that it names is there, and every line names a test."""
    section = README.split("## What the reference server can do")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| roadmap item")]
    assert len(lines) > 10
    for line in lines:
        _, lives, shown = line.strip("| ").split(" | ")
        assert "`tests/" in shown, line
        for name in re.findall(r"`((?:reference_server|fixtures|tests)/[^`]+)`", f"{lives} {shown}"):
            assert (ROOT / name).exists(), name


def test_the_folder_map_is_true() -> None:
    """Every file and folder in ARCHITECTURE.md's map is there, and every stage is in it."""
    table = ARCHITECTURE.split("## Folders")[1].split("\n## ")[0]
    folders = re.findall(r"^\| `([^`]+)` \|.*\| (?:`([^`]+)`)? *\|$", table, re.MULTILINE)
    assert {"fixtures/", "reference_server/", "scenarios/", "reports/", "tests/"} <= {name for name, _ in folders}
    for name, start in folders:
        if name != "out/":
            assert (ROOT / name / start).exists(), f"{name}{start}"


@pytest.mark.parametrize("name", ServerSecond.__struct_fields__)
def test_every_observed_quantity_is_documented(name: str) -> None:
    """With its unit, in the table of docs/capacity.md."""
    table = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8").split("## What is observed")[1]
    assert re.search(rf"^\|[^|]*`{name}`[^|]*\| [^|]+ \| [^|]+ \|$", table, re.MULTILINE)
