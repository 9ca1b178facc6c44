"""The front door: one verb per line of the table in the README, no logic.

Exit codes: 0 fine · 1 regression or objective missed · 2 bad usage or input · 3 run invalid.
Results go to standard output, progress and complaints to standard error.
"""

import asyncio
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from fixtures.errors import RunInvalidError
from front_door import options as common
from front_door import stored_runs
from front_door.endings import (
    exit_code_of,
    named_value,
    progress_bar,
    show,
    show_listing,
    show_outcome,
    show_plans,
    show_ready,
    show_report,
    split,
    whole_imports,
    wide_console,
)
from front_door.gate_proof import measure_proof, show_proof

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def chatbench(version: common.Version = False) -> None:
    """Load testing and performance benchmarking of chat systems."""


app.add_typer(stored_runs.verbs)  # report, gate, compare, trend


@app.command()
def run(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Names from --list; none for the tour of all.")] = None,
    size: common.Size = "small",
    seed: common.Seed = 1,
    strategy: common.Strategy = common.DEFAULT_STRATEGY,
    seconds: common.Seconds = None,
    users: common.Users = None,
    processes: Annotated[int, typer.Option(min=1, max=256, help="Generator processes, which share the users.")] = 1,
    option: common.ScenarioOption = None,
    arm: common.Arms = None,
    arms: Annotated[str | None, typer.Option(help="Arms of the scenario by name, from --list.")] = None,
    cross: common.Cross = None,
    blocks: Annotated[int, typer.Option(min=1, max=1000, help="Interleaved blocks of a comparison.")] = 6,
    target: common.Target = None,
    allow_remote: common.AllowRemote = False,
    login_key: common.LoginKey = common.DEFAULT_LOGIN_KEY,
    database_url: common.DatabaseUrl = None,
    out: common.Out = common.DEFAULT_OUT,
    list_only: common.ListOnly = False,
    as_json: common.Json = False,
) -> None:
    """Run load scenarios or the tour of all, then write the report."""
    with whole_imports():
        from scenarios import runner
        from scenarios.arms import crossed_arms
        from scenarios.queries.request import LaboratoryOptions

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
        processes=processes,
        scenario_options=dict(named_value(item) for item in option or ()),
        arms=(*(arm or ()), *crossed_arms(cross or ())),
        arm_preset=arms,
        blocks=blocks,
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
    variants: common.Variants = "all",
    statement: Annotated[list[Path] | None, typer.Option(help="A .sql file with a statement of yours.")] = None,
    suggest: common.Suggest = False,
    explain: common.Explain = None,
    sizes: common.GrowthSizes = None,
    resume: common.Resume = None,
    policies: common.Policies = True,
    blocks: common.LaboratoryBlocks = 8,
    executions: common.Executions = 100,
    size: common.Size = "small",
    seed: common.Seed = 1,
    database_url: common.DatabaseUrl = None,
    out: common.Out = common.DEFAULT_OUT,
    list_only: common.ListOnly = False,
    as_json: common.Json = False,
) -> None:
    """Compare index strategies on the statements of the server."""
    with whole_imports():
        from scenarios import runner
        from scenarios.place import open_cluster
        from scenarios.queries.explain import explain as explain_plans
        from scenarios.queries.listing import listing
        from scenarios.queries.request import LaboratoryOptions
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
        sizes=split(sizes) if sizes is not None else (),
        size=size,
        seed=seed,
        blocks=blocks,
        executions=executions,
    )
    if suggest and resume is None:
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
        folder = runner.run(options, progress) if resume is None else runner.resume(resume, options, progress)
    result = read_result(folder)
    if result is not None and not as_json:
        wide_console().print(verdict_table(result))
    show_report(folder.path, as_json=as_json, laboratory=document(result) if result is not None else None)


