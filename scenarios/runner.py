"""Runs scenarios from nothing to a finished run folder: database, server, generator, laboratory, verdict.

    data set (cloned) ──▶ reference server ──▶ one Locust process per scenario ──▶ laboratory ──▶ run.json

Each part writes its own record into the run folder as it goes; this module starts the parts, watches them, and
gives the verdict on the whole. Ctrl-C ends the part that runs, and what was measured stays.
"""

import re
import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from fixtures.errors import ChatbenchError, InputError
from fixtures.progress import Progress
from reference_server.statements import find_strategy
from scenarios.catalogue import COMMON_OPTIONS, SCENARIOS
from scenarios.child_process import log_tail, start_child, stop_child
from scenarios.place import Place, open_cluster, own_target, running_target
from scenarios.queries.laboratory import LaboratoryOptions, check_request, run_laboratory
from scenarios.run_folder import RunFolder
from scenarios.run_so_far import RunSoFar
from scenarios.shares import Shares

LABORATORY = "queries"  # runs beside the load scenarios in a tour; needs a database, not a server
FREE_COMMON_OPTIONS = ("--arrivals", "--drain-seconds")  # the others are the run's own
PREPARING = "preparing"
PREPARING_SECONDS = 15  # measured: seeding small, once; a copy and a server's start afterwards
LABORATORY_SECONDS = 45  # measured: two strategies on small
# Past its run time a generator drains outstanding deliveries and writes its ledger; then it is asked to end.
LOCUST_OVERHEAD_SECONDS = 8
LOCUST_PATIENCE_SECONDS = 45


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run was asked for."""

    scenarios: tuple[str, ...] = ()  # empty: the quick tour of all
    size: str = "small"
    seed: int = 1
    strategy: str = "roadmap_membership"  # the indexes under the server
    seconds: float | None = None  # per load scenario, connecting included; None: each one's own
    users: int | None = None  # per load scenario; None: each one's own
    scenario_options: dict[str, str] = field(default_factory=dict)  # for the Locust files: {"--rate": "5"}
    laboratory: LaboratoryOptions = field(default_factory=LaboratoryOptions)
    out: Path = Path("out")
    database_url: str | None = None  # None: the embedded PostgreSQL
    target: str | None = None  # None: a reference server of our own
    login_key: str = "chatbench"
    allow_remote: bool = False

    def record(self) -> dict[str, Any]:
        """The options as the manifest keeps them: no secrets, no machine's paths."""
        secret_or_local = ("login_key", "database_url", "out")
        kept = {key: value for key, value in asdict(self).items() if key not in secret_or_local}
        # One's own strategy by its file's name alone.
        kept["strategy"] = Path(self.strategy).name
        kept["laboratory"]["strategies"] = [Path(name).name for name in self.laboratory.strategies]
        kept["laboratory"]["statement_files"] = [Path(name).name for name in self.laboratory.statement_files]
        return {**kept, "database": "embedded" if self.database_url is None else "given"}


