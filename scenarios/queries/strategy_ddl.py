"""Laying a strategy's indexes over a database: checked before, applied outside transactions, looked at after."""

import time
from dataclasses import dataclass

import asyncpg

from fixtures.errors import InputError
from reference_server.statements import NOTHING, Strategy, read_statement, shortened
from scenarios.queries.parameter_classes import SQL_FOLDER

Design = dict[tuple[str, str], asyncpg.Record]  # (kind, name) → what physical_design.sql says of it


@dataclass(frozen=True)
class AppliedStrategy:
    """What a strategy's commands made."""

    ddl: tuple[str, ...]
    build_seconds: float
    index_bytes: dict[str, int]  # every index of the chat's tables by name, keys included
    new_indexes: tuple[str, ...]
    needs_statistics: bool  # it computes index columns or sets statistics targets: the template's do not do


async def apply(connection: asyncpg.Connection, strategy: Strategy) -> AppliedStrategy:
    """Runs the commands one by one, as CONCURRENTLY needs; InputError when one fails or all change nothing."""
    before = await _physical_design(connection)
    started = time.perf_counter()
    for command in strategy.commands:
        try:
            await connection.execute(command)
        except asyncpg.PostgresError as error:
            raise InputError(
                f"index strategy {strategy.name!r} fails at {shortened(command)!r}: {' '.join(str(error).split())}; "
                "correct its file"
            ) from error
    build_seconds = time.perf_counter() - started
    after = await _physical_design(connection)
    _check_made(strategy, before, after)
    indexes = {name: row for (kind, name), row in after.items() if kind == "index"}
    new = tuple(name for name in indexes if ("index", name) not in before)
    return AppliedStrategy(
        ddl=strategy.commands,
        build_seconds=build_seconds,
        index_bytes={name: row["bytes"] for name, row in indexes.items()},
        new_indexes=new,
        needs_statistics=any(indexes[name]["computed"] for name in new)
        or any(command[:5].upper() == "ALTER" for command in strategy.commands),
    )


def _check_made(strategy: Strategy, before: Design, after: Design) -> None:
    definitions = [{key: row["definition"] for key, row in design.items()} for design in (before, after)]
    if definitions[0] == definitions[1] and strategy.name != NOTHING:
        raise InputError(
            f"index strategy {strategy.name!r} creates nothing: what it names is there already; "
            "leave it out or give it an index of its own"
        )
    invalid = [name for (_, name), row in after.items() if not row["valid"]]
    if invalid:
        raise InputError(
            f"index strategy {strategy.name!r} leaves the invalid index {', '.join(invalid)}; correct its file"
        )
    _check_no_duplicate(strategy, before, after)


def _check_no_duplicate(strategy: Strategy, before: Design, after: Design) -> None:
    """InputError for an index that another one, older or of the strategy's own, makes useless: both cost writes."""
    owners = {row["shape"]: name for (kind, name), row in before.items() if kind == "index"}
    for (kind, name), row in after.items():
        if kind != "index" or (kind, name) in before:
            continue
        owner = owners.setdefault(row["shape"], name)
        if owner != name:
            raise InputError(
                f"index strategy {strategy.name!r} creates {name}, which is {owner} again; leave out one of the two"
            )


async def _physical_design(connection: asyncpg.Connection) -> Design:
    query = read_statement(SQL_FOLDER / "physical_design.sql")
    return {(row["kind"], row["name"]): row for row in await connection.fetch(query.text)}
