"""Benchmarks run when asked for: `pytest --benchmark-only`. A plain `pytest` runs the tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Skips benchmarks unless --benchmark-only; as an option in pyproject.toml, the two would contradict."""
    if not config.getoption("benchmark_only"):
        config.option.benchmark_skip = True


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the switch for longer profiles."""
    parser.addoption("--long", action="store_true", help="also run the longer profiles")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the longer profiles unless they are asked for."""
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="a longer profile: add --long"))
