"""Several statements for one question, and the plain truth that all of them have to give.

A question is a folder in variants/; a statement says in its header which one it answers:

    -- question: message_page            the folder
    -- truth: truth_by_seq               the file there that says what is right; else `truth`, if it is there
    -- setup: inbox_setup.sql            beside the statement: what it needs beyond the server's schema, made on copies
    -- next: before_seq = seq            how the next page is asked for: parameter = column of the last row, or +rows
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fixtures.errors import InputError
from reference_server.statements import Statement, read_statement, server_statements

VARIANTS_FOLDER = Path(__file__).parent / "variants"
ROWS = "+rows"  # the parameter grows by the rows of the page


@dataclass(frozen=True)
class Variant:
    """A statement with what it says about its question; a statement without a question stands for itself."""

    statement: Statement
    question: str | None = None
    truth: Statement | None = None
    setup: Path | None = None
    next_page: Mapping[str, str] | None = None  # parameter → column of the last row, or ROWS

    @property
    def name(self) -> str:
        """The statement's name."""
        return self.statement.name


@cache
def questions() -> dict[str, dict[str, Variant]]:
    """Every question with its shipped variants by name."""
    return {
        folder.name: {
            path.stem: read_variant(path)
            for path in sorted(folder.glob("*.sql"))
            if "question" in read_statement(path).header
        }
        for folder in sorted(VARIANTS_FOLDER.iterdir())
        if folder.is_dir()
    }


def chosen_questions(names: str) -> tuple[str, ...]:
    """The questions of a list with commas between; `all` for every one, `none` for no one."""
    if names == "all":
        return tuple(questions())
    return tuple(name.strip() for name in names.split(",") if name.strip()) if names != "none" else ()


def shipped_variants() -> dict[str, Variant]:
    """Every shipped variant by name."""
    return {name: variant for answers in questions().values() for name, variant in answers.items()}


def server_variants() -> dict[str, Variant]:
    """The server's statements, as answers to the questions that their headers name."""
    return {name: _variant(statement, None) for name, statement in server_statements().items()}


def read_variant(path: Path) -> Variant:
    """The variant in a file; InputError when its header names what is not there."""
    return _variant(read_statement(path), path.parent)


def unknown_statements(names: Iterable[str], asked: Iterable[Variant]) -> list[str]:
    """The names that are no statement of the server's, no variant and none that was asked for."""
    known = {"*", *server_variants(), *shipped_variants(), *(variant.name for variant in asked)}
    return [name for name in names if name not in known]


def setup_commands(path: Path) -> str:
    """The script in a set-up file, which is read as a statement without parameters."""
    return read_statement(path).text


def _variant(statement: Statement, folder: Path | None) -> Variant:
    header = statement.header
    setup = (folder / header["setup"]).resolve() if folder is not None and "setup" in header else None
    if setup is not None:
        setup_commands(setup)  # its absence is told now, not when copies have been made
    return Variant(
        statement=statement,
        question=header.get("question"),
        truth=_truth(statement) if "question" in header else None,
        setup=setup,
        next_page=_next_page(statement) if "next" in header else None,
    )


def _truth(statement: Statement) -> Statement | None:
    """None for a question that is not answered but done: a write."""
    header = statement.header
    question, name = header["question"], header.get("truth", "truth")
    path = VARIANTS_FOLDER / question / f"{name}.sql"
    known = sorted(folder.name for folder in VARIANTS_FOLDER.iterdir() if folder.is_dir())
    if question not in known:
        raise InputError(f"statement {statement.name!r} answers {question!r}; name a question: {', '.join(known)}")
    if not path.exists() and "truth" not in header:
        return None
    if not path.exists():
        raise InputError(f"statement {statement.name!r} names the truth {name!r}, which {question!r} does not have")
    return read_statement(path)


def _next_page(statement: Statement) -> dict[str, str]:
    parts = [part.split("=") for part in statement.header["next"].split(",")]
    steps = {pair[0].strip(): pair[1].strip() for pair in parts if len(pair) == 2}
    known = {parameter.name for parameter in statement.parameters}
    if len(steps) < len(parts) or not steps.keys() <= known:
        raise InputError(
            f"statement {statement.name!r} has the next page {statement.header['next']!r}; write "
            f"`parameter = column` or `parameter = {ROWS}` with parameters from {', '.join(sorted(known))}"
        )
    return steps
