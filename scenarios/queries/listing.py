"""What the laboratory can compare: strategies, statements and parameter classes, each with its meaning."""

from reference_server.statements import shipped_strategies
from scenarios.queries.laboratory import measured_statements
from scenarios.queries.parameter_classes import AXES


def listing() -> dict[str, dict[str, str]]:
    """Name → purpose, under `strategies`, `statements` and `parameter classes`."""
    return {
        "strategies": {strategy.name: strategy.purpose for strategy in shipped_strategies().values()},
        "statements": {statement.name: statement.purpose for statement in measured_statements().values()},
        "parameter classes": {
            f"{axis.name.removesuffix('_classes')}: {name}": meaning
            for axis in AXES
            for name, meaning in axis.classes.items()
        },
    }