@app.command()
def capacity(
    scenario: Annotated[str, typer.Argument(help="A load scenario with a rate, from `run --list`.")],
    objective: Annotated[
        list[str], typer.Option(help="What must be kept, such as 'delivery_ms_p99<=100'; may be repeated.")
    ],
    rate_min: common.LowestRate = None,
    rate_max: common.HighestRate = None,
    seconds: Annotated[float, typer.Option(min=4, max=3600, help="Per step, connecting included.")] = 10,
    repetitions: common.Repetitions = 4,
    users: common.Users = None,
    option: common.ScenarioOption = None,
    size: common.Size = "small",
    seed: common.Seed = 1,
    strategy: common.Strategy = common.DEFAULT_STRATEGY,
    target: common.Target = None,
    allow_remote: common.AllowRemote = False,
    login_key: common.LoginKey = common.DEFAULT_LOGIN_KEY,
    database_url: common.DatabaseUrl = None,
    out: common.Out = common.DEFAULT_OUT,
    as_json: common.Json = False,
) -> None:
    """Find the highest load that keeps an objective. Also told is what gives way beyond it."""
    with whole_imports():
        from scenarios.capacity import CapacityOptions, find_capacity, require_kept
        from scenarios.runner import RunOptions

    run_options = RunOptions(
        scenarios=(scenario,),
        size=size,
        seed=seed,
        strategy=strategy,
        seconds=seconds,
        users=users,
        scenario_options=dict(named_value(item) for item in option or ()),
        target=target,
        allow_remote=allow_remote,
        login_key=login_key,
        database_url=database_url,
        out=out,
    )
    options = CapacityOptions(
        run=run_options,
        objectives=tuple(objective),
        rate_min=rate_min,
        rate_max=rate_max,
        repetitions=repetitions,
    )
    with progress_bar() as progress:
        folder = find_capacity(options, progress)
    show_report(folder.path, as_json=as_json)
    require_kept(folder)


@app.command()
def ab(
    base: Annotated[str, typer.Argument(help="A git ref, URL, strategy:NAME, set:NAME=VALUE, python:PATH, or `.`.")],
    head: Annotated[str, typer.Argument(help="The same; what is judged.")],
    blocks: common.DuetBlocks = 5,
    rounds: common.DuetRounds = 5,
    round_seconds: common.RoundSeconds = 4,
    rate: common.PairRate = None,
    size: common.Size = "small",
    seed: common.Seed = 1,
    strategy: common.Strategy = common.DEFAULT_STRATEGY,
    junit: common.Junit = None,
    markdown: common.Markdown = None,
    allow_remote: common.AllowRemote = False,
    login_key: common.LoginKey = common.DEFAULT_LOGIN_KEY,
    database_url: common.DatabaseUrl = None,
    out: common.Out = common.DEFAULT_OUT,
    as_json: common.Json = False,
) -> None:
    """Judge whether one version is slower than another. Both run side by side on the same arrivals."""
    with whole_imports():
        from reports.gate.duet import judge_duet, needs_confirmation, read_duet
        from scenarios.ab import CONFIRMING_BLOCKS, AbOptions, ab_run

    options = AbOptions(
        base=base,
        head=head,
        size=size,
        seed=seed,
        strategy=strategy,
        blocks=blocks,
        rounds=rounds,
        round_seconds=round_seconds,
        rate=rate,
        out=out,
        database_url=database_url,
        login_key=login_key,
        allow_remote=allow_remote,
    )
    with progress_bar() as progress, ab_run(options, progress) as arms:
        arms.measure(blocks)
        if needs_confirmation(judge_duet(read_duet(arms.folder.path), blocks)):
            arms.measure(CONFIRMING_BLOCKS)
        folder = arms.finish()
    outcome = judge_duet(read_duet(folder.path), blocks)
    show_outcome(outcome, folder.path, junit=junit, markdown=markdown, as_json=as_json)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the HTTP API; 0: any free one.")] = 8000,
    gateway_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the gateway; 0: any free one.")] = 8001,
    login_key: common.LoginKey = common.DEFAULT_LOGIN_KEY,
    operator_key: common.OperatorKey = common.DEFAULT_OPERATOR_KEY,
    setting: common.ServerSetting = None,
    log_format: common.LogFormat = None,
    database_url: common.DatabaseUrl = None,
    replica: common.Replica = None,
    read_your_writes: common.ReadYourWrites = "wait",
    pool_size: Annotated[int, typer.Option(min=1, max=10_000, help="Connections to each database at most.")] = 16,
    size: Annotated[str | None, typer.Option(help="Data set to serve: tiny, small, medium or large. [small]")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same data. [1]")] = None,
    out: common.Out = common.DEFAULT_OUT,
    as_json: common.Json = False,
) -> None:
    """Run the reference chat server until Ctrl-C. The embedded PostgreSQL is seeded when it is empty."""
    with whole_imports():
        from reference_server import logs
        from reference_server.home import held_dataset, home_database, home_replica, seeded
        from reference_server.server import run as run_server
        from reference_server.settings import Settings, with_pool_size, with_values

    logs.set_up(logs.named_format(log_format))  # before anything can be logged
    settings = Settings(  # before anything is seeded: most of what is wrong can be told at once
        database_url=database_url or "",
        host=host,
        http_port=http_port,
        gateway_port=gateway_port,
        login_key=login_key,
        operator_key=operator_key,
        read_your_writes=read_your_writes,
    )
    settings = with_values(with_pool_size(settings, pool_size), setting or ())
    database_url = settings.database_url or None
    with home_database(out, database_url) as url:
        if database_url is None:
            with progress_bar() as progress:
                asyncio.run(seeded(url, size, seed, progress))
        with home_replica(out, database_url, replica) as replica_url:
            if database_url is not None:
                asyncio.run(held_dataset(url, size, seed))
            settings = replace(settings, database_url=url, replica_url=replica_url or settings.replica_url)
            logs.set_up(logs.named_format(log_format), secrets=settings.secrets)
            run_server(settings, on_ready=lambda record: show_ready(record, as_json=as_json))


