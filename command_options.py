"""The options of the front door that several verbs share or that need a paragraph, each with its help."""

from pathlib import Path
from typing import Annotated, Literal

import typer

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
LoginKey = Annotated[str, typer.Option(envvar="CHATBENCH_LOGIN_KEY", help="With it a client may log in as any user.")]
OperatorKey = Annotated[
    str, typer.Option(envvar="CHATBENCH_OPERATOR_KEY", help="With it an operator may migrate and change indexes.")
]
Strategy = Annotated[str, typer.Option(help="Index strategy: a name from `indexes --list`, or a .sql file.")]
ListOnly = Annotated[bool, typer.Option("--list", help="Name what there is, and stop.")]
Users = Annotated[int | None, typer.Option(min=1, help="Simulated users. [the scenario's own]")]
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
LaboratoryBlocks = Annotated[int, typer.Option(min=2, help="Interleaved blocks, the unit of replication.")]
Executions = Annotated[
    int, typer.Option(min=1, help="At most, of a statement per class, strategy and block; slow ones get fewer.")
]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="Go on with the run in this folder where it ended, with the options it had."),
]
GrowthSizes = Annotated[
    str | None, typer.Option(help="Data sets over which growth is followed, such as tiny,small,medium. [none]")
]
