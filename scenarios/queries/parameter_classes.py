"""Which values a statement is executed with: parameter classes, chosen from the data by SQL and always the same.

A statement is matched by the names of its parameters alone, so a new server statement that speaks of
`conversation_id`, `user_id`, `before_seq`, … is measured without a word here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from reference_server.statements import Statement, read_statement

SQL_FOLDER = Path(__file__).parent / "sql"

ABSENT = "absent"
LEAVING = "leaving_classes"


@dataclass(frozen=True)
class Axis:
    """One family of parameter classes, read from the data by one SQL file.

    The file's columns are parameter_class, caller_id and parameters by name; each_NAME has one value per execution.
    """

    name: str  # the SQL file's stem
    keys: frozenset[str]  # a statement with all of these parameters is measured along this axis
    classes: dict[str, str]  # parameter class → meaning
    reads_only: bool = False
    any_of: frozenset[str] = frozenset()  # … that also has one of these, when there are any
    lone_writes: bool = False  # writes alone, and those that have no other parameter

    def fits(self, statement: Statement) -> bool:
        """True when a statement is measured along this axis, as long as the data has values for it."""
        names = {parameter.name for parameter in statement.parameters}
        if (self.reads_only and statement.writes) or (
            self.lone_writes and not (statement.writes and names == self.keys)
        ):
            return False
        return self.keys <= names and (not self.any_of or bool(self.any_of & names))


# From the most particular to the most general: the first that fits a statement is taken.
AXES = (
    Axis(
        "pair_classes",
        frozenset({"other_user_id"}),
        {
            "existing_pair": "two users with a direct conversation",
            "new_pair": "the user in the most conversations and someone not yet spoken to",
        },
    ),
    Axis(
        "group_classes",
        frozenset({"user_ids"}),
        {"small": "a group of 4", "large": "a group of 51"},
    ),
    Axis(
        "joining_classes",
        frozenset({"conversation_id", "member_id"}),
        {"large": "the group with the most members", "small": "a group with the fewest"},
    ),
    Axis(
        LEAVING,
        frozenset({"conversation_id"}),
        {"many": "the groups of a member of many, one after the other"},
        lone_writes=True,
    ),
    Axis(
        "own_message_classes",
        frozenset({"conversation_id", "seq", "sender_id"}),
        {"hot": "messages of the busiest sender in the conversation with the most"},
    ),
    Axis(
        "reading_classes",
        frozenset({"conversation_id", "seq"}),
        {"hot": "what the member who is furthest behind in a conversation has still to read there"},
    ),
    Axis(
        "message_classes",
        frozenset({"client_id"}),
        {"stored": "the newest message of the hot conversation", ABSENT: "a message that was never sent"},
        reads_only=True,  # a write wants a client_id that is new
    ),
    Axis(
        "connection_classes",
        frozenset({"connection_request_id"}),
        {
            "hot": "the connection of the older chat with the most messages",
            "median": "the connection with the median number of messages",
            ABSENT: "a connection that does not exist",
        },
    ),
    Axis(
        "page_classes",
        frozenset({"conversation_id"}),
        {
            "hot_first_page": "the newest page of the conversation with the most messages",
            "hot_deep_page": "a page nine tenths of the way back in it",
            "median_first_page": "the newest page of the median conversation",
            "light_first_page": "the newest page of the conversation with the fewest messages",
            "tie": "a page that begins among messages of one and the same time",
            ABSENT: "a conversation that does not exist",
        },
        any_of=frozenset({"before_seq", "before_created_at", "before_message_id", "page_offset"}),
    ),
    Axis(
        "resume_classes",
        frozenset({"conversation_id", "after_seq"}),
        {
            "hot_few": "the last 10 messages of the conversation with the most",
            "hot_many": "the last 1 000 messages of it",
            "median_all": "every message of the median conversation",
            ABSENT: "a conversation that does not exist",
        },
    ),
    Axis(
        "receipt_classes",
        frozenset({"conversation_id", "receipt_seq"}),
        {
            "newest": "the newest message of the conversation with the most members",
            "older": "a message a hundred before it",
        },
    ),
    Axis(
        "conversation_classes",
        frozenset({"conversation_id"}),
        {
            "hot": "the conversation with the most messages",
            "large": "the conversation with the most members",
            "median": "the conversation with the median number of messages",
            "light": "the conversation with the fewest messages",
            ABSENT: "a conversation that does not exist",
        },
    ),
    Axis(
        "inbox_classes",
        frozenset({"before_at", "before_id"}),
        {
            "heavy": "first page of the user in the most conversations",
            "heavy_deep_page": "a page in the middle of that user's list",
            "median": "first page of the user in the median number of conversations",
            "light": "first page of the user in the fewest conversations",
            ABSENT: "a user who does not exist",
        },
    ),
    Axis(
        "user_classes",
        frozenset(),
        {
            "heavy": "the user in the most conversations",
            "median": "the user in the median number of conversations",
            "light": "the user in the fewest conversations",
            ABSENT: "a user who does not exist",
        },
    ),
)


@dataclass(frozen=True)
class Case:
    """The values of one parameter class."""

    parameter_class: str
    caller_id: UUID  # whom the session acts as
    values: Mapping[str, Any]  # parameter name → value, the same for every execution
    supplies: Mapping[str, tuple[Any, ...]]  # parameter name → one value per execution


# Parameters that depend on no data, each with its source.
CONSTANTS: dict[str, Any] = {
    "page_limit": 50,  # cited: the roadmap's getMessages(conversationId, limit = 50)
    "content": "How about Thursday, same place as last time?",  # guess: a short sentence
    "name": "Laboratory",  # guess: one word
    "after_conversation_id": UUID(int=0),  # the first page
    "after_user_id": UUID(int=0),  # the first page
    "before_connection_id": UUID(int=(1 << 128) - 1),  # the same
    "before_moment": datetime(9999, 12, 31, tzinfo=UTC),  # the same
    "connection_status": "declined",  # guess: nothing waits for an answer, so the value does not matter
}

_CLIENT_IDS = UUID("6c61626f-7261-8746-b279-000000000000")

# Parameters that are made up for each execution, the same in every strategy.
_MADE: dict[str, Callable[["Unit", int], Any]] = {
    "client_id": lambda unit, execution: uuid5(_CLIENT_IDS, f"{unit.title}/{execution}"),
    "claims": lambda unit, _execution: claims(unit.case.caller_id),
}


@dataclass(frozen=True)
class Unit:
    """One statement with one parameter class: what a block executes under every strategy."""

    statement: Statement
    case: Case

    @property
    def title(self) -> str:
        """Statement and class in words, for progress and messages."""
        return f"{self.statement.name} ({self.case.parameter_class})"

    @property
    def supply(self) -> int | None:
        """How many executions find a value of their own; None for any number."""
        sizes = [len(self.case.supplies[item.name]) for item in self.statement.parameters if self._supplied(item.name)]
        return min(sizes) if sizes else None

    def arguments(self, execution: int) -> tuple[Any, ...]:
        """The values of $1, $2, … in one execution."""
        return tuple(self._value(parameter.name, execution) for parameter in self.statement.parameters)

    def _supplied(self, name: str) -> bool:
        return name in self.case.supplies

    def _value(self, name: str, execution: int) -> Any:
        if name in self.case.values:
            return self.case.values[name]
        if self._supplied(name):
            supply = self.case.supplies[name]
            return supply[execution % len(supply)]
        return _MADE[name](self, execution) if name in _MADE else CONSTANTS[name]


def claims(user_id: UUID) -> str:
    """The claims of a user's token, as the policies read them."""
    return json.dumps({"sub": str(user_id), "role": "authenticated"})


