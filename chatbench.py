"""The front door: one verb per line of the table in the README, no logic.

Exit codes: 0 fine · 1 regression or objective missed · 2 bad usage or input · 3 run invalid.
Results go to standard output, progress and complaints to standard error.
"""

import asyncio
import errno
import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from fixtures.errors import ChatbenchError, InputError, RunInvalidError

app = typer.Typer(
    help="Load testing and performance benchmarking of chat systems.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Typer brings a private copy of click; what it complains of usage with is the public BadParameter's base.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE)
INTERRUPTED = 130  # what Typer makes of a KeyboardInterrupt
DEFAULT_OUT = Path("out")
DEFAULT_STRATEGY = "roadmap_membership"
DEFAULT_LOGIN_KEY = "chatbench"  # the reference server takes it on loopback only
DEFAULT_OPERATOR_KEY = "chatbench"  # the same

Out = Annotated[Path, typer.Option(help="Folder of PostgreSQL's data, runs and reports.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else there.")]
Size = Annotated[str, typer.Option(help="Data set: tiny, small, medium or large.")]
Seed = Annotated[int, typer.Option(help="Same seed, same data and same load.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(envvar="CHATBENCH_DATABASE_URL", help="A PostgreSQL of yours, as its administrator. [embedded]"),
]
OperatorKey = Annotated[
    str, typer.Option(envvar="CHATBENCH_OPERATOR_KEY", help="What the operator's routes of the API ask for.")
]
LoginKey = Annotated[str, typer.Option(envvar="CHATBENCH_LOGIN_KEY", help="With it a client may log in as any user.")]
Strategy = Annotated[str, typer.Option(help="Index strategy: a name from `indexes --list`, or a .sql file.")]
ListOnly = Annotated[bool, typer.Option("--list", help="Name what there is, and stop.")]


@app.command()
def run(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Names from --list; none for the tour of all.")] = None,
    size: Size = "small",
    seed: Seed = 1,
    strategy: Strategy = DEFAULT_STRATEGY,
    seconds: Annotated[
        float | None, typer.Option(min=1, max=86_400, help="Per load scenario. [each one's own]")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Simulated users. [each scenario's own]")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", help="NAME=VALUE, from --list.")] = None,
    target: Annotated[str | None, typer.Option(help="URL of a chat server that runs. [a server of our own]")] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="The target may be another machine.")] = False,
    login_key: LoginKey = DEFAULT_LOGIN_KEY,
    database_url: DatabaseUrl = None,
    out: Out = DEFAULT_OUT,
    list_only: ListOnly = False,
    as_json: Json = False,
) -> None:
    """Run load scenarios and the query laboratory, then write the report."""
    with whole_imports():
        from scenarios import runner
        from scenarios.queries.laboratory import LaboratoryOptions

    if list_only:
        show_listing(runner.listing(), as_json=as_json)
        return
    options = runner.RunOptions(
        scenarios=tuple(scenarios or ()),
        size=size,
        seed=seed,
        strategy=strategy,
        seconds=seconds,
        users=users,
        scenario_options=dict(named_value(item) for item in option or ()),
        laboratory=LaboratoryOptions(size=size, seed=seed),
        target=target,
        allow_remote=allow_remote,
        login_key=login_key,
        database_url=database_url,
        out=out,
    )
    with progress_bar() as progress:
        folder = runner.run(options, progress)
    show_report(folder.path, as_json=as_json)


@app.command()
def indexes(
    strategies: Annotated[str, typer.Option(help="Names from --list or .sql files; the first is the baseline.")] = (
        "none,roadmap"
    ),
    statements: Annotated[str | None, typer.Option(help="Statements to compare, comma between. [all]")] = None,
    blocks: Annotated[int, typer.Option(min=2, help="Interleaved blocks, the unit of replication.")] = 6,
    size: Size = "small",
    seed: Seed = 1,
    database_url: DatabaseUrl = None,
    out: Out = DEFAULT_OUT,
    list_only: ListOnly = False,
    as_json: Json = False,
) -> None:
    """Compare index strategies on the statements that the server executes."""
    with whole_imports():
        from scenarios import runner
        from scenarios.queries.laboratory import LaboratoryOptions
        from scenarios.queries.listing import listing
        from scenarios.queries.verdict_table import document, read_result, verdict_table

    if list_only:
        named = [
            {"kind": kind, "name": name, "purpose": purpose}
            for kind, items in listing().items()
            for name, purpose in items.items()
        ]
        show_listing(named, as_json=as_json)
        return
    options = runner.RunOptions(
        scenarios=(runner.LABORATORY,),
        size=size,
        seed=seed,
        laboratory=LaboratoryOptions(
            strategies=split(strategies),
            statements=split(statements) if statements is not None else None,
            size=size,
            seed=seed,
            blocks=blocks,
        ),
        database_url=database_url,
        out=out,
    )
    with progress_bar() as progress:
        folder = runner.run(options, progress)
    result = read_result(folder)
    if result is not None and not as_json:
        wide_console().print(verdict_table(result))
    show_report(folder.path, as_json=as_json, laboratory=document(result) if result is not None else None)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder below out/runs.")],
    as_json: Json = False,
) -> None:
    """Draw the report of a run folder again, from that folder alone."""
    show_report(run_folder, as_json=as_json)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the HTTP API; 0: any free one.")] = 8000,
    gateway_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the gateway; 0: any free one.")] = 8001,
    login_key: LoginKey = DEFAULT_LOGIN_KEY,
    operator_key: OperatorKey = DEFAULT_OPERATOR_KEY,
    database_url: DatabaseUrl = None,
    size: Size = "small",
    seed: Seed = 1,
    out: Out = DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Run the reference chat server until Ctrl-C; the embedded PostgreSQL is seeded when it is empty."""
    with whole_imports():
        from reference_server.home import home_database, seeded
        from reference_server.server import run as run_server
        from reference_server.settings import Settings

    with home_database(out, database_url) as url:
        if database_url is None:
            with progress_bar() as progress:
                held = asyncio.run(seeded(url, size, seed, progress))
            if (held.size, held.seed) != (size, seed):
                complain(
                    f"serving what is there, size {held.size} and seed {held.seed}; change it with: chatbench seed"
                )
        settings = Settings(
            database_url=url,
            host=host,
            http_port=http_port,
            gateway_port=gateway_port,
            login_key=login_key,
            operator_key=operator_key,
        )
        run_server(settings, on_ready=lambda record: show_ready(record, as_json=as_json))


@app.command()
def seed(
    size: Size = "small",
    random_seed: Annotated[int, typer.Option("--seed", help="Same seed, same data.")] = 1,
    strategy: Strategy = DEFAULT_STRATEGY,
    force: Annotated[bool, typer.Option("--force", help="Also into a database with tables of others.")] = False,
    database_url: DatabaseUrl = None,
    out: Out = DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Put a population into a database; one that chatbench filled before is filled anew."""
    with whole_imports():
        from reference_server.home import home_database
        from reference_server.seed import seed as fill

    with home_database(out, database_url) as url, progress_bar() as progress:
        manifest = asyncio.run(fill(url, size, random_seed, strategy, force=force, progress=progress))
    document = {"size": manifest.size, "seed": manifest.seed, "sha256": manifest.sha256, "rows": manifest.rows}
    show(document, as_json=as_json)


@app.command()
def doctor(database_url: DatabaseUrl = None, out: Out = DEFAULT_OUT, as_json: Json = False) -> None:
    """Say what this machine can measure, and what would help."""
    with whole_imports():
        from scenarios.doctor import examine

    findings = [asdict(finding) for finding in examine(out, database_url)]
    show_listing(findings, as_json=as_json)
    if any(finding["status"] == "failure" for finding in findings):
        raise RunInvalidError("this machine cannot measure yet; see the failures above")


# --- how things are shown ---------------------------------------------------------------------------------


def show_report(run_folder: Path, *, as_json: bool, **more: Any) -> None:
    """Renders the report and says where it is; RunInvalidError when the run must not be believed."""
    with whole_imports():
        from reports.report import render
        from reports.summary import summary_document
        from reports.terminal import terminal_text

    rendered = render(run_folder)
    if as_json:
        files = {"run": run_folder, "page": rendered.page, "figures": rendered.figures}
        print_json({**summary_document(rendered.summary), "files": files, **more})
    else:
        print(terminal_text(rendered))  # noqa: T201 - standard output is where results go
    if rendered.verdict.verdict != "VALID":
        raise RunInvalidError(f"the run is INVALID: {'; '.join(rendered.verdict.reasons)}")


def show_listing(items: list[dict[str, Any]], *, as_json: bool) -> None:
    """Prints items as one JSON document, or as a table."""
    if as_json:
        print_json(items)
        return
    table = Table(*items[0], box=None, pad_edge=False)
    for item in items:
        table.add_row(*(_cell(value) for value in item.values()))
    wide_console().print(table)


def wide_console() -> Console:
    """Standard output for tables: a file or a pipe has no width, and rows need no folding there."""
    return Console(width=None if sys.stdout.isatty() else 160)


def show_ready(record: dict[str, Any], *, as_json: bool) -> None:
    """Says where the server listens."""
    if as_json:
        print_json(record)
    else:
        show({"HTTP API": record["http_url"], "gateway": record["gateway_url"], "stop with": "Ctrl-C"}, as_json=False)


def show(document: dict[str, Any], *, as_json: bool) -> None:
    """Prints a few named values."""
    if as_json:
        print_json(document)
    else:
        for name, value in document.items():
            print(f"{name:12} {_cell(value)}")  # noqa: T201 - standard output is where results go


def print_json(document: Any) -> None:
    """Prints one JSON document on standard output."""
    print(json.dumps(document, indent=2, default=str), flush=True)  # noqa: T201 - standard output is for results


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        numbers = all(isinstance(item, int) for item in value.values())
        return (", " if numbers else "\n").join(f"{key}: {_cell(item)}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error while the block lasts; silent where nobody watches."""
    columns = (TextColumn("{task.description:40}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=1.0)
        yield lambda step, share: bars.update(task, description=step, completed=share)


@contextmanager
def whole_imports() -> Iterator[None]:
    """Keeps Ctrl-C waiting while a stage is imported: half-initialised C extensions answer it with odd errors."""
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)


def named_value(text: str) -> tuple[str, str]:
    """("--rate", "5") of "rate=5"."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise InputError(f"--option {text!r} names no value; write it as NAME=VALUE, such as rate=5")
    return f"--{name.lstrip('-')}", value


def split(text: str) -> tuple[str, ...]:
    """("none", "roadmap") of "none, roadmap"."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


# --- how things end ---------------------------------------------------------------------------------------


def main() -> None:
    """Runs the command line; every ending is a sentence and an exit code."""
    # Set, not assumed: a shell's background jobs start with SIGINT ignored, and would hand that on to their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A polite kill ends a run as Ctrl-C does, and by the same way through event loops.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(exit_code_of(app))


def exit_code_of(command: Callable[..., Any]) -> int:
    """The exit code of a command, however it ends."""
    try:
        code = int(command(standalone_mode=False) or 0)
    except Exception as error:  # noqa: BLE001 - every error ends here, and is told
        return explain(error)
    if code == INTERRUPTED:
        complain("stopped early")
        return RunInvalidError.exit_code
    return code


def explain(error: Exception) -> int:
    """Says in one sentence what went wrong; the exit code."""
    if isinstance(error, ChatbenchError):
        complain(str(error))
        return error.exit_code
    if isinstance(error, UsageError):
        error.show()  # type: ignore[attr-defined]
        return InputError.exit_code
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        place = error.filename or "while writing"
        complain(f"{error.strerror}: {place}; make room, or choose another folder with --out")
        return InputError.exit_code
    # A mistake of ours: shown whole, and never to be taken for a regression, which is exit code 1.
    traceback.print_exception(error)
    return RunInvalidError.exit_code


def complain(sentence: str) -> None:
    """Says what went wrong, where results do not go."""
    print(f"chatbench: {sentence}", file=sys.stderr)  # noqa: T201 - standard error is for complaints


if __name__ == "__main__":
    main()
