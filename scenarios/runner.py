"""Runs scenarios from nothing to a finished run folder: database, server, generator, laboratory, verdict.

    data set (cloned) ──▶ reference server ──▶ one Locust process per scenario ──▶ laboratory ──▶ run.json

Each part writes its own record into the run folder as it goes; this module starts the parts, watches them, and
gives the verdict on the whole. Ctrl-C ends the part that runs, and what was measured stays.
"""

import re
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from fixtures.errors import ChatbenchError, InputError
from fixtures.progress import Progress
from reference_server.statements import named_strategy
from scenarios.arms import DEFAULT_BLOCKS, SECONDS_MIN, arms_of
from scenarios.catalogue import COMMON_OPTIONS, DUET, SCENARIOS, SPAWN_RATE, Scenario, scenario_named
from scenarios.child_process import log_tail, start_child, stop_child
from scenarios.comparison import Comparison, Turn, compare
from scenarios.peers import Peer, own_peers, peers_text
from scenarios.place import Place, open_cluster, own_target, running_target
from scenarios.queries.laboratory import run_growth, run_laboratory
from scenarios.queries.request import LaboratoryOptions, check_request
from scenarios.queries.sittings import unfinished_options
from scenarios.run_folder import RunFolder
from scenarios.run_so_far import RunSoFar
from scenarios.server_observer import ServerObserver
from scenarios.shares import Shares

