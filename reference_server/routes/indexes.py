"""Operators' routes: which index strategies the database has, and laying them over it while the chat goes on."""

from typing import Annotated, Literal

import msgspec
from litestar import delete, get, put
from msgspec import Meta

from reference_server.errors import NotFoundError
from reference_server.index_builds import IndexState, index_commands
from reference_server.index_desk import IndexWork
from reference_server.routes.common import BAD, NO_DATABASE, NO_KEY, OPERATOR_SECURITY, errors
from reference_server.services import Services
from reference_server.statements import Strategy, shipped_strategies

_READS = errors(s401=NO_KEY, s503=NO_DATABASE)
_CHANGES = errors(
    s400=BAD,
    s401=NO_KEY,
    s404="There is no such strategy.",
    s409="Other index work is under way.",
    s503=NO_DATABASE,
)


class ListedIndex(msgspec.Struct, frozen=True):
    """One index of a strategy."""

    name: str
    state: Annotated[
        Literal["missing", "valid", "invalid", "building"],
        Meta(description="`invalid`: left by an interrupted build or drop; the next PUT or DELETE clears it up."),
    ]
    bytes: int | None
    definition: Annotated[str, Meta(description="As it is in the database, or the command that builds it.")]


class ListedStrategy(msgspec.Struct, frozen=True):
    """One strategy and how much of it is there."""

    name: str
    purpose: str
    is_applied: bool
    indexes: list[ListedIndex]


class ListedProgress(msgspec.Struct, frozen=True):
    """How far PostgreSQL is with one build."""

    index: str | None
    phase: str
    lockers_done: int
    lockers_total: int
    blocks_done: int
    blocks_total: int
    tuples_done: int
    tuples_total: int


class IndexReport(msgspec.Struct, frozen=True):
    """Strategies, this server's work on them, and the builds under way, whoever ordered them."""

    strategies: list[ListedStrategy]
    work: IndexWork | None
    progress: list[ListedProgress]


@get(
    "/operator/indexes",
    tags=["operations"],
    security=OPERATOR_SECURITY,
    responses=_READS,
)
async def list_indexes(services: Services) -> IndexReport:
    """Every strategy, with what is there of it and how far its building is."""
    builds = services.indexes.builds
    commands = {name: index_commands(strategy) for name, strategy in shipped_strategies().items()}
    states = await builds.states(sorted({index for each in commands.values() for index in each}))
    strategies = []
    for name, strategy in shipped_strategies().items():
        indexes = [_listed(index, command, states.get(index)) for index, command in commands[name].items()]
        is_applied = all(index.state == "valid" for index in indexes)
        strategies.append(ListedStrategy(name, strategy.purpose, is_applied, indexes))
    progress = [ListedProgress(**vars(each)) for each in await builds.progress()]
    return IndexReport(strategies, services.indexes.work, progress)


@put(
    "/operator/indexes/{strategy:str}",
    tags=["operations"],
    status_code=202,
    security=OPERATOR_SECURITY,
    responses=_CHANGES,
)
async def apply_strategy(services: Services, strategy: str) -> IndexWork:
    """Begins to build what is missing of a strategy, CONCURRENTLY. Follow it by GET; asked twice, it is done once."""
    return await services.indexes.begin("apply", _shipped(strategy))


@delete(
    "/operator/indexes/{strategy:str}",
    tags=["operations"],
    status_code=202,
    security=OPERATOR_SECURITY,
    responses=_CHANGES,
)
async def drop_strategy(services: Services, strategy: str) -> IndexWork:
    """Begins to drop a strategy's indexes, CONCURRENTLY, and cancels their building. Follow it by GET."""
    return await services.indexes.begin("drop", _shipped(strategy))


HANDLERS = (list_indexes, apply_strategy, drop_strategy)


def _shipped(name: str) -> Strategy:
    strategy = shipped_strategies().get(name)
    if strategy is None:
        raise NotFoundError(f"there is no index strategy {name!r}; choose one of {', '.join(shipped_strategies())}")
    return strategy


def _listed(name: str, command: str, state: IndexState | None) -> ListedIndex:
    if state is None:
        return ListedIndex(name, "missing", None, command)
    told: Literal["valid", "building", "invalid"] = (
        "valid" if state.is_valid else "building" if state.is_being_built else "invalid"
    )
    return ListedIndex(name, told, state.bytes, state.definition)
