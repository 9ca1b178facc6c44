"""The front door's verbs on stored runs, which measure nothing: one per line of the README's table, no logic."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fixtures.errors import RunInvalidError
from front_door import options as common
from front_door.endings import print_json, progress_bar, show, show_outcome, show_report, whole_imports

verbs = typer.Typer()

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A folder below out/runs.")]
Stored = Annotated[Path, typer.Argument(metavar="RUN", help="A folder below out/runs, or what pytest-benchmark wrote.")]


@verbs.command()
def report(
    run_folder: Run,
    form: Annotated[
        Literal["html", "md", "png", "csv", "parquet"],
        typer.Option("--format", help="html: page and figures; md: report.md; png: figures; csv, parquet: numbers.*"),
    ] = "html",
    as_json: common.Json = False,
) -> None:
    """Draw the report of a run folder again, from that folder alone."""
    if form == "html":
        show_report(run_folder, as_json=as_json)
        return
    with whole_imports():
        from reports.exports import export

    written = export(run_folder, form)
    files = [str(path) for path in written.files]
    show({"verdict": written.verdict.verdict, "files": files if as_json else "\n".join(files)}, as_json=as_json)
    if written.verdict.reasons:
        raise RunInvalidError(f"the run is INVALID: {'; '.join(written.verdict.reasons)}")


@verbs.command()
def gate(
    run_folder: Stored,
    objectives: common.Objectives = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="RUN", help="An older run: counts decide, times only far beyond their drift.")
    ] = None,
    junit: common.Junit = None,
    markdown: common.Markdown = None,
    html: common.Html = None,
    as_json: common.Json = False,
) -> None:
    """Judge a stored run against objectives, and against an older run."""
    with whole_imports():
        from reports.gate.stored import judge

    outcome = judge(run_folder, objectives, baseline)
    show_outcome(outcome, run_folder, junit=junit, markdown=markdown, html=html, as_json=as_json, is_stored=True)


@verbs.command()
def compare(
    base: Annotated[
        Path, typer.Argument(metavar="A", help="A folder below out/runs, or a pytest-benchmark JSON file.")
    ],
    head: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    html: common.Html = None,
    as_json: common.Json = False,
) -> None:
    """Show two stored runs side by side. Named is what differs beside their numbers."""
    with whole_imports():
        from reports.compare import compare_runs, comparison_document, comparison_text
        from reports.compare_page import write_comparison

    comparison = compare_runs(base, head)
    if html is not None:
        write_comparison(comparison, html)
    if as_json:
        print_json(comparison_document(comparison))
    else:
        print(comparison_text(comparison))  # noqa: T201 - standard output is where results go
    if comparison.doubts:
        raise RunInvalidError(f"a run must not be believed: {'; '.join(comparison.doubts)}")


@verbs.command()
def trend(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of run folders.")] = common.DEFAULT_OUT
    / "runs",
    objectives: common.Objectives = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="SCENARIO:MEASURE to follow instead of the objectives' numbers, or all of them."),
    ] = None,
    html: common.Html = None,
    as_json: common.Json = False,
) -> None:
    """Follow numbers over many stored runs. Told is where they changed."""
    with whole_imports():
        from reports.followed import choose
        from reports.trend import follow, trend_document, trend_text
        from reports.trend_page import write_trend

    asked = choose(objectives, metric or ())
    with progress_bar() as progress:
        trends = follow(folder, asked, progress)
    if html is not None:
        write_trend(trends, html)
    if as_json:
        print_json(trend_document(trends))
    else:
        print(trend_text(trends))  # noqa: T201 - standard output is where results go
