"""What the laboratory can compare: strategies, statements and parameter classes, each with its meaning."""

from reference_server.statements import shipped_strategies
from scenarios.queries.parameter_classes import AXES
from scenarios.queries.request import measured_statements
from scenarios.queries.variants import questions


def listing() -> dict[str, dict[str, str]]:
    """Name → purpose, under `strategies`, `statements`, `variants` and `parameter classes`."""
    return {
        "strategies": {strategy.name: strategy.purpose for strategy in shipped_strategies().values()},
        "statements": {item.name: item.statement.purpose for item in measured_statements().values()},
        "variants": {
            f"{name}: {item.name}": item.statement.purpose
            for name, answers in questions().items()
            for item in answers.values()
        },
        "parameter classes": {
            f"{axis.name.removesuffix('_classes')}: {name}": meaning
            for axis in AXES
            for name, meaning in axis.classes.items()
        },
    }
