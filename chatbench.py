"""The front door: one verb per line of the table in the README, no logic.

Exit codes: 0 fine · 1 regression or objective missed · 2 bad usage or input · 3 run invalid.
Results go to standard output, progress and complaints to standard error.
"""

import asyncio
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from fixtures.errors import RunInvalidError
from front_door import (
    complain,
    exit_code_of,
    named_value,
    progress_bar,
    show,
    show_listing,
    show_plans,
    show_ready,
    show_report,
    split,
    whole_imports,
    wide_console,
)

app = typer.Typer(
    help="Load testing and performance benchmarking of chat systems.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
        "none,roadmap,created_at_desc_id"
    ),
    statements: Annotated[str | None, typer.Option(help="Statements to compare, comma between. [all]")] = None,
    variants: Annotated[
        str, typer.Option(help="Questions from --list whose other answers are measured too: names, all or none.")
    ] = "all",
    statement: Annotated[list[Path] | None, typer.Option(help="A .sql file with a statement of yours.")] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Measure strategies that the statements ask for beside the named ones.")
    ] = False,
    explain: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="STRATEGY STATEMENT", help="Print one statement's plans under one strategy, and stop."),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Data sets over which growth is followed, such as tiny,small,medium. [none]")
    ] = None,
    policies: Annotated[bool, typer.Option(help="Compare forms of row-level security, too.")] = True,
    blocks: Annotated[int, typer.Option(min=2, help="Interleaved blocks, the unit of replication.")] = 6,
    executions: Annotated[int, typer.Option(min=1, help="Of each statement per class, strategy and block.")] = 20,
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
        from scenarios.place import open_cluster
        from scenarios.queries.explain import explain as explain_plans
        from scenarios.queries.laboratory import LaboratoryOptions
        from scenarios.queries.listing import listing
        from scenarios.queries.suggest import with_suggestions
        from scenarios.queries.variants import chosen_questions
        from scenarios.queries.verdict_table import document, read_result, verdict_table

    if list_only:
        named = [
            {"kind": kind, "name": name, "purpose": purpose}
            for kind, items in listing().items()
            for name, purpose in items.items()
        ]
        show_listing(named, as_json=as_json)
        return
    if explain is not None:
        asked = LaboratoryOptions(
            strategies=(explain[0],),
            statements=() if explain[1].endswith(".sql") else (explain[1],),
            statement_files=(explain[1],) if explain[1].endswith(".sql") else (),
            size=size,
            seed=seed,
        )
        with progress_bar() as progress, open_cluster(out, database_url) as cluster_url:
            plans = explain_plans(cluster_url, asked, progress)
        show_plans(plans, as_json=as_json)
        return
    laboratory = LaboratoryOptions(
        strategies=split(strategies),
        statements=split(statements) if statements is not None else None,
        questions=chosen_questions(variants),
        statement_files=tuple(str(path) for path in statement or ()),
        studies=True,
        policies=policies,
        sizes=split(sizes or ""),
        size=size,
        seed=seed,
        blocks=blocks,
        executions=executions,
    )
    if suggest:
        with progress_bar() as progress, open_cluster(out, database_url) as cluster_url:
            laboratory = with_suggestions(cluster_url, laboratory, out / "suggestions", progress)
    options = runner.RunOptions(
        scenarios=(runner.LABORATORY,),
        size=size,
        seed=seed,
        laboratory=laboratory,
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
    requests_per_second_max: Annotated[
        float | None, typer.Option(min=0, help="HTTP requests of one user. [no limit]")
    ] = None,
    sends_per_second_max: Annotated[float | None, typer.Option(min=0, help="Messages of one user. [no limit]")] = None,
    commands_per_second_max: Annotated[
        float | None, typer.Option(min=0, help="Gateway commands of one user. [no limit]")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: any other setting of reference_server/settings.py.")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="Of standard error: text or json. [text on a terminal, else json]")
    ] = None,
    database_url: DatabaseUrl = None,
    replica: Annotated[
        str | None, typer.Option(help="Read pages of messages from a standby: its URL, or `embedded` to start one.")
    ] = None,
    read_your_writes: Annotated[
        Literal["primary", "wait", "eventual"],
        typer.Option(help="When the replica lacks a write: read from the primary, wait for it, or do without."),
    ] = "wait",
    pool_size: Annotated[int, typer.Option(min=1, help="Connections to each database at most.")] = 16,
    size: Size = "small",
    seed: Seed = 1,
    out: Out = DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Run the reference chat server until Ctrl-C; the embedded PostgreSQL is seeded when it is empty."""
    with whole_imports():
        from reference_server import logs
        from reference_server.home import home_database, home_replica, seeded
        from reference_server.server import run as run_server
        from reference_server.settings import Settings, with_pool_size, with_values

    with home_database(out, database_url) as url:
        if database_url is None:
            with progress_bar() as progress:
                held = asyncio.run(seeded(url, size, seed, progress))
            if (held.size, held.seed) != (size, seed):
                complain(
                    f"serving what is there, size {held.size} and seed {held.seed}; change it with: chatbench seed"
                )
        with home_replica(out, database_url, replica) as replica_url:
            settings = Settings(
                database_url=url,
                host=host,
                http_port=http_port,
                gateway_port=gateway_port,
                login_key=login_key,
                operator_key=operator_key,
                replica_url=replica_url,
                read_your_writes=read_your_writes,
                requests_per_second_max=requests_per_second_max,
                sends_per_second_max=sends_per_second_max,
                commands_per_second_max=commands_per_second_max,
            )
            settings = with_values(with_pool_size(settings, pool_size), setting or ())
            logs.set_up(logs.named_format(log_format), secrets=settings.secrets)
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


def main() -> None:
    """Runs the command line; every ending is a sentence and an exit code."""
    # Set, not assumed: a shell's background jobs start with SIGINT ignored, and would hand that on to their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A polite kill ends a run as Ctrl-C does, and by the same way through event loops.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(exit_code_of(app))


if __name__ == "__main__":
    main()
