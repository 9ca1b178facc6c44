"""What the laboratory is asked for, and whether it makes sense."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fixtures.errors import InputError
from fixtures.sizes import find_size
from reference_server.statements import Strategy
from scenarios.queries.variants import Variant, questions, read_variant, server_variants, shipped_variants

# Statements that are left out, and why.
UNMEASURED_STATEMENTS = {
    "set_claims": "prepares a session and reads no chat data",
    # Each execution needs a state that the one before has used up.
    "remove_participant": "can be done once per participant, and writes what leave_group does",
    "set_role": "can be done once per participant, and writes what leave_group does",
    "update_group": "writes one row by its key, as a send does",
    # On connections of their own and with other rights than a user's.
    **dict.fromkeys(
        (
            "backfill_connection",
            "change_migration",
            "finish_backfill",
            "get_migration",
            "list_unmigrated_connections",
            "pass_over_connection",
            "set_migration_pace",
            "set_rollout",
            "validate_users",
            "verify_migration",
        ),
        "asked by operators and by the migration's background work",
    ),
}


@dataclass(frozen=True, kw_only=True)
class LaboratoryOptions:
    """What to compare and how; recorded with the run."""

    strategies: tuple[str, ...] = ("none", "roadmap")  # names or .sql files; the first is the baseline
    statements: tuple[str, ...] | None = None  # names; None for every statement of the server
    questions: tuple[str, ...] = ()  # whose shipped variants are measured beside them
    statement_files: tuple[str, ...] = ()  # statements of one's own
    size: str = "small"
    seed: int = 1
    blocks: int = 6  # five give at best a 93.75 % interval of the median, by signs; six give 96.9 %
    executions: int = 40  # per statement, parameter class, strategy and block; slow ones get fewer
    statement_timeout_seconds: float = 10.0
    studies: bool = False  # walks, growth, plan modes and causes beside the blocks
    sizes: tuple[str, ...] = ()  # data sets over which the statements' growth is followed, by counters alone
    policies: bool = False  # forms of row-level security against each other, after the blocks


def measured_statements() -> dict[str, Variant]:
    """The server's statements that the laboratory compares, by name."""
    return {name: item for name, item in server_variants().items() if name not in UNMEASURED_STATEMENTS}


def available_statements() -> dict[str, Variant]:
    """What can be asked for by name: the server's statements that are compared, and every shipped variant."""
    return measured_statements() | shipped_variants()


def check_request(strategies: Sequence[Strategy], options: LaboratoryOptions) -> list[Variant]:
    """The statements to measure; InputError when the request makes no sense, before anything is made."""
    names = [strategy.name for strategy in strategies]
    if not names:
        raise InputError("no index strategy to compare; name at least one, such as none")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"index strategy {repeated[0]!r} is named twice; give each strategy once")
    if options.blocks < 1 or options.executions < 1:
        raise InputError(
            f"{options.blocks} blocks of {options.executions} executions measure nothing; ask for at least 1 of each"
        )
    if options.statement_timeout_seconds <= 0:
        raise InputError(f"a statement timeout of {options.statement_timeout_seconds:g} s ends every statement")
    for size in options.sizes:
        find_size(size)
    return _asked_statements(options)


def _asked_statements(options: LaboratoryOptions) -> list[Variant]:
    server = measured_statements()
    available = available_statements()
    asked = [*server] if options.statements is None else [*options.statements]
    unknown = [name for name in asked if name not in available]
    if unknown or not (asked or options.questions or options.statement_files):
        raise InputError(f"no statement named {(unknown or [''])[0]!r}; choose from {', '.join(available)}")
    for question in options.questions:
        if question not in questions():
            raise InputError(f"no question named {question!r}; choose from {', '.join(questions())}")
        asked += questions()[question]
    chosen = {name: available[name] for name in asked}
    for path in options.statement_files:
        own = read_variant(Path(path))
        if own.name in available or own.name in chosen:
            raise InputError(f"statement {own.name!r} of {path} is there already; give the file another name")
        chosen[own.name] = own
    return list(chosen.values())