@app.command()
def seed(
    size: common.Size = "small",
    random_seed: Annotated[int, typer.Option("--seed", help="Same seed, same data.")] = 1,
    strategy: common.Strategy = common.DEFAULT_STRATEGY,
    force: Annotated[bool, typer.Option("--force", help="Also into a database with tables of others.")] = False,
    database_url: common.DatabaseUrl = None,
    out: common.Out = common.DEFAULT_OUT,
    as_json: common.Json = False,
) -> None:
    """Put a population into a database. One that chatbench filled before is filled anew."""
    with whole_imports():
        from reference_server.home import home_database
        from reference_server.seed import seed as fill

    with home_database(out, database_url) as url, progress_bar() as progress:
        manifest = asyncio.run(fill(url, size, random_seed, strategy, force=force, progress=progress))
    document = {"size": manifest.size, "seed": manifest.seed, "sha256": manifest.sha256, "rows": manifest.rows}
    show(document, as_json=as_json)


@app.command()
def doctor(
    gate: common.ProveGate = False,
    full: common.ProveFully = False,
    measure: common.MeasureProof = True,
    minutes: common.ProofMinutes = None,
    rounds: common.DuetRounds = 5,
    round_seconds: common.RoundSeconds = 5,
    rate: common.ProofRate = 210,
    record: common.ProofRecord = None,
    document: common.ProofDocument = None,
    database_url: common.DatabaseUrl = None,
    out: common.Out = common.DEFAULT_OUT,
    as_json: common.Json = False,
) -> None:
    """Say what this machine can measure, and what would help. With --gate: what the gate's verdicts are worth here."""
    with whole_imports():
        from scenarios.doctor import examine

    if gate or full:
        file = record or out / "gate-trials.jsonl"
        if measure:
            pairs = {"rounds": rounds, "round_seconds": round_seconds, "rate": rate}
            measure_proof(file, pairs, out, database_url, is_full=full, minutes=minutes)
        show_proof(file, document=document, as_json=as_json)
        return
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
