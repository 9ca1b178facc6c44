"""Sessions of pytest that tests start: they must not take themselves for workers of the one that runs."""

import os


def environment_of_its_own() -> dict[str, str]:
    """The environment without what pytest says in it: a worker of a distributed session measures no benchmark."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
