"""What `pytest scenarios/queries --benchmark-only` may be asked for."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the comparison's options, which mean what they mean to `chatbench indexes`."""
    group = parser.getgroup("query laboratory")
    group.addoption("--strategies", default="none,roadmap", help="names or .sql files; the first is the baseline")
    group.addoption("--size", default="small", help="data set: tiny, small, medium or large")
    group.addoption("--blocks", type=int, default=8, help="interleaved blocks")
    group.addoption("--executions", type=int, default=100, help="at most, of a statement per class, strategy and block")
    group.addoption("--database-url", default=None, help="a PostgreSQL of yours, as its administrator [embedded]")
    group.addoption("--out", default="out", help="folder of the embedded PostgreSQL's data")