def value_text(value: object) -> str | None:
    """A value as PostgreSQL reads it from a string literal."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "{" + ",".join(_element_text(value_text(item)) for item in value) + "}"
    return str(value)


async def read_cases(connection: asyncpg.Connection) -> dict[str, list[Case]]:
    """The cases of every axis, by the axis's name, as the data has them; a class that no row fits is left out."""
    cases = {axis.name: await cases_in(connection, axis.name) for axis in AXES}
    asked = {case.values.get("conversation_id") for others in cases.values() for case in others}
    return {**cases, LEAVING: _with_values(_spared(case, asked) for case in cases[LEAVING])}


def _spared(case: Case, asked: set[Any]) -> Case:
    """The case without the conversations that others ask about: who leaves one would change what they read."""
    left = tuple(item for item in case.supplies["conversation_id"] if item not in asked)
    return replace(case, supplies={**case.supplies, "conversation_id": left})


async def cases_in(connection: asyncpg.Connection, name: str) -> list[Case]:
    """The cases that one SQL file chooses from the data."""
    rows = await connection.fetch(read_statement(SQL_FOLDER / f"{name}.sql").text)
    return _with_values(_case(row) for row in rows)


def _with_values(cases: Iterable[Case]) -> list[Case]:
    """Those that have a value for an execution of each parameter that they supply."""
    return [case for case in cases if all(case.supplies.values())]


def axis_of(statement: Statement) -> Axis:
    """The axis that a statement is measured along, as long as the data has values for it."""
    return next(axis for axis in AXES if axis.fits(statement))


def units_of(statement: Statement, cases: Mapping[str, Sequence[Case]]) -> list[Unit]:
    """What to execute for a statement; empty when the laboratory has no values for one of its parameters."""
    names = {parameter.name for parameter in statement.parameters}
    for axis in AXES:
        if not axis.fits(statement):
            continue
        fitting = [case for case in cases[axis.name] if not names - _known(case)]
        # Lone writes have an axis of their own so that they change nothing that others read: no other will do.
        if fitting or axis.lone_writes:
            # A write that has nothing to write to is an error, not a measurement.
            return [
                Unit(statement, case) for case in fitting if not (statement.writes and case.parameter_class == ABSENT)
            ]
    return []


def knows(case: Case, statement: Statement) -> bool:
    """True when the case, or what is known in every case, has a value for each of a statement's parameters."""
    return {parameter.name for parameter in statement.parameters} <= _known(case)


def unknown_parameters(statement: Statement, cases: Mapping[str, Sequence[Case]]) -> list[str]:
    """The parameters that no axis and no constant provides; for the warning about a statement without units."""
    known = set().union(*(_known(case) for axis_cases in cases.values() for case in axis_cases), CONSTANTS, _MADE)
    return [parameter.name for parameter in statement.parameters if parameter.name not in known]


def _known(case: Case) -> set[str]:
    return {*case.values, *case.supplies, *CONSTANTS, *_MADE}


def _case(row: Mapping[str, Any]) -> Case:
    columns = {name: value for name, value in row.items() if value is not None}
    parameter_class = columns.pop("parameter_class")
    return Case(
        parameter_class=parameter_class,
        caller_id=columns.pop("caller_id"),
        values={name: value for name, value in columns.items() if not name.startswith("each_")},
        supplies={
            name.removeprefix("each_"): tuple(value) for name, value in columns.items() if name.startswith("each_")
        },
    )


def _element_text(text: str | None) -> str:
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
