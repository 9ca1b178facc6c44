"""Tests of scenarios/queries/parameter_classes.py."""

import asyncio
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

import asyncpg
import pytest

from reference_server.statements import Parameter, Statement
from scenarios.queries.parameter_classes import (
    ABSENT,
    AXES,
    Case,
    Unit,
    read_cases,
    units_of,
    unknown_parameters,
    value_text,
)
from scenarios.queries.request import measured_statements
from scenarios.queries.variants import shipped_variants


def statement(*names: str, text: str = "SELECT 1") -> Statement:
    parameters = tuple(Parameter(name, "text") for name in names)
    return Statement(name="mine", purpose="A test's.", parameters=parameters, text=text)


def cases_of(url: str) -> dict[str, list[Case]]:
    async def read() -> dict[str, list[Case]]:
        connection = await asyncpg.connect(url)
        try:
            return await read_cases(connection)
        finally:
            await connection.close()

    return asyncio.run(read())


def test_the_data_gives_every_class(tiny_url: str) -> None:
    """Each axis finds exactly the classes that it lists, and the same values every time."""
    cases = cases_of(tiny_url)
    for axis in AXES:
        assert {case.parameter_class for case in cases[axis.name]} == set(axis.classes), axis.name
    assert cases_of(tiny_url) == cases


def test_every_server_statement_is_measured(tiny_url: str) -> None:
    """No statement of the server and no variant is without values."""
    cases = cases_of(tiny_url)
    for variant in (measured_statements() | shipped_variants()).values():
        item = variant.statement
        units = units_of(item, cases)
        assert units, item.name
        for unit in units:
            assert len(unit.arguments(0)) == len(item.parameters)


def test_classes_are_what_they_say(tiny_url: str) -> None:
    """The hot conversation has the most messages, the heavy user the most conversations."""
    cases = cases_of(tiny_url)
    hot = next(case for case in cases["page_classes"] if case.parameter_class == "hot_first_page")
    heavy = next(case for case in cases["user_classes"] if case.parameter_class == "heavy")

    async def most() -> tuple[int, UUID]:
        connection = await asyncpg.connect(tiny_url)
        try:
            busiest = await connection.fetchval("SELECT max(last_seq) FROM conversations")
            user = await connection.fetchval(
                "SELECT user_id FROM conversation_participants WHERE left_at IS NULL "
                "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
            )
            return busiest, user
        finally:
            await connection.close()

    assert (hot.values["before_seq"] - 1, heavy.values["user_id"]) == asyncio.run(most())


def test_leaving_changes_no_other_class(tiny_url: str) -> None:
    """Nobody else asks about a group that is left, nor for the lists of whoever leaves it."""
    cases = cases_of(tiny_url)
    (leaving,) = cases["leaving_classes"]
    others = [case for name, group in cases.items() if name != "leaving_classes" for case in group]
    groups = set(leaving.supplies["conversation_id"])
    assert len(groups) >= 2 * 2  # two executions in each of two blocks; larger data sets have more
    assert not groups & {case.values.get("conversation_id") for case in others}
    assert leaving.caller_id not in {case.values.get("user_id") for case in others}


def test_where_no_group_can_be_left_none_is(tiny_url: str) -> None:
    """Owners stay; in the groups that are left others ask: no case without values, and no leaving of what they read."""
    groups = [case.values.get("conversation_id") for case in chain(*cases_of(tiny_url).values())]

    async def own_the_others() -> None:
        connection = await asyncpg.connect(tiny_url)
        try:
            await connection.execute(
                "UPDATE conversation_participants SET role = 'owner' "
                "WHERE conversation_type = 'group' AND conversation_id <> ALL ($1::uuid[])",
                [group for group in groups if group is not None],
            )
        finally:
            await connection.close()

    asyncio.run(own_the_others())
    cases = cases_of(tiny_url)
    assert cases["leaving_classes"] == []
    assert units_of(measured_statements()["leave_group"].statement, cases) == []


CASE = Case("hot", UUID(int=7), {"conversation_id": UUID(int=1), "sender_id": UUID(int=7)}, {})
SUPPLIED = Case("new_pair", UUID(int=7), {}, {"other_user_id": (UUID(int=1), UUID(int=2))})


def test_a_new_statement_needs_no_registration() -> None:
    """Known parameter names are enough, in any order and combination."""
    cases: dict[str, list[Case]] = {axis.name: [] for axis in AXES} | {"conversation_classes": [CASE]}
    (unit,) = units_of(statement("page_limit", "conversation_id"), cases)
    assert unit.arguments(0) == (50, UUID(int=1))


def test_a_statement_without_values_is_named() -> None:
    """A parameter that nothing provides leaves no unit and is told by name."""
    cases: dict[str, list[Case]] = {axis.name: [] for axis in AXES} | {"conversation_classes": [CASE]}
    mine = statement("conversation_id", "shoe_size")
    assert units_of(mine, cases) == []
    assert unknown_parameters(mine, cases) == ["shoe_size"]


def test_writes_skip_what_is_absent() -> None:
    """A write to a conversation that does not exist is an error and no measurement."""
    absent = Case(ABSENT, UUID(int=7), CASE.values, {})
    cases: dict[str, list[Case]] = {axis.name: [] for axis in AXES} | {"conversation_classes": [CASE, absent]}
    write = statement("conversation_id", "content", text="UPDATE t SET x = 1")
    assert [unit.case.parameter_class for unit in units_of(write, cases)] == ["hot"]


def test_every_execution_sends_another_message() -> None:
    """A client_id is new in every execution and class, and the same whenever that execution is repeated."""
    send = statement("conversation_id", "client_id", text="INSERT INTO t VALUES (1)")
    ids = [Unit(send, CASE).arguments(execution)[1] for execution in range(100)]
    assert len(set(ids)) == 100
    assert ids == [Unit(send, CASE).arguments(execution)[1] for execution in range(100)]


def test_supplies_give_one_value_each() -> None:
    """Values that can be used once are dealt out by execution and counted."""
    unit = Unit(statement("other_user_id"), SUPPLIED)
    assert [unit.arguments(execution)[0].int for execution in range(3)] == [1, 2, 1]
    assert unit.supply == 2


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (None, "text"),
        (True, "boolean"),
        (False, "boolean"),
        (50, "integer"),
        ('it\'s "quoted" \\ and {braced}', "text"),
        (UUID(int=5), "uuid"),
        (datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC), "timestamptz"),
        ([UUID(int=5), UUID(int=6)], "uuid[]"),
        (['a "b" \\ c', "NULL", "", None, "{,}"], "text[]"),
        ([], "integer[]"),
    ],
)
def test_value_texts_are_read_back(empty_url: str, value: object, type_name: str) -> None:
    """PostgreSQL reads from the text what was written into it."""

    async def read_back() -> object:
        connection = await asyncpg.connect(empty_url)
        try:
            return await connection.fetchval(f"SELECT $1::text::{type_name}", value_text(value))
        finally:
            await connection.close()

    assert asyncio.run(read_back()) == value
