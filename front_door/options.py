"""The options of the front door that several verbs share or that need a paragraph, each with its help."""

from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from fixtures.errors import InputError

DEFAULT_OUT = Path("out")
DEFAULT_STRATEGY = "roadmap_membership"
DEFAULT_LOGIN_KEY = "chatbench"  # the reference server takes it on loopback only
DEFAULT_OPERATOR_KEY = "chatbench"  # the same


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"chatbench {metadata.version('chatbench')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Say which version this is, and stop.")
]
Out = Annotated[Path, typer.Option(help="Folder of PostgreSQL's data, runs and reports.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else there.")]
Size = Annotated[str, typer.Option(help="Data set: tiny, small, medium or large.")]
Seed = Annotated[int, typer.Option(help="Same seed, same data and same load.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(envvar="CHATBENCH_DATABASE_URL", help="A PostgreSQL of yours, as its administrator. [embedded]"),
]
LoginKey = Annotated[str, typer.Option(envvar="CHATBENCH_LOGIN_KEY", help="With it a client may log in as any user.")]
OperatorKey = Annotated[
    str, typer.Option(envvar="CHATBENCH_OPERATOR_KEY", help="With it an operator may migrate and change indexes.")
]
Strategy = Annotated[str, typer.Option(help="Index strategy: a name from `indexes --list`, or a .sql file.")]
ListOnly = Annotated[bool, typer.Option("--list", help="Name what there is, and stop.")]
Users = Annotated[int | None, typer.Option(min=1, max=10_000_000, help="Simulated users. [the scenario's own]")]
ScenarioOption = Annotated[
    list[str] | None, typer.Option("--option", "-o", help="NAME=VALUE of the scenario, from `run --list`.")
]
Target = Annotated[str | None, typer.Option(help="URL of a chat server that runs. [a server of our own]")]
AllowRemote = Annotated[bool, typer.Option("--allow-remote", help="The target may be another machine.")]
Replica = Annotated[
    str | None, typer.Option(help="Read pages of messages from a standby: its URL, or `embedded` to start one.")
]
ReadYourWrites = Annotated[
    Literal["primary", "wait", "eventual"],
    typer.Option(help="When the replica lacks a write: read from the primary, wait for it, or do without."),
]
Variants = Annotated[
    str, typer.Option(help="Questions from --list whose other answers are measured too: names, all or none.")
]
Suggest = Annotated[
    bool, typer.Option("--suggest", help="Measure strategies that the statements ask for beside the named ones.")
]
Explain = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="STRATEGY STATEMENT", help="Print one statement's plans under one strategy, and stop."),
]
Policies = Annotated[bool, typer.Option(help="Compare forms of row-level security, too.")]
LaboratoryBlocks = Annotated[
    int, typer.Option(min=1, max=1000, help="Interleaved blocks, the unit of replication; below 5, counters alone.")
]
Executions = Annotated[
    int,
    typer.Option(
        min=1, max=1_000_000, help="At most, of a statement per class, strategy and block; slow ones get fewer."
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="Go on with the run in this folder where it ended, with the options it had."),
]
GrowthSizes = Annotated[
    str | None, typer.Option(help="Data sets over which growth is followed, such as tiny,small,medium. [none]")
]
Objectives = Annotated[
    Path | None, typer.Option(help="TOML file of what must hold, see docs/stored_runs.md. [the one that is shipped]")
]


def _writable(path: Path | None) -> Path | None:
    """The file to be written; InputError before anything is measured where that could not be."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"cannot write {path}; name a file in a folder that is there")
    return path


Junit = Annotated[Path | None, typer.Option(callback=_writable, help="Write the verdict as JUnit XML.")]
Html = Annotated[Path | None, typer.Option(callback=_writable, help="Write it as one page that opens offline.")]
Markdown = Annotated[Path | None, typer.Option(callback=_writable, help="Write it as Markdown, for a pull request.")]

DuetBlocks = Annotated[int, typer.Option(min=1, max=100, help="Blocks of fresh servers; more find smaller effects.")]
DuetRounds = Annotated[int, typer.Option(min=1, max=100, help="Rounds per block.")]
RoundSeconds = Annotated[float, typer.Option(min=0.5, max=60, help="Length of a round of pairs.")]
PairRate = Annotated[
    float | None, typer.Option(min=0.1, max=1_000_000, help="Pairs per second. [half of what both arms manage]")
]
ProveGate = Annotated[
    bool, typer.Option("--gate", help="Prove the gate here: real duets, resampled into decisions; half an hour.")
]
ProveFully = Annotated[
    bool, typer.Option("--full", help="The same with 20 real decisions on identical code and 10 per slow-down; hours.")
]
MeasureProof = Annotated[bool, typer.Option(help="With --gate: first measure what the file of trials lacks.")]
ProofMinutes = Annotated[
    float | None,
    typer.Option(min=0, max=100_000, help="With --gate: begin no trial later than this; the next command goes on."),
]
ProofRate = Annotated[float, typer.Option(min=0.1, max=1_000_000, help="With --gate: pairs per second.")]
ProofRecord = Annotated[
    Path | None,
    typer.Option(help="With --gate: this machine's file of trials, to which others are added. [OUT/gate-trials.jsonl]"),
]
ProofDocument = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="With --gate: write the result between this file's marks."),
]
Seconds = Annotated[float | None, typer.Option(min=1, max=86_400, help="Per load scenario. [each one's own]")]
Arms = Annotated[
    list[str] | None,
    typer.Option(help="A server to compare, NAME:SETTING=VALUE,…; the first is the baseline. [the scenario's own]"),
]
Cross = Annotated[
    list[str] | None,
    typer.Option(help="SETTING=VALUE,VALUE,…: arms of every combination, with each --cross given. [none]"),
]
ServerSetting = Annotated[
    list[str] | None, typer.Option("--set", help="NAME=VALUE: any other setting of reference_server/settings.py.")
]
LogFormat = Annotated[str | None, typer.Option(help="Of standard error: text or json. [text on a terminal, else json]")]
LowestRate = Annotated[
    float | None,
    typer.Option(min=0.001, max=1_000_000, help="Lowest load, and where to start. [an eighth of its own rate]"),
]
HighestRate = Annotated[
    float | None, typer.Option(min=0.001, max=1_000_000, help="Highest load. [64 times its own rate]")
]
Repetitions = Annotated[
    int, typer.Option(min=1, max=100, help="Rounds of three steps around the capacity; more narrow the interval.")
]