LABORATORY = "queries"  # runs beside the load scenarios in a tour; needs a database, not a server
FREE_COMMON_OPTIONS = ("--arrivals", "--shape", "--drain-seconds")  # the others are the run's own
# Users come at Locust's gentle rate, and faster where that would take longer: they connect as the server lets them.
SPAWNING_SECONDS_MOST = 10
PREPARING = "preparing"
PREPARING_SECONDS = 15  # measured: seeding small, once; a copy and a server's start afterwards
LABORATORY_SECONDS = 45  # measured: two strategies on small
# Past its run time a generator drains outstanding deliveries and writes its ledger; then it is asked to end.
LOCUST_OVERHEAD_SECONDS = 8
LOCUST_PATIENCE_SECONDS = 45
# What may end a run from outside; each is told in one sentence, and what was measured before is kept.
FAILURES = (ChatbenchError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run was asked for."""

    scenarios: tuple[str, ...] = ()  # empty: the quick tour of all
    size: str = "small"
    seed: int = 1
    strategy: str = "roadmap_membership"  # the indexes under the server
    seconds: float | None = None  # per load scenario and arm, connecting included; None: each one's own
    users: int | None = None  # per load scenario; None: each one's own
    processes: int = 1  # generators of a load scenario, which share its users
    scenario_options: dict[str, str] = field(default_factory=dict)  # for the Locust files: {"--rate": "5"}
    arms: tuple[str, ...] = ()  # servers to compare, NAME:SETTING=VALUE,…; empty: the scenario's own, mostly none
    arm_preset: str | None = None  # the scenario's arms of that name instead
    blocks: int = DEFAULT_BLOCKS  # of a comparison
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
    check_scenario_options(load_names, options.scenario_options)
    if LABORATORY in names:
        check_request([named_strategy(name) for name in options.laboratory.strategies], options.laboratory)
    comparisons = _comparisons(load_names, options)
    shares = Shares(_expected_seconds(names, options.seconds, comparisons), progress)
    so_far = RunSoFar(options.out / "runs", names, options.seed, options.record())
    try:
        _run_parts(load_names, comparisons, options, so_far, shares, with_laboratory=LABORATORY in names)
    except KeyboardInterrupt:
        if not so_far.has_measured:
            so_far.discard()
            raise
        so_far.note(cut_short=True)
    except FAILURES as error:
        if not so_far.has_measured:
            so_far.discard()
            raise told(error) from error
        so_far.note(reason=str(told(error)))
    return so_far.finish()


def resume(path: Path, options: RunOptions, progress: Progress) -> RunFolder:
    """Goes on with a run of the laboratory that was ended; of the options, only where the database is counts.

    InputError, and the folder stays as it is, when it cannot go on.
    """
    folder = RunFolder(path)
    laboratory, before = unfinished_options(folder), folder.read_manifest()
    so_far = RunSoFar.taken_up(folder)
    try:
        with open_cluster(options.out, options.database_url) as cluster_url:
            run_laboratory(laboratory, cluster_url, folder, progress)
    except KeyboardInterrupt:
        if folder.read_manifest() == before:
            raise
        so_far.note(cut_short=True)
    except FAILURES as error:
        if folder.read_manifest() == before:
            raise told(error) from error
        so_far.note(reason=str(told(error)))
    return so_far.finish()


def told(error: Exception) -> ChatbenchError:
    """One of FAILURES as a sentence for people."""
    return error if isinstance(error, ChatbenchError) else InputError(f"PostgreSQL or the disk failed: {error}")


def _run_parts(
    load_names: list[str],
    comparisons: dict[str, Comparison],
    options: RunOptions,
    so_far: RunSoFar,
    shares: Shares,
    *,
    with_laboratory: bool,
) -> None:
    with ExitStack() as stack:
        known = None
        if with_laboratory and options.laboratory.sizes:  # apart: with fewer shared buffers
            known = run_growth(options.laboratory, options.out, options.database_url, shares.of(LABORATORY))
        cluster_url = ""
        if options.target is None or with_laboratory:
            cluster_url = stack.enter_context(open_cluster(options.out, options.database_url))
        plain_names = [name for name in load_names if name not in comparisons]
        if plain_names:
            with open_place(options, cluster_url, shares.of(PREPARING)) as place:
                _run_load_scenarios(plain_names, options, so_far, place, shares)
        for name, comparison in comparisons.items():
            if not so_far.is_cut_short:
                compare(
                    comparison,
                    cluster_url,
                    options.login_key,
                    options.out / "logs",
                    so_far,
                    lambda turn, progress: _measure(turn, options, so_far, progress),
                    shares.of(name),
                )
        if with_laboratory and not so_far.is_cut_short:
            run_laboratory(options.laboratory, cluster_url, so_far.folder(None), shares.of(LABORATORY), known)


def _comparisons(load_names: list[str], options: RunOptions) -> dict[str, Comparison]:
    """The scenarios that compare several servers; InputError for arms that cannot be, before anything is made."""
    if options.arms or options.arm_preset is not None:
        if options.target is not None:
            raise InputError("arms are servers that the run starts itself; leave out --target, or --arm and --arms")
        if not load_names:
            raise InputError("arms belong to load scenarios, and none is asked for; see chatbench run --list")
    if options.blocks < 1:
        raise InputError(f"{options.blocks} blocks measure nothing; use --blocks {DEFAULT_BLOCKS} or more")
    found = {}
    for name in load_names if options.target is None else ():
        arms = arms_of(
            SCENARIOS[name],
            options.arms,
            options.arm_preset,
            size=options.size,
            strategy=options.strategy,
            allowed_options=list(_allowed_options(name)),
        )
        if arms:
            seconds = options.seconds or SCENARIOS[name].default_run_seconds
            found[name] = Comparison(
                scenario=name,
                arms=arms,
                blocks=options.blocks,
                turn_seconds=max(SECONDS_MIN, seconds / options.blocks),
                seed=options.seed,
            )
    return found


def scenario_names(options: RunOptions) -> tuple[str, ...]:
    """What runs, each once: what was named, or the tour; InputError for a name that is none."""
    known = (*SCENARIOS, LABORATORY)
    for name in options.scenarios:
        if name not in known:
            raise InputError(f"no scenario named {name!r}; choose from {', '.join(known)}")
    if options.scenarios:
        return tuple(dict.fromkeys(options.scenarios))
    tour = tuple(name for name, scenario in SCENARIOS.items() if scenario.in_tour)
    # Somebody else's server comes without a database to experiment in.
    return (*tour, LABORATORY) if options.target is None or options.database_url else tour


def _expected_seconds(
    names: tuple[str, ...], seconds: float | None, comparisons: dict[str, Comparison]
) -> dict[str, float]:
    """How long each part usually takes, in the order of the parts."""
    usual: dict[str, float] = {LABORATORY: LABORATORY_SECONDS}
    for name, item in SCENARIOS.items():
        usual[name] = (seconds or item.default_run_seconds) + LOCUST_OVERHEAD_SECONDS
    for name, one in comparisons.items():
        usual[name] = len(one.turns) * (one.turn_seconds + LOCUST_OVERHEAD_SECONDS)
    return {PREPARING: PREPARING_SECONDS, **{name: usual[name] for name in names}}


def listing() -> list[dict[str, Any]]:
    """Every scenario with its question and the options that may be given to it."""
    load = [
        {
            "name": item.name,
            "question": item.question,
            "options": {name.removeprefix("--"): meaning for name, meaning in _allowed_options(item.name).items()},
            "arms": _arms_of(item),
        }
        for item in SCENARIOS.values()
    ]
    question = "Do the roadmap's indexes help the statements that the server executes?"
    return [*load, {"name": LABORATORY, "question": question, "options": {}, "arms": {}}]


def _arms_of(scenario: Scenario) -> dict[str, str]:
    """The names of its arms: of those that it always compares, and of its presets."""
    presets = {**({"(default)": scenario.arms} if scenario.arms else {}), **scenario.arm_presets}
    return {name: " | ".join(arm.partition(":")[0] for arm in arms) for name, arms in presets.items()}


def _allowed_options(name: str) -> dict[str, str]:
    """A scenario's own options, and the common ones that the run does not set itself."""
    return {**scenario_named(name).options, **{option: COMMON_OPTIONS[option] for option in FREE_COMMON_OPTIONS}}


def check_scenario_options(names: list[str], given: dict[str, str]) -> None:
    """InputError for an option that none of the scenarios has; each takes those that it has."""
    allowed = list(dict.fromkeys(option for name in names for option in _allowed_options(name)))
    for option in given:
        if option not in allowed:
            known = ", ".join(one.removeprefix("--") for one in allowed) or "none: the laboratory takes no options here"
            shown = " and ".join(names) or LABORATORY
            raise InputError(f"{shown} has no option {option.removeprefix('--')!r}; choose from {known}")


def open_place(options: RunOptions, cluster_url: str, progress: Progress) -> AbstractContextManager[Place]:
    """The chat server to load: the one that runs, or one of our own on a fresh copy of the data."""
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
        turn = Turn(scenario=name, place=place, seconds=options.seconds or SCENARIOS[name].default_run_seconds)
        if not _measure(turn, options, so_far, shares.of(name)):
            return


def _measure(turn: Turn, options: RunOptions, so_far: RunSoFar, progress: Progress) -> bool:
    """One Locust process from start to record; False when it was interrupted or its server is gone."""
    try:
        run_load_scenario(turn, options, so_far, progress)
    except KeyboardInterrupt:
        so_far.note(cut_short=True)
        return False
    server = turn.place.server
    if server is not None and not server.alive:
        so_far.note(reason=f"{turn.part}: the reference server ended in the middle of the run: {server.ending}")
        return False
    return True


def run_load_scenario(turn: Turn, options: RunOptions, so_far: RunSoFar, progress: Progress) -> None:
    """One scenario from start to record. InputError when the generator found fault with what was asked for."""
    folder = so_far.folder(turn.place)
    log = folder.path / f"locust-{_file_name(turn)}.log"
    command = _locust_command(turn, options, folder)
    arm = turn.arm.name if turn.arm is not None else None
    # It holds no session of the observed database, which a comparison ends to count what was written. A duet's place
    # is one of its two servers: observed alone, it would be slower than the other.
    observer = ServerObserver(turn.place.subject, folder, turn.scenario, arm=arm, block=turn.block)
    with _peers(turn, options) as peers, nullcontext() if turn.scenario == DUET.name else observer:
        if peers:
            command += ["--peers", peers_text({one: peer.target.http_url for one, peer in peers.items()})]
        process = start_child(command, log=log, environment={"CHATBENCH_LOGIN_KEY": options.login_key})
        try:
            _watch(process, turn, progress)
        finally:
            # Interrupted: the generator is asked to end, drains, and writes what it measured.
            exit_code = stop_child(process, patience_seconds=LOCUST_PATIENCE_SECONDS)
        for one, peer in peers.items():
            if not peer.server.alive:
                so_far.note(reason=f"{turn.part}: the server {one!r} ended during the run: {peer.server.ending}")
    if turn.part not in so_far.recorded:
        said = _complaint(log)
        if exit_code == InputError.exit_code:
            raise InputError(said if turn.arm is None else f"{turn.part}: {said}")
        so_far.note(reason=f"{turn.part}: its generator ended with exit code {exit_code}: {said}")


def _file_name(turn: Turn) -> str:
    return turn.scenario if turn.arm is None else f"{turn.scenario}-{turn.arm.name}-{turn.block}"


def _peers(turn: Turn, options: RunOptions) -> AbstractContextManager[dict[str, Peer]]:
    """The servers that a scenario compares with its target; none when the target or they are not ours."""
    scenario, place = scenario_named(turn.scenario), turn.place
    if not scenario.peers or place.database_url is None or "--peers" in options.scenario_options:
        return nullcontext({})
    is_embedded = options.database_url is None
    return own_peers(
        scenario, place.database_url, out=options.out, is_embedded=is_embedded, login_key=options.login_key
    )


def _complaint(log: Path) -> str:
    """What a generator said that it ended for, or else its last words."""
    marks = re.compile(r"^(chatbench: |\S+: error: )+")
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if marks.match(line)]
    return marks.sub("", said[-1]) if said else log_tail(log)


