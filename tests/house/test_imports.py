"""Imports point upstream only, and across stages only at the modules that ARCHITECTURE.md names."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
UPSTREAM_FIRST = ["fixtures", "reference_server", "scenarios", "reports"]
MODULES = sorted(path for stage in UPSTREAM_FIRST for path in (ROOT / stage).rglob("*.py"))
# Importing locust patches the process: only load files and what only they import may do it.
PATCHING_FOLDERS = ("scenarios/load", "scenarios/client")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, functions' own imports included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                name if (ROOT / (name.replace(".", "/") + ".py")).exists() else node.module
                for name in (f"{node.module}.{alias.name}" for alias in node.names)
            }
    return found


def named_in_architecture(heading: str) -> set[str]:
    """The modules in the table below a heading of ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split(f"### {heading}\n")[1].split("\n#")[0]
    return set(re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE))


def test_the_scan_sees_the_stages() -> None:
    """The scan below reads every stage; an empty scan would pass whatever the code does."""
    assert {module_name(path).split(".")[0] for path in MODULES} == set(UPSTREAM_FIRST)
    assert "fixtures.errors" in imports_of(ROOT / "fixtures" / "postgres.py")


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_upstream_at_named_modules(path: Path) -> None:
    """A stage imports earlier stages only, and only their contracts and services."""
    stage = module_name(path).split(".")[0]
    doors = named_in_architecture("Contracts") | named_in_architecture("Services")
    for imported in imports_of(path):
        other = imported.split(".")[0]
        if other == stage or other not in UPSTREAM_FIRST:
            assert other not in {"chatbench", "front_door"}, f"{module_name(path)} imports the front door"
            continue
        assert UPSTREAM_FIRST.index(other) < UPSTREAM_FIRST.index(stage), f"{module_name(path)} imports {imported}"
        if imported == other:
            continue  # the package itself, for where it lies
        assert imported in doors, f"{module_name(path)} imports {imported}, which ARCHITECTURE.md does not name"


@pytest.mark.parametrize("name", sorted(named_in_architecture("Contracts")))
def test_contracts_need_only_msgspec(name: str) -> None:
    """A contract imports the standard library, msgspec and other contracts, so that anyone can read one."""
    path = ROOT / (name.replace(".", "/") + ".py")
    allowed = {"msgspec", *sys.stdlib_module_names}
    for imported in imports_of(path):
        assert imported.split(".")[0] in allowed or imported in named_in_architecture("Contracts"), imported


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_the_load_side_patches_the_process(path: Path) -> None:
    """Locust and gevent stay below scenarios/load and scenarios/client, and nobody else imports those."""
    place = str(path.relative_to(ROOT))
    if place.startswith(PATCHING_FOLDERS):
        return
    for imported in imports_of(path):
        assert imported.split(".")[0] not in ("locust", "gevent"), f"{place} imports {imported}"
        assert not imported.startswith(("scenarios.load.", "scenarios.client.")), f"{place} imports {imported}"
