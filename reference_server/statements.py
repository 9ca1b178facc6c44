"""Contract: named SQL statements and index strategies, one file each.

The server executes these very files, the query laboratory compares them, and a reader can run them in psql.
A file opens with comment lines `-- key: value`:

    -- purpose: one sentence
    -- parameters: conversation_id uuid, page_limit integer     (statements; in the order of $1, $2, …)
    -- writes: yes, in the function                             (statements whose text does not show that they write)
    -- question: inbox                                          (statements whose answer others give as well)
    -- statements: list_conversations, list_members             (strategies: what the indexes are meant for)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fixtures.errors import InputError

SQL_FOLDER = Path(__file__).parent / "sql"
QUERIES_FOLDER = SQL_FOLDER / "queries"
STRATEGIES_FOLDER = SQL_FOLDER / "indexes"
LIVE_STATE_FOLDER = SQL_FOLDER / "live_state"
PAGING_FOLDER = SQL_FOLDER / "paging"
OPERATIONS_FOLDER = SQL_FOLDER / "operations"

_HEADER_LINE = re.compile(r"--\s*(?P<key>[a-z]+):\s*(?P<value>.*\S)\s*$")


# What a strategy is made of. Everything else could change rows, and then the strategies would not answer alike.
_NAME = r'[\w."]+'
_STRATEGY_COMMAND = re.compile(
    rf"""CREATE\s+(UNIQUE\s+)?INDEX\s
       | DROP\s+INDEX\s
       | ALTER\s+INDEX\s+(IF\s+EXISTS\s+)?{_NAME}\s+(SET|RESET)\s*\(
       | ALTER\s+INDEX\s+(IF\s+EXISTS\s+)?{_NAME}\s+ALTER\s+(COLUMN\s+)?\d+\s+SET\s+STATISTICS\s
       | ALTER\s+TABLE\s+(ONLY\s+)?{_NAME}\s+(SET|RESET)\s*\(
       | ALTER\s+TABLE\s+(ONLY\s+)?{_NAME}\s+ALTER\s+(COLUMN\s+)?{_NAME}\s+
            (SET\s+STATISTICS\s|SET\s+STORAGE\s|SET\s+COMPRESSION\s|(SET|RESET)\s*\()
    """,
    re.IGNORECASE | re.VERBOSE,
)
# `ALTER TABLE a SET (…), DROP COLUMN b`: only the first action has been looked at.
_SECOND_ACTION = re.compile(r",\s*(ADD|ALTER|DROP|DISABLE|ENABLE|RENAME|ATTACH|DETACH|OWNER)\b", re.IGNORECASE)


# The strategy that is allowed to change nothing, because that is what it stands for.
NOTHING = "none"

# What may stand between commands and in them: strings keep their semicolons, comments lose everything.
_PIECE = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/|;|[^'"\-/;]+|.""", re.DOTALL)


@dataclass(frozen=True)
class Parameter:
    """One `$n` of a statement."""

    name: str
    type: str  # a PostgreSQL type name


@dataclass(frozen=True)
class Statement:
    """One named query."""

    name: str  # the file's stem
    purpose: str
    parameters: tuple[Parameter, ...]
    text: str  # without the header
    writes_in_function: bool = False  # the header says `writes`: a function that it calls changes rows
    header: Mapping[str, str] = field(default_factory=dict, compare=False)  # every line of it, by key

    @property
    def writes(self) -> bool:
        """True when the statement changes rows."""
        spoken = re.search(r"\b(INSERT|UPDATE|DELETE|MERGE)\b", self.text, re.IGNORECASE)
        return self.writes_in_function or spoken is not None


@dataclass(frozen=True)
class Strategy:
    """One set of indexes to lay over the schema."""

    name: str  # the file's stem
    purpose: str
    statements: tuple[str, ...]  # names of the statements it is meant for; "*" for all
    commands: tuple[str, ...]  # DDL, one command each: CONCURRENTLY must not share a transaction


def read_statement(path: Path) -> Statement:
    """The statement in a file; InputError when the file is missing or its header is not complete."""
    header, text = _split_header(path)
    if "purpose" not in header:
        raise InputError(f"{path} has no purpose; open it with a line `-- purpose: …`")
    if not text:
        raise InputError(f"{path} holds no statement; write one below its header")
    parameters = tuple(
        Parameter(*part.split(maxsplit=1))
        for part in header.get("parameters", "").split(",")
        if len(part.split(maxsplit=1)) == 2
    )
    used = {int(number) for number in re.findall(r"\$(\d+)", text)}
    if used != set(range(1, len(parameters) + 1)):
        raise InputError(
            f"{path} uses parameters {sorted(used)} and its header names {len(parameters)}; "
            "name each in the line `-- parameters: name type, …`"
        )
    return Statement(
        name=path.stem,
        purpose=header["purpose"],
        parameters=parameters,
        text=text,
        writes_in_function="writes" in header,
        header=header,
    )


def read_strategy(path: Path) -> Strategy:
    """The strategy in a file, unchecked; InputError when the file cannot be read."""
    header, text = _split_header(path)
    return Strategy(
        name=path.stem,
        purpose=header.get("purpose", "Not said."),
        statements=tuple(name.strip() for name in header.get("statements", "*").split(",")),
        commands=_commands(text),
    )


def _commands(text: str) -> tuple[str, ...]:
    """The commands of a script, without comments."""
    commands = [""]
    for piece in _PIECE.findall(text):
        if piece == ";":
            commands.append("")
        elif not piece.startswith(("--", "/*")):
            commands[-1] += piece
    return tuple(command.strip() for command in commands if command.strip())


@cache
def server_statements() -> dict[str, Statement]:
    """The statements that serve users, backfill and migration, by name: those that the laboratory compares."""
    return {path.stem: read_statement(path) for path in sorted(QUERIES_FOLDER.glob("*.sql"))}


@cache
def paging_statements() -> dict[str, Statement]:
    """Other ways to page through messages, which a setting chooses, by name; the laboratory has variants of its own."""
    return {path.stem: read_statement(path) for path in sorted(PAGING_FOLDER.glob("*.sql"))}


@cache
def live_state_statements() -> dict[str, Statement]:
    """The statements that keep typing and presence in tables, by name; no index strategy is meant for them."""
    return {path.stem: read_statement(path) for path in sorted(LIVE_STATE_FOLDER.glob("*.sql"))}


@cache
def operation_statements() -> dict[str, Statement]:
    """The statements that look after the database, such as `replica_position`, by name; no user's, so not compared."""
    return {path.stem: read_statement(path) for path in sorted(OPERATIONS_FOLDER.glob("*.sql"))}


@cache
def shipped_strategies() -> dict[str, Strategy]:
    """Every strategy that chatbench ships, by name."""
    return {path.stem: read_strategy(path) for path in sorted(STRATEGIES_FOLDER.glob("*.sql"))}


def find_strategy(name_or_path: str) -> Strategy:
    """A shipped strategy by name, or one's own by the path of its .sql file; InputError for neither or a bad one."""
    strategy = named_strategy(name_or_path)
    check_strategy(strategy)
    return strategy


def named_strategy(name_or_path: str) -> Strategy:
    """The same as it was written, unchecked, for who can leave a bad one out; InputError when there is none."""
    shipped = shipped_strategies()
    if name_or_path in shipped:
        return shipped[name_or_path]
    if name_or_path.endswith(".sql"):
        return read_strategy(Path(name_or_path))
    raise InputError(
        f"no index strategy named {name_or_path!r}; choose one of {', '.join(shipped)} or name a .sql file"
    )


def check_strategy(strategy: Strategy) -> None:
    """InputError when a strategy has nothing to try or a command that is no index or storage DDL."""
    if not strategy.commands and strategy.name != NOTHING:
        raise InputError(
            f"index strategy {strategy.name!r} holds no command; write CREATE INDEX commands below its header"
        )
    for command in strategy.commands:
        if not _STRATEGY_COMMAND.match(command) or (command[:5].upper() == "ALTER" and _SECOND_ACTION.search(command)):
            raise InputError(
                f"index strategy {strategy.name!r} may not run {shortened(command)!r}; a strategy is made of "
                "CREATE INDEX, DROP INDEX and ALTER … SET of statistics or storage, one action each"
            )


def shortened(command: str) -> str:
    """A command as a message quotes it."""
    words = " ".join(command.split())
    return words if len(words) <= 100 else f"{words[:99]}…"


def script(name: str) -> str:
    """The text of a schema file such as `schema.sql`."""
    return (SQL_FOLDER / name).read_text(encoding="utf-8")


def _split_header(path: Path) -> tuple[dict[str, str], str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the SQL file {path}: {error}") from error
    header: dict[str, str] = {}
    body_start = 0
    for body_start, line in enumerate(lines):  # noqa: B007 - the position is the result
        match = _HEADER_LINE.match(line)
        if not match:
            break
        header[match["key"]] = match["value"]
    else:
        body_start = len(lines)
    return header, "\n".join(lines[body_start:]).strip()