def run(options: RunOptions, progress: Progress) -> RunFolder:
    """Runs what was asked for; the folder's manifest holds the verdict. InputError before anything is measured."""
    names = scenario_names(options)
    load_names = [name for name in names if name != LABORATORY]
    _check_scenario_options(load_names, options.scenario_options)
    if LABORATORY in names:
        check_request([find_strategy(name) for name in options.laboratory.strategies], options.laboratory)
    shares = Shares(_expected_seconds(names, options.seconds), progress)
    so_far = RunSoFar(options.out / "runs", names, options.seed, options.record())
    try:
        _run_parts(load_names, options, so_far, shares, with_laboratory=LABORATORY in names)
    except KeyboardInterrupt:
        if not so_far.has_measured:
            so_far.discard()
            raise
        so_far.note(cut_short=True)
    except (ChatbenchError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        told = error if isinstance(error, ChatbenchError) else InputError(f"PostgreSQL or the disk failed: {error}")
        if not so_far.has_measured:
            so_far.discard()
            raise told from error
        so_far.note(reason=str(told))
    return so_far.finish()


def _run_parts(
    load_names: list[str], options: RunOptions, so_far: RunSoFar, shares: Shares, *, with_laboratory: bool
) -> None:
    with ExitStack() as stack:
        cluster_url = ""
        if options.target is None or with_laboratory:
            cluster_url = stack.enter_context(open_cluster(options.out, options.database_url))
        if load_names:
            with _place(options, cluster_url, shares.of(PREPARING)) as place:
                _run_load_scenarios(load_names, options, so_far, place, shares)
        if with_laboratory and not so_far.is_cut_short:
            run_laboratory(options.laboratory, cluster_url, so_far.folder(None), shares.of(LABORATORY))


def scenario_names(options: RunOptions) -> tuple[str, ...]:
    """What runs, each once: what was named, or the tour; InputError for a name that is none."""
    known = (*SCENARIOS, LABORATORY)
    for name in options.scenarios:
        if name not in known:
            raise InputError(f"no scenario named {name!r}; choose from {', '.join(known)}, or give none for the tour")
    if options.scenarios:
        return tuple(dict.fromkeys(options.scenarios))
    tour = tuple(name for name, scenario in SCENARIOS.items() if scenario.in_tour)
    # Somebody else's server comes without a database to experiment in.
    return (*tour, LABORATORY) if options.target is None or options.database_url else tour


def _expected_seconds(names: tuple[str, ...], seconds: float | None) -> dict[str, float]:
    """How long each part usually takes, in the order of the parts."""
    usual: dict[str, float] = {LABORATORY: LABORATORY_SECONDS}
    for name, item in SCENARIOS.items():
        usual[name] = (seconds or item.default_run_seconds) + LOCUST_OVERHEAD_SECONDS
    return {PREPARING: PREPARING_SECONDS, **{name: usual[name] for name in names}}


def listing() -> list[dict[str, Any]]:
    """Every scenario with its question and the options that may be given to it."""
    load = [
        {
            "name": item.name,
            "question": item.question,
            "options": {name.removeprefix("--"): meaning for name, meaning in _allowed_options(item.name).items()},
        }
        for item in SCENARIOS.values()
    ]
    question = "Do the roadmap's indexes help the statements that the server executes?"
    return [*load, {"name": LABORATORY, "question": question, "options": {}}]


def _allowed_options(name: str) -> dict[str, str]:
    """A scenario's own options, and the common ones that the run does not set itself."""
    return {**SCENARIOS[name].options, **{option: COMMON_OPTIONS[option] for option in FREE_COMMON_OPTIONS}}


def _check_scenario_options(names: list[str], given: dict[str, str]) -> None:
    """InputError for an option that none of the scenarios has; each takes those that it has."""
    allowed = list(dict.fromkeys(option for name in names for option in _allowed_options(name)))
    for option in given:
        if option not in allowed:
            known = ", ".join(one.removeprefix("--") for one in allowed) or "none: the laboratory takes no options here"
            shown = " and ".join(names) or LABORATORY
            raise InputError(f"{shown} has no option {option.removeprefix('--')!r}; choose from {known}")


def _place(options: RunOptions, cluster_url: str, progress: Progress) -> AbstractContextManager[Place]:
    if options.target is not None:
        return running_target(options.target, allow_remote=options.allow_remote)
    return own_target(
        cluster_url,
        size=options.size,
        seed=options.seed,
        strategy=options.strategy,
        login_key=options.login_key,
        log_folder=options.out / "logs",
        progress=progress,
    )


def _run_load_scenarios(names: list[str], options: RunOptions, so_far: RunSoFar, place: Place, shares: Shares) -> None:
    """One Locust process after the other, until all ran, one is interrupted, or the server is gone."""
    for name in names:
        try:
            _run_load_scenario(name, options, so_far, place, shares.of(name))
        except KeyboardInterrupt:
            so_far.note(cut_short=True)
            return
        if place.server is not None and not place.server.alive:
            said = f"the reference server ended in the middle of the run: {log_tail(place.server.log)}"
            so_far.note(reason=f"{name}: {said}")
            return


def _run_load_scenario(name: str, options: RunOptions, so_far: RunSoFar, place: Place, progress: Progress) -> None:
    """One scenario from start to record. InputError when the generator found fault with what was asked for."""
    folder = so_far.folder(place)
    log = folder.path / f"locust-{name}.log"
    seconds = options.seconds or SCENARIOS[name].default_run_seconds
    command = _locust_command(name, options, folder, place, seconds)
    process = start_child(command, log=log, environment={"CHATBENCH_LOGIN_KEY": options.login_key})
    try:
        _watch(process, name, seconds, progress)
    finally:
        # Interrupted: the generator is asked to end, drains, and writes what it measured.
        exit_code = stop_child(process, patience_seconds=LOCUST_PATIENCE_SECONDS)
    if name not in so_far.recorded:
        said = _complaint(log)
        if exit_code == InputError.exit_code:
            raise InputError(said)
        so_far.note(reason=f"{name}: its generator ended with exit code {exit_code}: {said}")


def _complaint(log: Path) -> str:
    """What a generator said that it ended for, or else its last words."""
    marks = re.compile(r"^(chatbench: |\S+: error: )+")
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if marks.match(line)]
    return marks.sub("", said[-1]) if said else log_tail(log)


def _locust_command(name: str, options: RunOptions, folder: RunFolder, place: Place, seconds: float) -> list[str]:
    command = [sys.executable, "-m", "locust", "-f", str(SCENARIOS[name].file), "--headless", "--only-summary"]
    command += ["--host", place.target.http_url, "--run-time", f"{max(1, round(seconds))}s"]
    command += ["--run-folder", str(folder.path), "--seed", str(options.seed)]
    if options.users is not None:
        command += ["--users", str(options.users)]
    if place.target.process_id is not None:
        command += ["--server-pid", str(place.target.process_id)]
    if options.allow_remote:
        command += ["--allow-remote"]
    for option, value in options.scenario_options.items():
        if option in _allowed_options(name):
            command += [f"{option}={value}"]
    return command


def _watch(process: subprocess.Popen[bytes], name: str, seconds: float, progress: Progress) -> None:
    """Waits for the generator and tells how far it should be; returns when it ended or outlived all patience."""
    begun = time.monotonic()
    expected = seconds + LOCUST_OVERHEAD_SECONDS
    while process.poll() is None:
        elapsed = time.monotonic() - begun
        if elapsed > expected + LOCUST_PATIENCE_SECONDS:
            return
        progress(name, min(0.99, elapsed / expected))
        try:
            process.wait(0.25)
        except subprocess.TimeoutExpired:
            continue
    progress(name, 1.0)
