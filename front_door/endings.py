"""How the front door shows results, and how every command ends: in a sentence and an exit code.

Results go to standard output, progress and complaints to standard error.
"""

import errno
import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from fixtures.errors import ChatbenchError, InputError, RunInvalidError
from front_door.usage import usage_sentence

if TYPE_CHECKING:
    from reports.gate.outputs import Outcome

# Typer brings a private copy of click; what it complains of usage with is the public BadParameter's base.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE)
INTERRUPTED = 130  # what Typer makes of a KeyboardInterrupt


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


def show_outcome(
    outcome: "Outcome",
    run_folder: Path,
    *,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
    html: Path | None = None,
    is_stored: bool = False,
) -> None:
    """Prints a gate's verdict and writes it where CI looks; ends with its exit code. A stored run stays as it is."""
    with whole_imports():
        from reports.gate import outputs
        from reports.gate.files import write_outcome
        from reports.report import render

    kept, page = (None, html) if is_stored else (run_folder / "verdict.json", render(run_folder).page)
    write_outcome(outcome, junit_file=junit, markdown_file=markdown, json_file=kept, html_file=html)
    if as_json:
        print_json({**outputs.document(outcome), "files": {"run": run_folder, "page": page}})
    else:
        where = f"Run: {run_folder}" if page is None else f"Report: {page}"
        print(f"{outputs.markdown(outcome)}\n{where}")  # noqa: T201 - standard output is for results
    code = outputs.exit_code(outcome.verdict)
    if code:
        raise typer.Exit(code)


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


def show_plans(plans: Sequence[Any], *, as_json: bool) -> None:
    """Prints each plan with the parameter classes that share it, and what makes it cost."""
    if as_json:
        print_json({"plans": [asdict(plan) for plan in plans]})
        return
    for plan in plans:
        print(f"{', '.join(plan.parameter_classes)} ({plan.plan_mode} plan)")  # noqa: T201 - results go there
        for line in (*plan.lines, *plan.reasons):
            print(f"  {line}")  # noqa: T201 - results go there


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
    console = Console(stderr=True)
    # Where nobody watches, it would still end with an empty line, among a log's events for example.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
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
    """("none", "roadmap") of "none, roadmap"; InputError when nothing is named."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise InputError(f"{text!r} names nothing; write names with commas between, or leave the option out")
    return found


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
        sentence = usage_sentence(error)
        if "\n" in sentence:
            print(sentence, file=sys.stderr)  # noqa: T201 - help, for a command without anything
        else:
            complain(sentence)
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