def _locust_command(turn: Turn, options: RunOptions, folder: RunFolder) -> list[str]:
    name, target = turn.scenario, turn.place.target
    command = [sys.executable, "-m", "locust", "-f", str(scenario_named(name).file), "--headless", "--only-summary"]
    command += ["--host", target.http_url, "--run-time", f"{max(1, round(turn.run_time_seconds))}s"]
    command += ["--run-folder", str(folder.path), "--seed", str(turn.generator_seed(options.seed))]
    if options.processes > 1:
        command += _processes(options.processes)
    if options.users is not None:
        command += ["--users", str(options.users)]
        if options.users > SPAWNING_SECONDS_MOST * SPAWN_RATE:
            command += ["--spawn-rate", str(options.users // SPAWNING_SECONDS_MOST)]
    if target.process_id is not None:
        command += ["--server-pid", str(target.process_id)]
    if options.allow_remote:
        command += ["--allow-remote"]
    if turn.arm is not None:
        command += ["--arm", turn.arm.name, "--block", str(turn.block)]
        command += ["--measured-seconds", str(turn.seconds)]
    scenario_options = {**options.scenario_options, **(turn.arm.scenario_options if turn.arm else {})}
    for option, value in scenario_options.items():
        if option in _allowed_options(name):
            command += [f"{option}={value}"]
    return command


def _processes(count: int) -> list[str]:
    """Locust's own workers, on a port that nobody else has and that this host alone can reach."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    listen = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    return ["--processes", str(count), *listen, "--master-host", "127.0.0.1", "--master-port", port]


def _watch(process: subprocess.Popen[bytes], turn: Turn, progress: Progress) -> None:
    """Waits for the generator and tells how far it should be; returns when it ended or outlived all patience."""
    begun = time.monotonic()
    expected = turn.seconds + LOCUST_OVERHEAD_SECONDS
    longest = turn.run_time_seconds + LOCUST_OVERHEAD_SECONDS + LOCUST_PATIENCE_SECONDS
    while process.poll() is None:
        elapsed = time.monotonic() - begun
        if elapsed > longest:
            return
        progress(turn.part, min(0.99, elapsed / expected))
        try:
            process.wait(0.25)
        except subprocess.TimeoutExpired:
            continue
    progress(turn.part, 1.0)
